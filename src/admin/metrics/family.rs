//! A metric: its name, what it means, and its values by label.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// One metric with all its series.
#[derive(Clone, Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Family {
    /// What only grows; its name ends in `_total`, but for coturn's.
    pub fn counter(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::COUNTER, samples: Vec::new() }
    }

    /// What comes and goes.
    pub fn gauge(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::GAUGE, samples: Vec::new() }
    }

    /// The same with its one value.
    pub fn value(self, value: u64) -> Family {
        self.number(value as f64)
    }

    /// The same with its one value, which is no whole number.
    pub fn number(mut self, value: f64) -> Family {
        self.samples.push(Sample { labels: Vec::new(), value });
        self
    }

    /// The same with its one value, if there is one.
    pub fn maybe(self, value: Option<u64>) -> Family {
        match value {
            Some(value) => self.value(value),
            None => self,
        }
    }

    /// The same with a value for each of these labels; all have the same names in the same order.
    pub fn each<const N: usize, L: Into<String>>(
        mut self,
        names: [&'static str; N],
        values: impl IntoIterator<Item = ([L; N], u64)>,
    ) -> Family {
        let sample = |(labels, value): ([L; N], u64)| Sample {
            labels: names.into_iter().zip(labels.map(Into::into)).collect(),
            value: value as f64,
        };
        self.samples.extend(values.into_iter().map(sample));
        self
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn help(&self) -> &'static str {
        self.help
    }

    pub(super) fn labels(&self) -> Vec<&'static str> {
        let labels = self.samples.first().map(|sample| sample.labels.iter().map(|(name, _)| *name).collect());
        labels.unwrap_or_default()
    }

    pub(super) fn into_proto(self) -> MetricFamily {
        let kind = self.kind;
        let metrics = self.samples.into_iter().map(|sample| sample.into_proto(kind)).collect();
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        family
    }
}

impl Sample {
    fn into_proto(self, kind: MetricType) -> Metric {
        let pair = |(name, value): (&str, String)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value);
            pair
        };
        let mut metric = Metric::from_label(self.labels.into_iter().map(pair).collect());
        if kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(self.value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(self.value);
            metric.set_gauge(gauge);
        }
        metric
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use crate::stream::CloseReason;
    use crate::turn::DropReason;
    use crate::turn::event::EndReason;
    use crate::udp::{Leg, Side};

    fn assert_named(variant: impl Debug, name: &str) {
        let mut words = String::new();
        for c in format!("{variant:?}").chars() {
            if c.is_ascii_uppercase() && !words.is_empty() {
                words.push('_');
            }
            words.push(c.to_ascii_lowercase());
        }
        assert_eq!(name, words);
    }

    /// Dashboards, alerts and filters of logs name them.
    #[test]
    fn every_name_of_a_label_is_that_of_its_variant() {
        DropReason::ALL.into_iter().for_each(|reason| assert_named(reason, reason.name()));
        EndReason::ALL.into_iter().for_each(|reason| assert_named(reason, reason.name()));
        CloseReason::ALL.into_iter().for_each(|reason| assert_named(reason, reason.name()));
        Side::ALL.into_iter().for_each(|side| assert_named(side, side.name()));
        Leg::ALL.into_iter().for_each(|leg| assert_named(leg, leg.name()));
    }
}

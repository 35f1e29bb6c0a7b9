//! Metrics: counts of the workers, summed when somebody asks. Labels take their values from tables of ours and from the
//! configuration, never from what a client sends.

mod coturn;
mod family;
mod relaying;
mod serving;
mod users;

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, Registry, TextEncoder};

use super::health::Health;
use super::process;
use crate::clock;
use crate::config::Config;
use crate::udp::Beat;

pub use family::Family;
pub use users::families as user_families;

/// Seconds within which a worker answers.
const LATENCY_BUCKETS: [f64; 10] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

/// Everything that is shown.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    latency: HistogramVec,
}

impl Metrics {
    /// What a server with this configuration counts; [`Metrics::add`] adds what others count.
    ///
    /// # Errors
    /// A name is used twice, or is none: our bug.
    pub fn new(config: &Config, health: &Health) -> prometheus::Result<Metrics> {
        let options = HistogramOpts::new(
            "turnserver_worker_latency_seconds",
            "How long a worker took to answer when it was woken, once a second.",
        );
        let latency = HistogramVec::new(options.buckets(LATENCY_BUCKETS.to_vec()), &["worker"])?;
        let metrics = Metrics { registry: Registry::new(), latency };
        metrics.registry.register(Box::new(metrics.latency.clone()))?;
        let (started, profile) = (clock::now().wall, config.profile.name());
        metrics.add(move || process::families(started))?;
        let (judge, readings) = (health.clone(), health.readings.clone());
        metrics.add(move || serving::families(&judge, profile))?;
        metrics.add(move || relaying::families(&readings))?;
        if config.metrics.as_ref().is_some_and(|metrics| metrics.coturn_names) {
            let (readings, realm) = (health.readings.clone(), config.auth.realm.clone());
            metrics.add(move || coturn::families(&readings, &realm))?;
        }
        Ok(metrics)
    }

    /// Shows what `source` tells as well; it is asked at each scrape, on the control thread.
    ///
    /// # Errors
    /// A name is used twice, or is none.
    pub fn add(&self, source: impl Fn() -> Vec<Family> + Send + Sync + 'static) -> prometheus::Result<()> {
        let describe = |family: &Family| {
            let labels = family.labels().into_iter().map(str::to_owned).collect();
            Desc::new(family.name().to_owned(), family.help().to_owned(), labels, HashMap::new())
        };
        let described = source().iter().map(describe).collect::<prometheus::Result<_>>()?;
        self.registry.register(Box::new(Source { described, ask: Box::new(source) }))
    }

    /// Notes how long the workers took to answer.
    pub(super) fn observe(&self, beats: &[Beat]) {
        for (worker, beat) in beats.iter().enumerate() {
            if let Beat::Answered(latency) = beat {
                self.latency.with_label_values(&[worker.to_string()]).observe(latency.as_secs_f64());
            }
        }
    }

    /// The text format, version 0.0.4.
    ///
    /// # Errors
    /// A family contradicts itself: our bug.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// What somebody tells when asked.
struct Source {
    described: Vec<Desc>,
    ask: Box<dyn Fn() -> Vec<Family> + Send + Sync>,
}

impl Collector for Source {
    fn desc(&self) -> Vec<&Desc> {
        self.described.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        (self.ask)().into_iter().map(Family::into_proto).collect()
    }
}

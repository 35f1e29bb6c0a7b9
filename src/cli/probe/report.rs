//! What happened, step by step: as text while it happens, or as one JSON object at the end.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::failure::Failure;

/// What is done with a server, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Resolve,
    Connect,
    Binding,
    Allocate,
    Permission,
    RoundTrip,
    Delete,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Step::Resolve => "resolve",
            Step::Connect => "connect",
            Step::Binding => "binding",
            Step::Allocate => "allocate",
            Step::Permission => "permission",
            Step::RoundTrip => "round trip",
            Step::Delete => "delete",
        })
    }
}

/// Whose step it is: one of the two clients', or that of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
    Both,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::A => "A",
            Side::B => "B",
            Side::Both => "-",
        })
    }
}

/// The step that did not succeed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) step: Step,
    pub(super) side: Side,
    pub(super) failure: Failure,
    pub(super) hint: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failed { step, side, failure, hint } = self;
        match side {
            Side::Both => write!(f, "{step} failed: {failure}: {hint}"),
            _ => write!(f, "{step} ({side}) failed: {failure}: {hint}"),
        }
    }
}

/// Names and values of what a step found out. A name ends with its unit.
pub(super) type Facts = Vec<(&'static str, Value)>;

/// Milliseconds with three places.
pub(super) fn millis(time: Duration) -> Value {
    json!((time.as_secs_f64() * 1e6).round() / 1e3)
}

/// Takes steps and writes them.
pub(super) struct Report<W> {
    out: W,
    uri: String,
    /// Kept for the end where the report is JSON; written at once where it is text.
    steps: Option<Vec<Value>>,
}

impl<W: Write> Report<W> {
    pub(super) fn new(mut out: W, uri: String, as_json: bool) -> io::Result<Report<W>> {
        if !as_json {
            writeln!(out, "{uri}")?;
        }
        Ok(Report { out, uri, steps: as_json.then(Vec::new) })
    }

    /// A step that succeeded.
    pub(super) fn done(&mut self, step: Step, side: Side, took: Duration, facts: Facts) -> io::Result<()> {
        let took = ("took_ms", millis(took));
        if let Some(steps) = &mut self.steps {
            let mut object = Map::new();
            object.insert("step".to_owned(), step.to_string().into());
            object.insert("side".to_owned(), (side != Side::Both).then(|| side.to_string()).into());
            object.extend([took].into_iter().chain(facts).map(|(name, value)| (name.to_owned(), value)));
            steps.push(Value::Object(object));
            return Ok(());
        }
        let facts: Vec<String> = [took].iter().chain(&facts).map(|(name, value)| in_words(name, value)).collect();
        writeln!(self.out, "  {side} {step:<10}  {}", facts.join(", "))
    }

    /// The end.
    pub(super) fn finish(mut self, failed: Option<&Failed>) -> io::Result<()> {
        let Some(steps) = self.steps.take() else {
            return match failed {
                Some(failed) => writeln!(self.out, "{failed}"),
                None => writeln!(self.out, "ok"),
            };
        };
        let failure = failed.map(|failed| {
            json!({
                "step": failed.step.to_string(),
                "side": (failed.side != Side::Both).then(|| failed.side.to_string()),
                "code": failed.failure.code(),
                "message": failed.failure.to_string(),
                "hint": failed.hint,
            })
        });
        let report = json!({ "uri": self.uri, "ok": failed.is_none(), "steps": steps, "failure": failure });
        writeln!(self.out, "{report}")
    }
}

/// `lifetime_secs` of 600 is "lifetime 600 s".
fn in_words(name: &str, value: &Value) -> String {
    let (name, unit) = [("_secs", " s"), ("_ms", " ms"), ("_bytes", " bytes")]
        .into_iter()
        .find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, unit)))
        .unwrap_or((name, ""));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = match value {
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        value => text(value),
    };
    format!("{name} {value}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(as_json: bool, failed: Option<&Failed>) -> String {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, "turn:192.0.2.1".to_owned(), as_json).expect("memory takes it");
        let facts =
            vec![("relayed", "192.0.2.1:50000".into()), ("lifetime_secs", 600.into()), ("list", json!(["a", "b"]))];
        report.done(Step::Allocate, Side::A, Duration::from_micros(1500), facts).expect("memory takes it");
        let facts = vec![("sent", 10.into()), ("min_ms", millis(Duration::from_nanos(123_456)))];
        report.done(Step::RoundTrip, Side::Both, Duration::from_millis(20), facts).expect("memory takes it");
        report.finish(failed).expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    fn failed() -> Failed {
        let failure = Failure::Refused { code: 508, phrase: "Insufficient Capacity".to_owned(), alternate: None };
        Failed { step: Step::Allocate, side: Side::B, failure, hint: "see".to_owned() }
    }

    #[test]
    fn text_has_a_line_for_each_step_and_one_for_the_end() {
        let steps = "turn:192.0.2.1\n  A allocate    took 1.5 ms, relayed 192.0.2.1:50000, lifetime 600 s, list a b\n  - round trip  took 20.0 ms, sent 10, min 0.123 ms\n";
        assert_eq!(report(false, None), format!("{steps}ok\n"));
        let end = "allocate (B) failed: 508 Insufficient Capacity: see\n";
        assert_eq!(report(false, Some(&failed())), format!("{steps}{end}"));
    }

    #[test]
    fn json_is_one_object_on_one_line() {
        let value: Value = serde_json::from_str(&report(true, Some(&failed()))).expect("JSON");
        let failure = json!({
            "step": "allocate", "side": "B", "code": 508, "message": "508 Insufficient Capacity", "hint": "see"
        });
        assert_eq!(value["failure"], failure);
        assert_eq!(value["ok"], false);
        assert_eq!(
            value["steps"][0],
            json!({
                "step": "allocate", "side": "A", "took_ms": 1.5, "relayed": "192.0.2.1:50000", "lifetime_secs": 600, "list": ["a", "b"]
            })
        );
        assert_eq!(value["steps"][1]["side"], Value::Null);
        let fine: Value = serde_json::from_str(&report(true, None)).expect("JSON");
        assert_eq!((&fine["ok"], &fine["failure"]), (&true.into(), &Value::Null));
    }
}

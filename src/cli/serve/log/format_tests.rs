//! One line per record, whatever it holds.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::subscriber::with_default;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// What ends lines, moves cursors, rings, turns the direction of writing, or only looks like an end of quotes.
const HOSTILE: &str = "a\r\nb\x1b[31m\"\\\u{0}\u{7}\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                       \u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}\u{200b}\u{feff}\u{fffd} =x' \u{e0001}\u{1F600}";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(style: Style, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = tracing_subscriber::fmt::layer().event_format(style).with_writer(move || writer.clone()).boxed();
    with_default(tracing_subscriber::registry().with(layer), log);
    let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    String::from_utf8(bytes).expect("a line is text")
}

fn log_hostile() {
    tracing::info!(text = HOSTILE, shown = %HOSTILE, debugged = ?HOSTILE, number = 7u64, on = true, "{HOSTILE}");
}

/// Nothing that a reader of lines, or a terminal, takes for more than a character.
fn assert_harmless(line: &str) {
    let body = line.strip_suffix('\n').expect("a line ends");
    for c in body.chars() {
        let is_harmful = c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{61c}' | '\u{feff}' | '\u{e0001}');
        assert!(!is_harmful, "{c:?} in {line:?}");
    }
}

#[test]
fn text_is_one_line_and_strings_stay_in_their_quotes() {
    let line = logged(Style::plain(LogFormat::Text), log_hostile);
    assert_harmless(&line);
    assert!(line.contains("  INFO a\\r\\nb\\u{1b}[31m\"\\"), "{line}");
    assert!(line.contains(&format!(" text={HOSTILE:?} shown={HOSTILE:?} debugged=")), "{line}");
    assert!(line.ends_with(" number=7 on=true\n"), "{line}");
}

#[test]
fn plain_words_have_no_quotes_and_everything_else_has() {
    let line = logged(Style::plain(LogFormat::Text), || {
        tracing::warn!(addr = %"[::1]:3478", reason = ?Some(1), empty = %"", two = %"a b", text = "a", absent = None::<u64>, "it");
    });
    assert!(line.ends_with(" WARN it addr=[::1]:3478 reason=Some(1) empty=\"\" two=\"a b\" text=\"a\"\n"), "{line}");
}

#[test]
fn json_is_one_flat_object_with_typed_values() {
    let line = logged(Style::plain(LogFormat::Json), log_hostile);
    assert_harmless(&line);
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["message"], HOSTILE);
    assert_eq!((&value["text"], &value["shown"]), (&HOSTILE.into(), &HOSTILE.into()));
    assert_eq!(
        (value["number"].as_u64(), value["on"].as_bool(), value["level"].as_str()),
        (Some(7), Some(true), Some("INFO"))
    );
    let time = value["timestamp"].as_str().expect("a time");
    assert!(time.len() == 24 && time.ends_with('Z') && &time[19..20] == ".", "{time}");
}

#[test]
fn the_journal_and_the_systems_log_are_told_the_level_and_know_the_time() {
    let journal = logged(Style::plain(LogFormat::Text).led_by(Lead::Journal), || {
        tracing::error!("one");
        tracing::warn!("two");
        tracing::info!("three");
        tracing::debug!("four");
    });
    assert_eq!(journal, "<3>ERROR one\n<4> WARN two\n<6> INFO three\n<7>DEBUG four\n");
    let facility = crate::config::SyslogFacility(crate::config::Facility::LOG_LOCAL3);
    let styled = |format| Style::plain(format).led_by(Lead::Syslog(Header::new(facility)));
    // RFC 3164 section 4.1.1: 19 * 8 + 4.
    let head = format!("<156>turnserver[{}]: ", std::process::id());
    let text = logged(styled(LogFormat::Text), || tracing::warn!(number = 7, "two"));
    assert_eq!(text, format!("{head}two number=7\n"), "its reader adds the time and knows the level");
    let nameless = logged(styled(LogFormat::Text), || tracing::warn!(number = 7));
    assert_eq!(nameless, format!("{head}number=7\n"));
    let json = logged(styled(LogFormat::Json), || tracing::warn!(text = HOSTILE, "two"));
    assert_harmless(&json);
    let record = json.strip_prefix(&head).expect("a head");
    assert!(serde_json::from_str::<serde_json::Value>(record).is_ok(), "{record}");
}

#[test]
fn text_says_when_as_it_is_told_to() {
    let of = |timestamps: Timestamps| {
        let line = logged(Style { timestamps, ..Style::plain(LogFormat::Text) }, || tracing::info!("it"));
        line.strip_suffix("  INFO it\n").unwrap_or_else(|| panic!("{line:?}")).to_owned()
    };
    let date = of(Timestamps::Date);
    assert!(date.len() == 24 && &date[10..11] == "T" && &date[19..20] == "." && date.ends_with('Z'), "{date}");
    assert!(of(Timestamps::Seconds).strip_suffix(':').is_some_and(|secs| secs.parse::<u64>().is_ok()));
    let own = time::format_description::parse_strftime_owned("%FT%T%z\n").expect("it is understood");
    let own = of(Timestamps::Own(own));
    assert!(own.ends_with("+0000 ") && own.len() == 25, "{own:?}");
}

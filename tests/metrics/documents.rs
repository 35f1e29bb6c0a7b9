//! Dashboard, alerts and handbook name what the server shows, and all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::Shown;
use crate::wire::Client;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every family there is, with its type: of a server that has all names, a certificate, a user database, and has reloaded.
fn families() -> BTreeMap<String, String> {
    let shown = Shown::start(&["--userdb=turndb"]);
    shown.server.signal(Signal::HUP);
    let last = "turnserver_last_reload_success_time_seconds";
    let latency = "turnserver_worker_latency_seconds";
    let all = [last, latency];
    shown.scrape_until("it has reloaded", |scrape| all.iter().all(|name| scrape.families.contains_key(*name))).families
}

/// Words in `text` that are names of metrics, if of any.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_ours =
        |word: &&str| ["turnserver_", "process_", "turn_", "stun_"].iter().any(|start| word.starts_with(start));
    words.filter(is_ours).map(str::to_owned).collect()
}

/// Names of families that `named` are not, histograms by their parts.
fn unknown(named: &BTreeSet<String>, families: &BTreeMap<String, String>) -> Vec<String> {
    let is_known = |name: &&String| {
        let parts = ["_bucket", "_sum", "_count"].iter().filter_map(|part| name.strip_suffix(part));
        let is_histogram = |base: &str| families.get(base).is_some_and(|kind| kind == "histogram");
        families.contains_key(*name) || parts.into_iter().any(is_histogram)
    };
    named.iter().filter(|name| !is_known(name)).cloned().collect()
}

#[test]
fn names_follow_the_conventions() {
    for (name, kind) in families() {
        let is_coturns = name.starts_with("turn_") || name.starts_with("stun_");
        assert!(is_coturns || name.starts_with("turnserver_") || name.starts_with("process_"), "{name}");
        if !is_coturns {
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
            assert!(!name.contains("milli") && !name.contains("_ms") && !name.contains("_kb"), "base units: {name}");
        }
    }
}

#[test]
fn the_handbook_tells_every_metric_and_no_other() {
    let (text, families) = (read("metrics.md"), families());
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let told: BTreeSet<String> = cells.flat_map(names).collect();
    assert_eq!(unknown(&told, &families), Vec::<String>::new(), "metrics.md tells what is not there");
    let untold: Vec<_> = families.keys().filter(|name| !told.contains(*name)).collect();
    assert!(untold.is_empty(), "metrics.md does not tell {untold:?}");
    assert_eq!(unknown(&names(&text), &families), Vec::<String>::new());
    for (name, kind) in &families {
        let row = text.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{name}`")));
        assert!(row.is_some_and(|row| row.contains(&format!("| {kind} |"))), "{name} is a {kind}: {row:?}");
    }
}

#[test]
fn every_reason_and_label_is_one_that_the_handbook_or_a_table_knows() {
    let shown = Shown::start(&[]);
    Client::udp(shown.server.addr).settle();
    let text = read("metrics.md");
    let latency = "turnserver_worker_latency_seconds_count";
    let scrape =
        shown.scrape_until("workers answered", |scrape| scrape.keys().iter().any(|key| key.starts_with(latency)));
    for key in scrape.keys() {
        let Some((name, labels)) = key.split_once('{') else { continue };
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        let row = text.lines().find(|line| line.contains(&format!("`{base}`"))).unwrap_or_else(|| panic!("{base}"));
        for label in labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split('=').next()) {
            assert!(label == "le" || row.contains(label), "the label {label} of {base} is not told");
        }
    }
    let count =
        scrape.keys().iter().filter(|key| key.starts_with("turnserver_") || key.starts_with("process_")).count();
    assert!((200..350).contains(&count), "metrics.md says about 300 series; there are {count}");
}

#[test]
fn the_dashboard_shows_what_is_there_and_all_of_it() {
    let dashboard: Value = serde_json::from_str(&read("grafana.json")).expect("it is JSON");
    let families = families();
    let panels = dashboard["panels"].as_array().expect("panels");
    let (mut shown, mut ids, mut places) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64()), "{title}: an id twice");
        let at = &panel["gridPos"];
        let [x, y, w] = ["x", "y", "w"].map(|part| at[part].as_u64().expect("a place"));
        assert!(x + w <= 24 && places.insert((x, y)), "{title} lies over another panel, or outside");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title} is empty");
        for target in targets {
            let query = target["expr"].as_str().expect("a query");
            let selectors = query.matches("{job=~\"$job\",instance=~\"$instance\"").count();
            assert_eq!(selectors, names(query).len(), "{title}: every metric is of the chosen servers: {query}");
            for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
                assert_eq!(query.matches(open).count(), query.matches(close).count(), "{title}: {query}");
            }
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            shown.extend(names(query));
        }
    }
    assert_eq!(unknown(&shown, &families), Vec::<String>::new(), "the dashboard shows what is not there");
    let is_ours = |name: &&String| name.starts_with("turnserver_") || name.starts_with("process_");
    let is_shown = |name: &str| shown.contains(name) || shown.contains(&format!("{name}_bucket"));
    let hidden: Vec<_> = families.keys().filter(is_ours).filter(|name| !is_shown(name)).collect();
    assert!(hidden.is_empty(), "the dashboard does not show {hidden:?}");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let kinds: Vec<_> =
        variables.iter().map(|variable| (variable["name"].as_str(), variable["type"].as_str())).collect();
    assert_eq!(kinds[0], (Some("datasource"), Some("datasource")));
    assert_eq!(kinds[1..], [(Some("job"), Some("query")), (Some("instance"), Some("query"))]);
}

#[test]
fn alerts_ask_for_what_is_there_and_the_handbook_says_what_to_do() {
    let (alerts, handbook) = (read("alerts.yml"), read("metrics.md"));
    assert_eq!(unknown(&names(&alerts), &families()), Vec::<String>::new());
    assert!(!alerts.contains('\t'), "YAML has no tabs");
    let rules: Vec<&str> = alerts.split("      - alert: ").skip(1).collect();
    assert!(rules.len() >= 10);
    let mut told = BTreeSet::new();
    for rule in rules {
        let name = rule.lines().next().expect("a name").trim();
        for part in ["        expr: ", "        labels: { severity: ", "        annotations: { summary: \""] {
            assert_eq!(rule.matches(part).count(), 1, "{name}: {part}");
        }
        assert_eq!(rule.matches('(').count(), rule.matches(')').count(), "{name}");
        assert_eq!(rule.matches('{').count(), rule.matches('}').count(), "{name}");
        assert!(handbook.contains(&format!("| {name} |")), "metrics.md does not say what to do about {name}");
        told.insert(name);
    }
    let promised = handbook.lines().filter_map(|line| line.strip_prefix("| Turnserver")?.split(' ').next());
    for name in promised.map(|name| format!("Turnserver{name}")) {
        assert!(told.contains(name.as_str()), "there is no alert {name}");
    }
}

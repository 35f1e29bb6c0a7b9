//! A strict reader of Prometheus' text format, version 0.0.4: what it takes, every scraper takes.

use std::collections::{BTreeMap, BTreeSet};

/// What one scrape showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrape {
    /// The type of each family.
    pub(crate) families: BTreeMap<String, String>,
    /// Each series by name and labels, as it stands there.
    series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Reads a text whole, or says which line is not as it must be.
    pub(crate) fn parse(text: &str) -> Result<Scrape, String> {
        let mut scrape = Scrape::default();
        let (mut helped, mut current) = (BTreeSet::new(), String::new());
        if !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        for line in text.lines() {
            let wrong = |what: &str| Err(format!("{what}: {line}"));
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let Some((name, help)) = rest.split_once(' ') else { return wrong("no help") };
                if !is_name(name) || help.is_empty() || !is_escaped(help, false) {
                    return wrong("bad HELP");
                }
                if !helped.insert(name.to_owned()) {
                    return wrong("HELP twice");
                }
                current = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let Some((name, kind)) = rest.split_once(' ') else { return wrong("no type") };
                if name != current || !["counter", "gauge", "histogram"].contains(&kind) {
                    return wrong("TYPE does not follow its HELP, or is unknown");
                }
                if scrape.families.insert(name.to_owned(), kind.to_owned()).is_some() {
                    return wrong("TYPE twice");
                }
            } else {
                scrape.take_sample(line, &current)?;
            }
        }
        Ok(scrape)
    }

    fn take_sample(&mut self, line: &str, current: &str) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {line}"));
        let Some((series, value)) = line.rsplit_once(' ') else { return wrong("no value") };
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, rest)| (name, Some(rest)));
        let Some(kind) = self.families.get(current) else { return wrong("a sample before its TYPE") };
        let of_histogram = || ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(current));
        if !is_name(name) || (name != current && !(kind == "histogram" && of_histogram())) {
            return wrong("a sample of another family");
        }
        if let Some(labels) = labels {
            read_labels(labels).ok_or_else(|| format!("bad labels: {line}"))?;
        }
        let Ok(number) = value.parse::<f64>() else { return wrong("bad value") };
        if kind != "gauge" && (number < 0.0 || number.is_nan()) {
            return wrong("a counter below zero");
        }
        if self.series.insert(series.to_owned(), number).is_some() {
            return wrong("a series twice");
        }
        Ok(())
    }

    /// The series of a family with these labels among its own, summed up; fails when there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let fits = |series: &str| {
            let (of, rest) = series.split_once('{').unwrap_or((series, ""));
            of == name && pairs.iter().all(|pair| rest.trim_end_matches('}').split(',').any(|held| held == pair))
        };
        let found: Vec<f64> = self.series.iter().filter(|(series, _)| fits(series)).map(|(_, value)| *value).collect();
        assert!(!found.is_empty(), "no series {name} with {labels:?}");
        found.iter().sum()
    }

    /// The names and labels of all series.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        self.series.keys().cloned().collect()
    }
}

fn is_name(name: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// Whether a backslash is there for itself, an `n` or, in labels, a quote only.
fn is_escaped(text: &str, in_quotes: bool) -> bool {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let is_good = match c {
            '\\' => matches!(characters.next(), Some('\\' | 'n')) || (in_quotes && text.contains("\\\"")),
            '"' => !in_quotes,
            c => !c.is_control(),
        };
        if !is_good {
            return false;
        }
    }
    true
}

/// `a="b",c="d"}`, each name once.
fn read_labels(text: &str) -> Option<BTreeSet<&str>> {
    let (mut names, mut rest) = (BTreeSet::new(), text);
    loop {
        let (name, behind) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = behind.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let is_label = is_name(name) && !name.contains(':') && !name.starts_with("__");
        if !is_label || !names.insert(name) || behind[..end].chars().any(char::is_control) {
            return None;
        }
        rest = &behind[end + 1..];
        match rest {
            "}" => return Some(names),
            more => rest = more.strip_prefix(',')?,
        }
    }
}

#[test]
fn what_the_format_allows_is_read() {
    let text = "# HELP a A \\\\ and \\n.\n# TYPE a counter\na{b=\"c\\\"},{\\\\\",d=\"e\"} 3\na 4\n\
                # HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 0.5\nh_count 1\n";
    let scrape = Scrape::parse(text).expect("it is well-formed");
    assert_eq!((scrape.families.len(), scrape.keys().len()), (2, 5));
    assert_eq!((scrape.sum("a", &[("d", "e")]), scrape.sum("a", &[])), (3.0, 7.0));
}

#[test]
fn what_it_does_not_allow_is_found() {
    let head = "# HELP a A.\n# TYPE a gauge\n";
    for bad in [
        "a 1",
        "a 1\n",
        "# HELP a A.\na 1\n",
        "# TYPE a gauge\na 1\n",
        &format!("{head}b 1\n"),
        &format!("{head}a 1\na 1\n"),
        &format!("{head}a{{b=\"c\"}} 1\na{{b=\"c\"}} 2\n"),
        &format!("{head}a{{b=\"c\",b=\"d\"}} 1\n"),
        &format!("{head}a{{b=\"c\nd\"}} 1\n"),
        &format!("{head}a{{1b=\"c\"}} 1\n"),
        &format!("{head}a{{b=c}} 1\n"),
        &format!("{head}a one\n"),
        &format!("{head}{head}"),
        &format!("{head}# HELP a Again.\n"),
        "# HELP a A.\n# TYPE a guage\na 1\n",
        "# HELP a A.\n# TYPE a counter\na -1\n",
        "# HELP a A\\q.\n# TYPE a gauge\na 1\n",
    ] {
        assert!(Scrape::parse(bad).is_err(), "{bad}");
    }
}

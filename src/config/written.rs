//! Values as TOML writes them.

use super::options::Kind;
use super::raw::Setting;

/// The value of a setting that was taken; none where it is no value of its option.
pub(super) fn value(setting: &Setting) -> Option<String> {
    match setting.option.kind {
        Kind::Switch => setting.switch().ok().map(|on| on.to_string()),
        Kind::Integer { .. } => setting.integer::<i64>().ok().map(|number| number.to_string()),
        Kind::Text(_) | Kind::Word(_) => setting.text().ok().map(quoted),
    }
}

/// The same with nothing that must not be shown; of a user the name.
pub(super) fn shown(setting: &Setting) -> Option<String> {
    if !setting.option.secret {
        return value(setting);
    }
    let text = setting.text().ok()?;
    Some(match text.split_once(':') {
        Some((name, _)) if setting.option.name == "user" => quoted(&format!("{name}:...")),
        _ => quoted("..."),
    })
}

/// A default, which is written as on a command line.
pub(super) fn preset(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Switch | Kind::Integer { .. } => text.to_owned(),
        Kind::Text(_) | Kind::Word(_) => quoted(text),
    }
}

/// A basic string, in one line whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text for a comment, in one line whatever it holds.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

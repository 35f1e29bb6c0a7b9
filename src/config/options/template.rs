//! The commented `turnserver.toml` that is shipped, made from the option table.

use super::{Definition, Preset, all};
use crate::config::written;

/// The first line, by which the file is known for ours.
pub(in crate::config) const MARK: &str = "# turnserver: a STUN and TURN server.";

const HEAD: &str = "
#
# Every option stands here, as a comment with its default or an example where it is not set. The same names work on
# the command line (--listening-port=3478) and, in upper case, in the environment (TURNSERVER_LISTENING_PORT=3478); the
# command line wins over the environment, and that over this file. Options that may be given many times add up.
# With this file as it is, the server starts and makes itself a secret for time-limited credentials.
";

/// How wide a comment is, its `# ` included.
const WIDTH: usize = 118;

/// The text of `turnserver.toml` as it is shipped.
pub fn template() -> String {
    let mut out = format!("{MARK}{HEAD}");
    let mut category = None;
    for option in all().filter(|option| option.category.is_served()) {
        if category != Some(option.category) {
            category = Some(option.category);
            out.push_str(&format!("\n# === {} ===\n", option.category.heading()));
        }
        out.push('\n');
        out.push_str(&entry(option));
    }
    out
}

fn entry(option: &Definition) -> String {
    let mut out = comment(&format!("{} {}", option.doc, option.more));
    out.push_str(&comment(&format!("Default: {}", option.default_text())));
    let (mark, values) = match (option.shipped, option.default[0]) {
        (Some(value), _) => ("", vec![value]),
        (None, Preset::Value(value)) => ("#", vec![value]),
        (None, Preset::Described(_)) => ("#", option.example.to_vec()),
    };
    let values: Vec<String> = values.into_iter().map(|value| written::preset(option.kind, value)).collect();
    let value = if option.repeatable { format!("[{}]", values.join(", ")) } else { values.join(", ") };
    out.push_str(&format!("{mark}{} = {value}\n", option.name));
    out
}

/// `text` as comment lines, broken between words.
fn comment(text: &str) -> String {
    let mut out = String::new();
    let mut width = WIDTH;
    for word in text.split_whitespace() {
        if width + 1 + word.chars().count() > WIDTH {
            out.push_str(if out.is_empty() { "#" } else { "\n#" });
            width = 1;
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + word.chars().count();
    }
    out.push('\n');
    out
}

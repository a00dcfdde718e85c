//! Trees back to YAML: block style, two spaces, text quoted where it would be read as anything else.

use std::fmt::Write as _;

use super::{Dialect, Kind, Node, Scalar, ScalarValue};

/// A document that any YAML reader takes for the same values.
#[must_use]
pub fn write_yaml(node: &Node) -> String {
    let mut text = String::new();
    match &node.kind {
        Kind::Mapping(entries) if !entries.is_empty() => block(node, 0, &mut text),
        Kind::Sequence(items) if !items.is_empty() => block(node, 0, &mut text),
        Kind::Mapping(_) | Kind::Sequence(_) | Kind::Scalar(_) => {
            text.push_str(&inline(node));
            text.push('\n');
        }
    }
    text
}

fn block(node: &Node, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.kind {
        Kind::Mapping(entries) => {
            for entry in entries.iter() {
                write!(text, "{indent}{}:", quoted(&entry.key)).expect("memory can be written");
                nested(&entry.value, depth, text);
            }
        }
        Kind::Sequence(items) => {
            for item in items.iter() {
                write!(text, "{indent}-").expect("memory can be written");
                nested(item, depth, text);
            }
        }
        Kind::Scalar(_) => {}
    }
}

/// What stands behind a key or a dash.
fn nested(node: &Node, depth: usize, text: &mut String) {
    let filled = match &node.kind {
        Kind::Mapping(entries) => !entries.is_empty(),
        Kind::Sequence(items) => !items.is_empty(),
        Kind::Scalar(_) => false,
    };
    if filled {
        text.push('\n');
        block(node, depth + 1, text);
    } else {
        writeln!(text, " {}", inline(node)).expect("memory can be written");
    }
}

fn inline(node: &Node) -> String {
    match &node.kind {
        Kind::Mapping(_) => "{}".to_owned(),
        Kind::Sequence(_) => "[]".to_owned(),
        Kind::Scalar(Scalar { text, value: ScalarValue::Text, .. }) => quoted(text),
        Kind::Scalar(Scalar { value: ScalarValue::Float(number), .. }) if !number.is_finite() => {
            let text = if number.is_nan() { ".nan" } else { ".inf" };
            if *number < 0.0 { format!("-{text}") } else { text.to_owned() }
        }
        Kind::Scalar(_) => node.to_json(),
    }
}

/// Text as it is where nobody could misread it, else in double quotes as JSON has them.
fn quoted(text: &str) -> String {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '/';
    let inside = |c: char| c.is_ascii_alphanumeric() || "_-./@+".contains(c);
    let plain = text.starts_with(starts) && text.chars().all(inside);
    let meaning = super::resolve::resolve(text, true, None, Dialect::Yaml11);
    if plain && meaning == ScalarValue::Text {
        text.to_owned()
    } else {
        serde_json::Value::String(text.to_owned()).to_string()
    }
}

//! `explain KIND.FIELD`: what a field of our documents is, as their schemas say it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::input::schema::{KINDS, schema};

/// Columns of a page at most.
const COLUMNS: usize = 96;

/// The page of a field such as `ServiceProfiles.services.cpu`; names that are free (`services.web`) may
/// be left out or stand there, and so may positions in lists (`events[0].drain`).
///
/// # Errors
/// `None` when the path begins with no kind of ours; else what is not there and what is.
pub(super) fn explained(path: &str) -> Option<Result<String, String>> {
    let mut names = path.split('.').map(|name| name.split('[').next().unwrap_or(name));
    let wanted = names.next().unwrap_or_default();
    let kind = KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(wanted))?;
    let root = schema(kind)?;
    let mut at = &root;
    let mut walked = kind.to_owned();
    for name in names.filter(|name| !name.is_empty()) {
        match step(at, name) {
            Ok((inner, named)) => {
                at = inner;
                let _ = write!(walked, ".{named}");
            }
            Err(known) if known.is_empty() => {
                return Some(Err(format!("`{walked}` has no fields, so no `{name}`")));
            }
            Err(known) => {
                let near = known
                    .iter()
                    .map(|known| (strsim::damerau_levenshtein(known, name), known))
                    .filter(|(distance, _)| *distance <= 2)
                    .min();
                let hint = near.map(|(_, near)| format!("; did you mean `{near}`?"));
                return Some(Err(format!(
                    "`{walked}` has no field `{name}`{}\nhint: fields there: {}",
                    hint.unwrap_or_default(),
                    known.join(", ")
                )));
            }
        }
    }
    Some(Ok(page(&walked, at)))
}

/// The field of a name, itself or under a free name or in a list; else the names that are there.
fn step<'s>(at: &'s Value, name: &str) -> Result<(&'s Value, String), Vec<String>> {
    let mut known = Vec::new();
    for choice in choices(at) {
        if let Some(fields) = choice.get("properties").and_then(Value::as_object) {
            if let Some((own, inner)) =
                fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))
            {
                return Ok((inner, own.clone()));
            }
            known.extend(fields.keys().cloned());
        }
        if let Some(items) = choice.get("items") {
            match step(items, name) {
                Ok(found) => return Ok(found),
                Err(names) => known.extend(names),
            }
        }
        if let Some(free) = choice.get("additionalProperties").filter(|free| free.is_object()) {
            // A field behind a free name that was left out, else the free name itself.
            return match step(free, name) {
                Ok(found) => Ok(found),
                Err(_) => Ok((free, "*".to_owned())),
            };
        }
    }
    Err(known)
}

/// A schema, or each of those it may be; that it may be null is not worth a word.
fn choices(at: &Value) -> Vec<&Value> {
    match at.get("anyOf").and_then(Value::as_array) {
        Some(all) => all.iter().flat_map(choices).filter(|it| it["type"] != "null").collect(),
        None => vec![at],
    }
}

fn page(path: &str, at: &Value) -> String {
    let mut text = format!("{path} · {}\n", types(at));
    if let Some(told) = at.get("description").and_then(Value::as_str) {
        let _ = write!(text, "\n{}\n", wrapped(told, 0));
    }
    let rows = fields(at);
    if !rows.is_empty() {
        text.push_str("\nFIELDS\n");
        let width = |column: fn(&(String, String, String)) -> &String| {
            rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
        };
        let (names, kinds) = (width(|row| &row.0), width(|row| &row.1).min(28));
        for (name, kind, told) in &rows {
            let head = format!("  {name:names$}  {kind:kinds$}  ");
            let told = wrapped(told, names + kinds + 6);
            let _ = writeln!(text, "{}", format!("{head}{told}").trim_end());
        }
    }
    text
}

/// Name, type and description of each field, through lists and free names.
fn fields(at: &Value) -> Vec<(String, String, String)> {
    let mut rows = Vec::new();
    for choice in choices(at) {
        let required = choice.get("required").and_then(Value::as_array);
        let demanded =
            |name: &str| required.is_some_and(|all| all.iter().any(|it| it.as_str() == Some(name)));
        for (name, inner) in
            choice.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let told = inner.get("description").and_then(Value::as_str).unwrap_or_default();
            let mark = if demanded(name) { "*" } else { "" };
            rows.push((format!("{name}{mark}"), types(inner), told.to_owned()));
        }
        for inner in [choice.get("items"), choice.get("additionalProperties")].into_iter().flatten()
        {
            if inner.is_object() {
                rows.extend(fields(inner));
            }
        }
    }
    rows
}

/// `text`, `number`, `early | late`, `list of text`.
fn types(at: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    for choice in choices(at) {
        let word = match (choice.get("enum").and_then(Value::as_array), choice["type"].as_str()) {
            (Some(all), _) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | "),
            (None, Some("array")) => match choice.get("items").map(types) {
                Some(inner) if !inner.is_empty() => format!("list of {inner}"),
                Some(_) | None => "list".to_owned(),
            },
            (None, Some("object")) if choice.get("properties").is_none() => "by name".to_owned(),
            (None, Some("object")) => "fields".to_owned(),
            (None, Some("string")) => "text".to_owned(),
            (None, Some("integer")) => "whole number".to_owned(),
            (None, Some(other)) => other.to_owned(),
            (None, None) => choice.get("const").and_then(Value::as_str).unwrap_or("").to_owned(),
        };
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" or ")
}

/// A text on lines of [`COLUMNS`], those behind the first indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > COLUMNS {
            let _ = write!(lines, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str) -> String {
        explained(path).expect("it begins with a kind").expect("the field is there")
    }

    #[test]
    fn a_field_is_told_with_its_fields() {
        let page = told("ServiceProfiles.services.worker");
        assert!(page.starts_with("ServiceProfiles.services.worker · fields\n"), "{page}");
        assert!(page.contains("  acks "), "{page}");
        assert!(page.contains("early | late"), "{page}");
        assert!(page.contains("  concurrency*"), "what must be there is marked: {page}");
        assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
        // A free name may stand there, and a position in a list.
        assert_eq!(
            told("serviceprofiles.services.mailer.worker.acks"),
            told("ServiceProfiles.services.web.worker.acks")
        );
        assert!(told("Scenario.events[0].drain.pool").contains("whose nodes"));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let wrong = explained("Scenario.evnts").expect("it begins with a kind");
        let wrong = wrong.expect_err("there is no such field");
        assert!(
            wrong.starts_with("`Scenario` has no field `evnts`; did you mean `events`?"),
            "{wrong}"
        );
        let deeper = explained("Scenario.seed.x").expect("it begins with a kind");
        assert_eq!(deeper, Err("`Scenario.seed` has no fields, so no `x`".to_owned()));
        assert_eq!(explained("AUR301"), None);
    }
}

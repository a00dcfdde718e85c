//! The grammar of `--set` and its relatives (helm, pkg/strvals).
//!
//! `a.b=1,c[0].d=x,e={1,2}`: keys by dots, places of lists in brackets, lists in braces, backslash
//! before a letter that would mean something. Types of plain values: `true`, `false`, `null` in any
//! case, whole numbers without a leading zero; everything else is text.

use std::sync::Arc;

use super::tree::{Slot, Table, Tree};
use crate::input::source::{FileId, Span};
use crate::input::yaml::ScalarValue;

/// Keys may be nested so deep in one name.
const LEVELS_MOST: usize = 30;
/// Brackets may be nested so deep, with or without keys between them. Helm knows no such bound.
const BRACKETS_MOST: usize = 64;
/// The largest place of a list.
const INDEX_MOST: usize = 65_536;

/// How values are read.
pub(super) enum Reading<'r> {
    /// `--set`: by their looks.
    Typed,
    /// `--set-string`: as text.
    Text,
    /// `--set-json`: as JSON.
    Json,
    /// `--set-literal`: everything behind the first `=`, as it is.
    Literal,
    /// `--set-file`: the text of the file that is named.
    File(&'r mut FileReader<'r>),
}

/// The text of a file as a value, or why it cannot be had.
pub(super) type FileReader<'r> = dyn FnMut(&str) -> Result<Tree, String> + 'r;

/// Why an argument cannot be used, and where.
#[derive(Debug, PartialEq)]
pub(super) struct SetError {
    pub(super) message: String,
    /// Bytes of the argument.
    pub(super) at: usize,
    /// The value that is in the way, when there is one.
    pub(super) blocked_by: Option<Span>,
}

type Step<T> = Result<T, Stop>;

/// Why the reader stops.
enum Stop {
    /// The text is over, where that is allowed.
    End,
    Fault(SetError),
}

/// Puts the assignments of one argument into the values.
pub(super) fn assign(
    file: FileId,
    text: &str,
    reading: Reading<'_>,
    into: &mut Table,
) -> Result<(), SetError> {
    let mut parser = Parser { file, text, at: 0, brackets: 0, reading };
    loop {
        match parser.key(into, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Fault(error)) => return Err(error),
        }
    }
}

struct Parser<'p, 'r> {
    file: FileId,
    text: &'p str,
    at: usize,
    /// Brackets that are open around this place.
    brackets: usize,
    reading: Reading<'r>,
}

/// Letters up to one that stops, which is swallowed; the end of the text stops too.
struct Run {
    text: String,
    last: Option<char>,
}

impl Parser<'_, '_> {
    fn next(&mut self) -> Option<char> {
        let letter = self.text[self.at..].chars().next()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn until(&mut self, stops: &[char]) -> Run {
        let literal = matches!(self.reading, Reading::Literal);
        let mut text = String::new();
        while let Some(letter) = self.next() {
            if stops.contains(&letter) {
                return Run { text, last: Some(letter) };
            }
            if letter == '\\' && !literal {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => break,
                }
            } else {
                text.push(letter);
            }
        }
        Run { text, last: None }
    }

    fn fault<T>(&self, at: usize, message: impl Into<String>) -> Step<T> {
        Err(Stop::Fault(SetError { message: message.into(), at, blocked_by: None }))
    }

    fn blocked<T>(&self, at: usize, what: &str, by: &Tree) -> Step<T> {
        let is = by.to_node().describe();
        let message = format!("{what} is {is}, so nothing can be set in it");
        Err(Stop::Fault(SetError { message, at, blocked_by: Some(by.span()) }))
    }

    fn span(&self, start: usize) -> Span {
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: narrow(start), end: narrow(self.at) }
    }

    /// One assignment, or the rest of one behind a dot.
    fn key(&mut self, table: &mut Table, level: usize) -> Step<()> {
        let start = self.at;
        let stops: &[char] = match self.reading {
            Reading::Literal => &['=', '[', '.'],
            Reading::Typed | Reading::Text | Reading::Json | Reading::File(_) => {
                &['=', '[', ',', '.']
            }
        };
        let Run { text: key, last } = self.until(stops);
        let key_span = self.span(start);
        match last {
            None if key.is_empty() => Err(Stop::End),
            None => self.fault(start, format!("key \"{key}\" has no value")),
            Some('=') => {
                // Nothing behind the last equals sign is empty text, and also the end: Helm then
                // forgets a list that this was to go into.
                let plain = !matches!(self.reading, Reading::Json | Reading::Literal);
                let ends = plain && self.at == self.text.len();
                let value = self.value()?;
                put(table, &key, key_span, value);
                if ends { Err(Stop::End) } else { Ok(()) }
            }
            Some('[') => {
                let index = self.index()?;
                let mut list = match table.slots.get(&*key).map(|slot| &slot.value) {
                    None => Vec::new(),
                    Some(Tree::List(_, items)) => items.clone(),
                    Some(other) => return self.blocked(start, &format!("`{key}`"), other),
                };
                let done = self.item(&mut list, index, level);
                put(table, &key, key_span, Tree::List(key_span, list));
                done
            }
            Some('.') => {
                if level + 1 > LEVELS_MOST {
                    return self.fault(start, format!("keys are nested deeper than {LEVELS_MOST}"));
                }
                let mut inner = match table.slots.get(&*key).map(|slot| &slot.value) {
                    None => Table::empty(key_span),
                    Some(Tree::Table(inner)) => inner.clone(),
                    Some(other) => return self.blocked(start, &format!("`{key}`"), other),
                };
                let done = self.key(&mut inner, level + 1);
                if inner.slots.is_empty() {
                    return match done {
                        Ok(()) => self.fault(start, format!("key map \"{key}\" has no value")),
                        stop @ Err(_) => stop,
                    };
                }
                put(table, &key, key_span, Tree::Table(inner));
                done
            }
            Some(_) => self.fault(start, format!("key \"{key}\" has no value (cannot end with ,)")),
        }
    }

    /// The number in brackets.
    fn index(&mut self) -> Step<usize> {
        let start = self.at;
        let Run { text, last } = self.until(&[']']);
        if last.is_none() {
            return self.fault(start, "error parsing index: the bracket is not closed");
        }
        match text.parse::<i64>() {
            Ok(index) if index < 0 => {
                self.fault(start, format!("negative {index} index not allowed"))
            }
            Ok(index) => Ok(usize::try_from(index).unwrap_or(usize::MAX)),
            Err(_) => self.fault(start, format!("error parsing index: `{text}` is no number")),
        }
    }

    /// What follows a place of a list.
    fn item(&mut self, list: &mut Vec<Tree>, index: usize, level: usize) -> Step<()> {
        let start = self.at;
        if self.brackets >= BRACKETS_MOST {
            return self.fault(start, format!("brackets are nested deeper than {BRACKETS_MOST}"));
        }
        self.brackets += 1;
        let done = self.inside(list, index, level, start);
        self.brackets -= 1;
        done
    }

    fn inside(
        &mut self,
        list: &mut Vec<Tree>,
        index: usize,
        level: usize,
        start: usize,
    ) -> Step<()> {
        let Run { text, last } = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return self.fault(start, format!("unexpected data at end of array index: \"{text}\""));
        }
        let value = match last {
            None => return Err(Stop::End),
            Some('=') => self.value()?,
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get(index) {
                    Some(Tree::List(_, items)) => items.clone(),
                    Some(other) if !other.is_null() => {
                        return self.blocked(start, &format!("`[{index}]`"), other);
                    }
                    Some(_) | None => Vec::new(),
                };
                self.item(&mut inner, next, level)?;
                Tree::List(self.span(start), inner)
            }
            Some(_) => {
                // Anything but a table gives way here, as in Helm.
                let mut inner = match list.get(index) {
                    Some(Tree::Table(inner)) => inner.clone(),
                    Some(_) | None => Table::empty(self.span(start)),
                };
                let done = self.key(&mut inner, level);
                if let (Err(Stop::End), Some(place)) = (&done, list.get_mut(index)) {
                    *place = Tree::Table(inner);
                    return done;
                }
                done?;
                Tree::Table(inner)
            }
        };
        if index > INDEX_MOST {
            let message =
                format!("index of {index} is greater than maximum supported index of {INDEX_MOST}");
            return self.fault(start, message);
        }
        let gap = self.span(start);
        while list.len() <= index {
            list.push(Tree::null(gap));
        }
        list[index] = value;
        Ok(())
    }

    /// The value behind the equals sign.
    fn value(&mut self) -> Step<Tree> {
        let start = self.at;
        match self.reading {
            Reading::Json => return self.json(),
            Reading::Literal => {
                let text = &self.text[start..];
                self.at = self.text.len();
                return Ok(Tree::text(text, self.span(start)));
            }
            Reading::Typed | Reading::Text | Reading::File(_) => {}
        }
        if self.text[start..].starts_with('{') {
            return self.list();
        }
        if self.text[start..].is_empty() {
            return Ok(Tree::text("", self.span(start)));
        }
        let Run { text, last } = self.until(&[',']);
        let end = self.at - last.map_or(0, char::len_utf8);
        self.read(&text, start, end)
    }

    /// `{a,b}`, and the comma behind it.
    fn list(&mut self) -> Step<Tree> {
        let open = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            let start = self.at;
            let Run { text, last } = self.until(&[',', '}']);
            let Some(last) = last else {
                return self.fault(open, "list must terminate with '}'");
            };
            let end = self.at - 1;
            items.push(self.read(&text, start, end)?);
            if last == '}' {
                let span = self.span(open);
                if self.text[self.at..].starts_with(',') {
                    self.at += 1;
                }
                return Ok(Tree::List(span, items));
            }
        }
    }

    /// A plain value by the way of reading.
    fn read(&mut self, text: &str, start: usize, end: usize) -> Step<Tree> {
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span { file: self.file, start: narrow(start), end: narrow(end) };
        match &mut self.reading {
            Reading::Typed => Ok(Tree::scalar(text, typed(text), span)),
            Reading::File(read) => match read(text) {
                Ok(tree) => Ok(tree),
                Err(message) => self.fault(start, message),
            },
            Reading::Text | Reading::Json | Reading::Literal => Ok(Tree::text(text, span)),
        }
    }

    /// One JSON value, and the blanks and the comma behind it. Nothing at all is null.
    fn json(&mut self) -> Step<Tree> {
        let start = self.at;
        if self.blank() {
            return Ok(Tree::null(self.span(start)));
        }
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..])
            .into_iter::<serde_json::Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                return self
                    .fault(start, format!("is no JSON: {}", crate::input::json::cause(&error)));
            }
            None => return self.fault(start, "is no JSON"),
        };
        self.at += values.byte_offset();
        let tree = of_json(&value, self.span(start));
        self.blank();
        Ok(tree)
    }

    /// Swallows blanks and one comma; whether that comma or the end came.
    fn blank(&mut self) -> bool {
        while let Some(letter) = self.text[self.at..].chars().next() {
            if letter != ',' && !letter.is_whitespace() {
                return false;
            }
            self.at += letter.len_utf8();
            if letter == ',' {
                return true;
            }
        }
        true
    }
}

/// Sets a key; one without letters is dropped, as in Helm.
fn put(table: &mut Table, key: &str, key_span: Span, value: Tree) {
    if !key.is_empty() {
        table.slots.insert(Arc::from(key), Slot { key_span, value });
    }
}

/// The type of a plain value (`typedVal`).
fn typed(text: &str) -> ScalarValue {
    if text.eq_ignore_ascii_case("true") {
        ScalarValue::Boolean(true)
    } else if text.eq_ignore_ascii_case("false") {
        ScalarValue::Boolean(false)
    } else if text.eq_ignore_ascii_case("null") {
        ScalarValue::Null
    } else if text == "0" {
        ScalarValue::Integer(0)
    } else if text.starts_with('0') {
        ScalarValue::Text
    } else {
        let number = text.parse::<i64>().ok();
        number.map_or(ScalarValue::Text, |number| ScalarValue::Integer(i128::from(number)))
    }
}

/// A JSON value, all of it at one place.
pub(super) fn of_json(value: &serde_json::Value, span: Span) -> Tree {
    use serde_json::Value;
    match value {
        Value::Null => Tree::null(span),
        Value::Bool(truth) => Tree::scalar(&truth.to_string(), ScalarValue::Boolean(*truth), span),
        Value::Number(number) => {
            let text = number.to_string();
            let float = number.as_f64().unwrap_or_default();
            let whole = text.parse::<i128>().ok();
            let value = whole.map_or(ScalarValue::Float(float), ScalarValue::Integer);
            Tree::scalar(&text, value, span)
        }
        Value::String(text) => Tree::text(text, span),
        Value::Array(items) => {
            Tree::List(span, items.iter().map(|item| of_json(item, span)).collect())
        }
        Value::Object(fields) => {
            let slot = |(key, value): (&String, &Value)| {
                (Arc::from(key.as_str()), Slot { key_span: span, value: of_json(value, span) })
            };
            Tree::Table(Table { span, slots: fields.iter().map(slot).collect() })
        }
    }
}

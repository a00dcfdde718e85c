//! A mapping with known fields: required, optional, exclusive; what nobody asked for is an error.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Step, Value, nearest};
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::yaml::Entry;

/// The fields of a mapping. Call [`Fields::finish`] when all have been asked for.
#[derive(Debug)]
#[must_use = "unknown fields are only found by `finish`"]
pub struct Fields<'a> {
    value: Value<'a>,
    entries: &'a [Entry],
    asked: RefCell<Vec<&'static str>>,
    complete: Cell<bool>,
    free: Cell<bool>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(value: Value<'a>, entries: &'a [Entry]) -> Self {
        Self {
            value,
            entries,
            asked: RefCell::new(Vec::new()),
            complete: Cell::new(true),
            free: Cell::new(false),
        }
    }

    /// The mapping itself.
    #[must_use]
    pub fn value(&self) -> &Value<'a> {
        &self.value
    }

    /// A field that may be absent; `null` is absent, as everywhere in Kubernetes.
    #[must_use]
    pub fn optional(&self, name: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(name);
        self.find(name)
    }

    /// A field that has no default; its absence is reported.
    #[must_use]
    pub fn required(&self, name: &'static str) -> Option<Value<'a>> {
        let found = self.optional(name);
        self.value.learn(|shape| *shape.fields.entry(name).or_default() += 1);
        if found.is_none() {
            self.report_missing(name);
        }
        found
    }

    /// Reads an optional field: `Some(None)` when absent, `None` when it was wrong.
    pub fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.optional(name) {
            None => Some(None),
            Some(value) => read(&value).map(Some),
        }
    }

    /// Reads an optional field that has a default.
    pub fn read_or<T>(
        &self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        self.read(name, read).map(|found| found.unwrap_or(default))
    }

    /// Fields that exist but decide nothing here: they may be present, whatever they hold.
    pub fn ignore(&self, names: &[&'static str]) {
        self.asked.borrow_mut().extend_from_slice(names);
    }

    /// Every field may be present: they have been read as free keys.
    pub fn ignore_all(&self) {
        self.free.set(true);
    }

    /// The one field of several that is present; that it is exactly one is checked. A present field
    /// may be `null` or empty: its key alone says which variant is meant.
    #[must_use]
    pub fn exactly_one(&self, names: &[&'static str]) -> Option<(&'static str, Value<'a>)> {
        let found = self.at_most_one(names)?;
        if found.is_none() {
            let message = format!("needs one of {}", quoted(names));
            let error = self.value.error(codes::MISSING_FIELD, &message);
            self.value.report(error.primary(self.value.key_span(), ""));
        }
        found
    }

    /// The one field of several that is present, if any: `None` when several are, which is
    /// reported.
    #[must_use]
    pub fn at_most_one(&self, names: &[&'static str]) -> Option<Option<(&'static str, Value<'a>)>> {
        self.asked.borrow_mut().extend_from_slice(names);
        let mut found = names.iter().filter_map(|&name| Some((name, self.present(name)?)));
        let first = found.next();
        let Some((other, second)) = found.next() else { return Some(first) };
        let (name, value) = first?;
        let message = format!("has both `{name}` and `{other}`, which exclude each other");
        let error = self.value.error(codes::EXCLUSIVE_FIELDS, &message);
        self.value.report(
            error
                .primary(second.key_span(), format!("`{other}` here"))
                .secondary(value.key_span(), format!("`{name}` here")),
        );
        None
    }

    /// Reports a field as missing.
    pub fn report_missing(&self, name: &str) {
        let value = &self.value;
        let path = value.path();
        let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let message = format!("{}missing field `{field}`", value.prefix());
        let error = Diagnostic::error(codes::MISSING_FIELD, message);
        let error = error.primary(value.key_span(), format!("`{name}` is required here"));
        let error = error.about(value.object(), field.as_str());
        value.report(error);
    }

    /// Reports every field that nobody asked for. `what` names the mapping for the message:
    /// `HPAScalingRules`.
    ///
    /// Returns whether there was none.
    pub fn finish(self, what: &str) -> bool {
        let asked = self.asked.into_inner();
        self.value.learn(|shape| {
            shape.visits += 1;
            for name in &asked {
                shape.fields.entry(name).or_default();
            }
        });
        let mut known: Vec<&str> = asked.clone();
        known.dedup();
        let free = self.free.get();
        for entry in self.entries.iter().filter(|entry| !free && !asked.contains(&&*entry.key)) {
            self.complete.set(false);
            let path = Value {
                path: Rc::new(Step::Key(Rc::clone(&self.value.path), &entry.key)),
                ..self.value.clone()
            };
            let message = format!("{}unknown field `{}`", self.value.prefix(), path.path());
            let mut error = Diagnostic::error(codes::UNKNOWN_FIELD, message)
                .primary(entry.key_span, format!("not a field of {what}"))
                .about(self.value.object(), path.path());
            if !self.value.object().is_empty() {
                let path = path.path();
                error = error.note(format!(
                    "the API server would refuse it too: strict decoding error: unknown field \"{path}\""
                ));
            }
            error = error.note(format!("fields here: {}", known.join(", ")));
            if let Some(near) = nearest(&entry.key, known.iter().copied()) {
                error = error.replace("a field with a similar name exists", entry.key_span, near);
            }
            self.value.report(error);
        }
        self.complete.get()
    }

    fn find(&self, name: &str) -> Option<Value<'a>> {
        self.present(name).filter(|value| !value.node.is_null())
    }

    fn present(&self, name: &str) -> Option<Value<'a>> {
        let entry = self.entries.iter().find(|entry| &*entry.key == name)?;
        let step = Step::Key(Rc::clone(&self.value.path), &entry.key);
        let child = self.value.child(step, &entry.value);
        Some(Value { key: Some(entry.key_span), ..child })
    }
}

/// `` `a`, `b` or `c` ``.
fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

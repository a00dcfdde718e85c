//! Labels of a series, its name among them.

use std::fmt;
use std::sync::Arc;

/// The label that carries a metric's name.
pub const NAME: &str = "__name__";

/// A set of labels, sorted by name. A label with an empty value is the same as none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Labels {
    /// Labels from pairs in any order; of two of one name the later counts.
    #[must_use]
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut labels = Self::default();
        pairs.into_iter().for_each(|(name, value)| labels.set(name, value));
        labels
    }

    /// The value of a label; empty when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.place(name).map_or("", |at| &self.0[at].1)
    }

    /// The metric's name; empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    /// All pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Writes a label; an empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) {
        match (self.place(name), value.is_empty()) {
            (Ok(at), true) => drop(self.0.remove(at)),
            (Ok(at), false) => self.0[at].1 = Arc::from(value),
            (Err(_), true) => {}
            (Err(at), false) => self.0.insert(at, (Arc::from(name), Arc::from(value))),
        }
    }

    /// Without the labels of these names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&&**name));
        Self(kept.cloned().collect())
    }

    /// Only the labels of these names.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| names.contains(&&**name));
        Self(kept.cloned().collect())
    }

    /// Without the metric's name.
    #[must_use]
    pub fn nameless(&self) -> Self {
        self.without(&[NAME])
    }

    /// Whether they carry every one of the other's.
    #[must_use]
    pub fn include(&self, others: &Self) -> bool {
        others.iter().all(|(name, value)| self.get(name) == value)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| (**own).cmp(name))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let shown = self.iter().filter(|(name, _)| *name != NAME);
        let shown: Vec<String> = shown.map(|(name, value)| format!("{name}={value:?}")).collect();
        if shown.is_empty() && !self.name().is_empty() {
            return Ok(());
        }
        write!(f, "{{{}}}", shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_no_label_and_order_does_not_matter() {
        let one = Labels::of([("pod", "a"), (NAME, "up"), ("zone", "")]);
        assert_eq!(one, Labels::of([(NAME, "up"), ("pod", "a")]));
        assert_eq!(one.to_string(), "up{pod=\"a\"}");
        assert_eq!(one.nameless().to_string(), "{pod=\"a\"}");
        assert_eq!(one.get("zone"), "");
    }
}

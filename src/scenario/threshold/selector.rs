//! The metric of a threshold and the tags that select its samples: `http_req_duration{status:200}`.
//!
//! k6's grammar (`ParseMetricName` and `AddSubmetric` in `metrics/metric.go`): tags are separated by
//! commas, key and value by the first colon; spaces and quotes around either are left out.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A metric and the tags that a sample must carry to count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricSelector {
    name: String,
    /// In the order written; no key twice.
    tags: Vec<(String, String)>,
}

/// Why a text selects no metric, and where in it (bytes).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SelectorError {
    /// The bytes that are wrong; empty where something is missing.
    pub at: Range<usize>,
    /// What is wrong, and what was expected.
    pub problem: Problem,
}

/// What can be wrong with a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No name, or one that no metric can have.
    #[error("expected the name of a metric: letters, digits and underscores")]
    Name,
    /// `{` without `}`.
    #[error("expected `}}` at the end")]
    Unclosed,
    /// `}` without `{`.
    #[error("`}}` without `{{`")]
    Unopened,
    /// Text after `}`.
    #[error("expected nothing after `}}`")]
    Trailing,
    /// A tag without a key or a value.
    #[error("expected a tag such as `status:200`")]
    Tag,
    /// A key that stands twice.
    #[error("the tag `{0}` stands twice, so no sample can match both")]
    Twice(String),
}

impl MetricSelector {
    /// Name of the metric.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tags with their values, in the order written.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether a sample counts whose tags `tag_of` tells.
    #[must_use]
    pub fn matches<'a>(&self, tag_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.tags().all(|(key, value)| tag_of(key) == Some(value))
    }
}

impl FromStr for MetricSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let fail = |at, problem| Err(SelectorError { at, problem });
        let open = text.find('{');
        let close = text.rfind('}');
        let (name, inside) = match (open, close) {
            (None, None) => (text, None),
            (Some(_), None) => return fail(text.len()..text.len(), Problem::Unclosed),
            (None, Some(close)) => return fail(close..close + 1, Problem::Unopened),
            (Some(open), Some(close)) if close < open => {
                return fail(close..close + 1, Problem::Unopened);
            }
            (Some(_), Some(close)) if close + 1 < text.len() => {
                return fail(close + 1..text.len(), Problem::Trailing);
            }
            (Some(open), Some(close)) => (&text[..open], Some(open + 1..close)),
        };
        if !is_name(name) {
            return fail(0..name.len(), Problem::Name);
        }
        let tags = inside.map_or_else(|| Ok(Vec::new()), |inside| tags(text, inside))?;
        Ok(Self { name: name.to_owned(), tags })
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The tags between the braces.
fn tags(text: &str, inside: Range<usize>) -> Result<Vec<(String, String)>, SelectorError> {
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut start = inside.start;
    for tag in text[inside].split(',') {
        let at = start..start + tag.len();
        start = at.end + 1;
        let (key, value) = tag.split_once(':').unwrap_or((tag, ""));
        let (key, value) = (bare(key), bare(value));
        if key.is_empty() || value.is_empty() {
            return Err(SelectorError { at, problem: Problem::Tag });
        }
        if tags.iter().any(|(before, _)| before == key) {
            return Err(SelectorError { at, problem: Problem::Twice(key.to_owned()) });
        }
        tags.push((key.to_owned(), value.to_owned()));
    }
    Ok(tags)
}

fn bare(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

impl fmt::Display for MetricSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let mut separator = '{';
        for (key, value) in &self.tags {
            write!(f, "{separator}{key}:{value}")?;
            separator = ',';
        }
        if self.tags.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn selectors_read_as_in_k6() {
        let rows = [
            ("http_reqs", "http_reqs"),
            (
                "http_req_duration{service:checkout,status:200}",
                "http_req_duration{service:checkout,status:200}",
            ),
            ("http_reqs{ status : '200' , name:\"a b\"}", "http_reqs{status:200,name:a b}"),
            ("http_reqs{group:::main}", "http_reqs{group:::main}"),
            ("http_reqs{url:http://x/{id}}", "http_reqs{url:http://x/{id}}"),
        ];
        for (text, shown) in rows {
            let selector: MetricSelector = text.parse().unwrap();
            assert_eq!(selector.to_string(), shown);
        }
    }

    /// Text, the part that is marked, the message.
    #[test]
    fn errors_say_where_and_what_was_expected() {
        let name = "expected the name of a metric: letters, digits and underscores";
        let tag = "expected a tag such as `status:200`";
        let rows = [
            ("", "", name),
            ("http-reqs", "http-reqs", name),
            ("1x{a:b}", "1x", name),
            ("{a:b}", "", name),
            ("http_reqs{a:b", "", "expected `}` at the end"),
            ("http_reqs}", "}", "`}` without `{`"),
            ("http_reqs}{", "}", "`}` without `{`"),
            ("http_reqs{a:b} x", " x", "expected nothing after `}`"),
            ("http_reqs{}", "", tag),
            ("http_reqs{a:b,status}", "status", tag),
            ("http_reqs{a:}", "a:", tag),
            ("http_reqs{:b}", ":b", tag),
            ("http_reqs{a:b,a:c}", "a:c", "the tag `a` stands twice, so no sample can match both"),
        ];
        for (text, marked, message) in rows {
            let error = text.parse::<MetricSelector>().unwrap_err();
            assert_eq!((&text[error.at.clone()], error.to_string().as_str()), (marked, message));
        }
    }

    #[test]
    fn a_sample_matches_when_it_has_every_tag() {
        let selector: MetricSelector = "http_reqs{service:web,status:200}".parse().unwrap();
        let sample = |status: &'static str| {
            move |key: &str| match key {
                "service" => Some("web"),
                "status" => Some(status),
                _ => None,
            }
        };
        assert!(selector.matches(sample("200")));
        assert!(!selector.matches(sample("503")));
        assert!(!selector.matches(|_| None));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_the_same(
            name in "[a-z_][a-z0-9_]{0,9}",
            tags in prop::collection::btree_map("[a-z]{1,5}", "[a-z0-9][a-z0-9:/{} ]{0,8}[a-z0-9]", 0..4)
        ) {
            let selector = MetricSelector { name, tags: tags.into_iter().collect() };
            prop_assert_eq!(selector.to_string().parse::<MetricSelector>().unwrap(), selector);
        }

        /// Any text is a selector or an error that points into it.
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,20}|[a-z{}:,é ]{0,16}") {
            if let Err(error) = text.parse::<MetricSelector>() {
                prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}");
            }
        }
    }
}

//! The ConfigMap that the priority expander of the Cluster Autoscaler reads.

use crate::control::cluster_autoscaler::Priorities;
use crate::control::cluster_autoscaler::scale_up::expander::Pattern;
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Diagnostics;
use crate::input::source::Sources;
use crate::input::yaml::{Dialect, Node, parse};

/// Its name (expander/priority/priority.go `PriorityConfigMapName`).
pub(super) const NAME: &str = "cluster-autoscaler-priority-expander";

/// `data.priorities`: a text that is YAML again, numbers to lists of regular expressions. What the
/// real expander would refuse, after which it lets every option pass, is an error here.
pub(super) fn expander_priorities(value: &Value<'_>) -> Option<Priorities> {
    let data = value.node().get("data").and_then(|data| data.get("priorities"));
    let Some(text) = data.and_then(Node::text) else {
        let message =
            "has no `data.priorities`, so the priority expander would let every option pass";
        value.report(value.error(codes::MISSING_FIELD, message));
        return None;
    };
    let value = value.descend("data.priorities");
    match read(text) {
        Ok(priorities) => Some(priorities),
        Err(fault) => {
            let message = format!("{fault}; the priority expander would let every option pass");
            value.report(value.error(codes::INVALID_VALUE, &message));
            None
        }
    }
}

fn read(text: &str) -> Result<Priorities, String> {
    let mut sources = Sources::new();
    let file = sources.add(NAME, text);
    let diagnostics = Diagnostics::new();
    let nodes = parse(&sources, file, Dialect::Yaml11, &diagnostics);
    if diagnostics.has_errors() {
        return Err("is not YAML".to_owned());
    }
    let [node] = nodes.as_slice() else { return Err("is not one YAML document".to_owned()) };
    let entries = node.mapping().ok_or("is no mapping of numbers to lists")?;
    let mut priorities = Priorities::new();
    for entry in entries {
        let key: &str = &entry.key;
        let number: i64 = key.parse().map_err(|_| format!("has the key `{key}`, not a number"))?;
        let patterns = entry.value.sequence().ok_or(format!("has no list at `{key}`"))?;
        let compiled = patterns.iter().map(|pattern| {
            let text = pattern.scalar().map_or("", |scalar| &*scalar.text);
            Pattern::new(text).map_err(|_| format!("has `{text}`, which is no regular expression"))
        });
        priorities.insert(number, compiled.collect::<Result<_, _>>()?);
    }
    Ok(priorities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_map_to_patterns() {
        let priorities =
            read("10:\n  - .*general.*\n50:\n  - gpu-spot\n  - ^gpu\n").expect("it is right");
        let texts: Vec<(i64, Vec<&str>)> = priorities
            .iter()
            .map(|(number, patterns)| (*number, patterns.iter().map(Pattern::text).collect()))
            .collect();
        assert_eq!(texts, [(10, vec![".*general.*"]), (50, vec!["gpu-spot", "^gpu"])]);
    }

    #[test]
    fn what_the_expander_would_refuse_is_named() {
        let rows = [
            ("ten: [a]", "has the key `ten`, not a number"),
            ("10: a", "has no list at `10`"),
            ("10: ['*']", "has `*`, which is no regular expression"),
            ("- 10", "is no mapping of numbers to lists"),
            ("10: [a", "is not YAML"),
            ("", "is not one YAML document"),
        ];
        for (text, fault) in rows {
            assert_eq!(read(text).map(|_| ()), Err(fault.to_owned()), "{text}");
        }
    }
}

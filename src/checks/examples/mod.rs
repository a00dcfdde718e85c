//! For each rule a text that breaks it and one that keeps it: what `explain` shows, and what the
//! tests hold the rules against.

mod autoscaling;
mod configuration;
mod disruption;
mod monitoring;
mod network;
mod placement;
mod resources;
mod storage;

use crate::input::codes::Code;

/// A text in two versions.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The rule.
    pub code: Code,
    /// Documents in which every `[[wrong||right]]` is the difference.
    text: &'static str,
    /// What else must be given for the rule to look.
    pub needs: Needs,
}

/// What a rule looks at beside the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Objects,
    /// A cluster.
    Cluster,
    /// Another document: service profiles, requirements or an object, with its text.
    Document(&'static str),
}

/// Every example.
pub const EXAMPLES: &[&[Example]] = &[
    resources::EXAMPLES,
    autoscaling::EXAMPLES,
    disruption::EXAMPLES,
    placement::EXAMPLES,
    storage::EXAMPLES,
    network::EXAMPLES,
    monitoring::EXAMPLES,
    configuration::EXAMPLES,
];

impl Example {
    /// The text that breaks the rule.
    #[must_use]
    pub fn wrong(&self) -> String {
        self.version(0)
    }

    /// The text that keeps it.
    #[must_use]
    pub fn right(&self) -> String {
        self.version(1)
    }

    fn version(&self, which: usize) -> String {
        let mut text = String::new();
        let mut rest = self.text;
        while let Some((before, after)) = rest.split_once("[[") {
            let (pair, after) = after.split_once("]]").unwrap_or((after, ""));
            let mut versions = pair.splitn(2, "||");
            text.push_str(before);
            text.push_str(versions.nth(which).unwrap_or_default());
            rest = after;
        }
        text + rest
    }
}

/// The example of a code.
#[must_use]
pub fn example(code: Code) -> Option<&'static Example> {
    EXAMPLES.iter().copied().flatten().find(|example| example.code == code)
}

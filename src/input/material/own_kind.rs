//! The kinds of our own documents, told by their names.

/// A kind of our own documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnKind {
    Scenario,
    Cluster,
    Services,
    Requirements,
    Config,
}

impl OwnKind {
    /// The kind of a name; a misspelt one is reported where a scenario is wanted.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "ClusterProfile" => Self::Cluster,
            "ServiceProfiles" => Self::Services,
            "Requirements" => Self::Requirements,
            "Config" => Self::Config,
            _ => Self::Scenario,
        }
    }
}

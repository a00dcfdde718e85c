//! The cluster: API objects as written and as they live.
//!
//! Floor 3. State changes only through [`state::Cluster::apply`]; nothing here decides anything.

pub mod api;

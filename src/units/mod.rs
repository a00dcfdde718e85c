//! Placeholder head of `units`.

//! Placeholder head of `cluster`.

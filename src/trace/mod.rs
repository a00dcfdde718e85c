//! Placeholder head of `trace`.

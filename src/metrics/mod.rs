//! Placeholder head of `metrics`.

//! Placeholder head of `cli`.

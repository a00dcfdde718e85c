//! Placeholder head of `sweep`.

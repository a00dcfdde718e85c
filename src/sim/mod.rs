//! Placeholder head of `sim`.

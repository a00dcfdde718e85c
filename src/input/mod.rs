//! Placeholder head of `input`.

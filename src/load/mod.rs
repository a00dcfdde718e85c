//! Placeholder head of `load`.

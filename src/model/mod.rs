//! Placeholder head of `model`.

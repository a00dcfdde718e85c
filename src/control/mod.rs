//! Placeholder head of `control`.

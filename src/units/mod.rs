//! Placeholder head of `units`.

pub mod quantity;

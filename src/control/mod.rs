//! Placeholder head of `control`.

pub mod hpa;

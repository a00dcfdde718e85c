//! Placeholder head.

pub mod threshold;

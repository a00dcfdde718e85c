//! Placeholder head of `service`.

//! Placeholder head of `findings`.

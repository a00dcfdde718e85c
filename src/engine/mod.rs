//! Placeholder head of `engine`.

//! Placeholder head of `report`.

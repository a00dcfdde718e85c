//! Snapshots against themselves: what is tried and taken back leaves nothing behind.

//! Edge cases with worked figures.

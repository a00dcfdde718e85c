//! Where a figure came from: file, line and column.

use std::fmt;
use std::sync::Arc;

/// The place in an input document that a figure was read from, e.g. `values-prod.yaml:14:3`.
///
/// Cheap to clone; lines and columns count from 1. A figure that nobody wrote down (a default of
/// Kubernetes, a value of the catalogue) carries a `file` that says so and line 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Path as the user named it, or a phrase such as `Kubernetes default`.
    pub file: Arc<str>,
    /// Line, from 1; 0 when the figure stands in no file.
    pub line: u32,
    /// Column in characters, from 1; 0 when the figure stands in no file.
    pub column: u32,
}

impl Origin {
    /// A place in a file.
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }

    /// A figure that stands in no file; `source` says where it is from instead.
    #[must_use]
    pub fn implied(source: impl Into<Arc<str>>) -> Self {
        Self { file: source.into(), line: 0, column: 0 }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::implied("default")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}", self.file, self.line)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_file_and_line_or_the_implied_source() {
        assert_eq!(Origin::new("values-prod.yaml", 14, 3).to_string(), "values-prod.yaml:14");
        assert_eq!(Origin::implied("Kubernetes default").to_string(), "Kubernetes default");
    }
}

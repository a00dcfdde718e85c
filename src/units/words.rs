//! Counts in words.

/// `1 pod`, `36 pods`.
#[must_use]
pub fn counted(count: impl Into<i64>, word: &str) -> String {
    let count = count.into();
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_not() {
        assert_eq!(counted(1, "pod"), "1 pod");
        assert_eq!(counted(0, "pod"), "0 pods");
        assert_eq!(counted(36_u32, "spot node"), "36 spot nodes");
    }
}

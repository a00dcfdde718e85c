//! Did you mean: the known name that a misspelt one is nearest to.

/// The known name nearest to `wanted`, when it is near enough to be worth saying; the earlier of
/// two equally near.
#[must_use]
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().filter_map(|name| Some((distance(wanted, name)?, name)));
    // `min_by_key` keeps the first of equals.
    scored.min_by_key(|&(distance, _)| distance).map(|(_, name)| name)
}

/// How far two names are apart, `None` when too far. Case and separators do not count; one name may
/// be the beginning of the other (`stabilizationWindow`), which is nearer than three slips but
/// farther than two.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    if wanted.is_empty() || wanted.len() > 100 {
        return None;
    }
    let (left, right) = (folded(wanted), folded(name));
    let slips = strsim::damerau_levenshtein(&left, &right);
    let shorter = left.len().min(right.len());
    // In names of one or two letters every other one is a slip away.
    let allowed = if shorter < 3 { 0 } else { 1.max(shorter / 3) };
    let begins = shorter >= 3 && (left.starts_with(&right) || right.starts_with(&left));
    if slips <= allowed { Some(slips) } else { begins.then_some(allowed.min(2) + 1) }
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_cases_separators_and_beginnings_are_near() {
        let known = ["stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance", "cpu"];
        let near = |wanted| nearest(wanted, known);
        assert_eq!(near("stabilizationWindow"), Some("stabilizationWindowSeconds"));
        assert_eq!(near("select_policy"), Some("selectPolicy"));
        assert_eq!(near("Policies"), Some("policies"));
        assert_eq!(near("tolerence"), Some("tolerance"));
        assert_eq!(near("cup"), Some("cpu"));
        assert_eq!(near("memory"), None);
        assert_eq!(nearest("c", ["a", "b"]), None);
        assert_eq!(nearest("A", ["a", "b"]), Some("a"));
        assert_eq!(near(""), None);
    }
}

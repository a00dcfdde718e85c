//! Whether a chart's version is one that a dependency asks for, by the rules that Helm uses
//! (Masterminds/semver, constraints.go): `13.x.x`, `~1.2`, `^0.4 || >=1.0.0, <2`, `1.0 - 1.4`.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

/// Whether `version` fits `range`. What is no version or no range fits nothing, as in Helm
/// (`IsCompatibleRange`).
pub(super) fn fits(range: &str, version: &str) -> bool {
    let Some(Bound { version, .. }) = Bound::read(version) else { return false };
    let groups: Option<Vec<Vec<Comparison>>> = range.split("||").map(group).collect();
    groups.is_some_and(|groups| groups.iter().any(|group| holds(group, &version)))
}

/// A version as far as it is written out.
struct Bound {
    version: Version,
    /// The first part that is left open (`x`, `*` or nothing): 0 major, 1 minor, 2 patch.
    open: Option<u8>,
}

struct Comparison {
    sign: Sign,
    bound: Bound,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Equal,
    NotEqual,
    More,
    Less,
    MoreOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// Signs as they are written; longer ones first.
const SIGNS: [(&str, Sign); 11] = [
    ("!=", Sign::NotEqual),
    (">=", Sign::MoreOrEqual),
    ("=>", Sign::MoreOrEqual),
    ("<=", Sign::LessOrEqual),
    ("=<", Sign::LessOrEqual),
    ("~>", Sign::Tilde),
    ("~", Sign::Tilde),
    ("^", Sign::Caret),
    (">", Sign::More),
    ("<", Sign::Less),
    ("=", Sign::Equal),
];

impl Bound {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches(['v', 'V']);
        let (text, build) = text.split_once('+').unwrap_or((text, ""));
        let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = [0_u64; 3];
        let mut open = None;
        let mut written = numbers.split('.');
        for (at, part) in (0_u8..).zip(&mut parts) {
            match written.next() {
                Some("x" | "X" | "*") | None => open = open.or(Some(at)),
                Some(number) if open.is_none() => *part = number.parse().ok()?,
                Some(number) => drop(number.parse::<u64>().ok()?),
            }
        }
        if written.next().is_some() || numbers.is_empty() {
            return None;
        }
        let [major, minor, patch] = parts;
        let (pre, build) = (Prerelease::new(pre).ok()?, BuildMetadata::new(build).ok()?);
        Some(Self { version: Version { major, minor, patch, pre, build }, open })
    }
}

/// Comparisons that must all hold, parted by commas or spaces.
fn group(text: &str) -> Option<Vec<Comparison>> {
    let spaced = SIGNS.iter().fold(text.replace(',', " "), |text, (sign, _)| {
        // A sign may stand apart from its version.
        text.replace(&format!("{sign} "), sign)
    });
    let mut comparisons = Vec::new();
    let mut words = spaced.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if words.peek() == Some(&"-") {
            words.next();
            let last = words.next()?;
            let bound = |text| Bound::read(text);
            comparisons.push(Comparison { sign: Sign::MoreOrEqual, bound: bound(word)? });
            comparisons.push(Comparison { sign: Sign::LessOrEqual, bound: bound(last)? });
            continue;
        }
        let found = SIGNS.iter().find_map(|(sign, is)| Some((word.strip_prefix(sign)?, *is)));
        let (text, sign) = found.unwrap_or((word, Sign::Equal));
        comparisons.push(Comparison { sign, bound: Bound::read(text)? });
    }
    (!comparisons.is_empty()).then_some(comparisons)
}

fn holds(group: &[Comparison], version: &Version) -> bool {
    // A version before a release is taken only where one is asked for.
    let asked = group.iter().any(|comparison| !comparison.bound.version.pre.is_empty());
    (version.pre.is_empty() || asked) && group.iter().all(|comparison| comparison.holds(version))
}

impl Comparison {
    fn holds(&self, version: &Version) -> bool {
        let Bound { version: bound, open } = &self.bound;
        let order = version.cmp_precedence(bound);
        let same_major = version.major == bound.major;
        let same_minor = same_major && version.minor == bound.minor;
        match (self.sign, open) {
            (Sign::Equal, None) => order == Ordering::Equal,
            (Sign::NotEqual, None) => order != Ordering::Equal,
            (Sign::More, None) => order == Ordering::Greater,
            (Sign::LessOrEqual, None) => order != Ordering::Greater,
            (Sign::Less, _) => order == Ordering::Less,
            (Sign::MoreOrEqual, _) => order != Ordering::Less,
            // What is left open is a range: nothing of it is more than it, all of it is equal to it.
            (Sign::NotEqual | Sign::More, Some(0)) => false,
            (Sign::NotEqual, Some(1)) => !same_major,
            (Sign::NotEqual, Some(_)) => !same_minor,
            (Sign::More, Some(1)) => version.major > bound.major,
            (Sign::More, Some(_)) => (version.major, version.minor) > (bound.major, bound.minor),
            (Sign::LessOrEqual, Some(0)) => version.major == 0,
            (Sign::LessOrEqual, Some(1)) => version.major <= bound.major,
            (Sign::LessOrEqual, Some(_)) => {
                (version.major, version.minor) <= (bound.major, bound.minor)
            }
            (Sign::Equal | Sign::Tilde | Sign::Caret, Some(0)) => order != Ordering::Less,
            (Sign::Equal | Sign::Tilde | Sign::Caret, Some(1)) => {
                order != Ordering::Less && same_major
            }
            (Sign::Equal | Sign::Tilde, _) => order != Ordering::Less && same_minor,
            (Sign::Caret, _) => order != Ordering::Less && within_caret(version, bound, *open),
        }
    }
}

/// `^`: the first number that is not zero stays as it is.
fn within_caret(version: &Version, bound: &Version, open: Option<u8>) -> bool {
    if bound.major > 0 {
        version.major == bound.major
    } else if bound.minor > 0 || open == Some(2) {
        version.major == 0 && version.minor == bound.minor
    } else {
        (version.major, version.minor, version.patch) == (0, 0, bound.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_helm_takes_them_for() {
        for (range, inside, outside) in [
            ("1.2.3", &["1.2.3", "v1.2.3", "1.2.3+b"][..], &["1.2.4", "1.2.3-rc.1"][..]),
            ("13.x.x", &["13.0.0", "13.9.4"], &["12.9.9", "14.0.0"]),
            ("1.2", &["1.2.0", "1.2.9"], &["1.3.0", "1.1.9"]),
            ("*", &["0.0.1", "9.9.9"], &["1.0.0-rc.1"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]),
            ("~> 1.2", &["1.2.0", "1.2.7"], &["1.3.0"]),
            ("^1.2", &["1.2.0", "1.9.0"], &["2.0.0", "1.1.0"]),
            ("^0.4.1", &["0.4.1", "0.4.9"], &["0.5.0", "1.0.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4", "0.1.0"]),
            (">=1.0.0, <2", &["1.0.0", "1.9.9"], &["2.0.0", "0.9.9"]),
            (">= 1.0.0 < 2.0.0", &["1.5.0"], &["2.0.0"]),
            ("<1 || >2", &["0.9.0", "3.0.0"], &["1.0.0", "2.5.0"]),
            ("1.0 - 1.4", &["1.0.0", "1.4.9"], &["1.5.0", "0.9.9"]),
            ("!=1.2.x", &["1.3.0"], &["1.2.8"]),
            (">1", &["2.0.0"], &["1.9.0"]),
            ("<=1", &["1.9.0"], &["2.0.0"]),
            (">=1.0.0-0", &["1.0.0-rc.1", "1.1.0"], &["0.9.0"]),
            ("not a range", &[], &["1.0.0"]),
            ("", &[], &["1.0.0"]),
        ] {
            for version in inside {
                assert!(fits(range, version), "{version} is not in {range}");
            }
            for version in outside {
                assert!(!fits(range, version), "{version} is in {range}");
            }
        }
        assert!(!fits("*", "latest"));
    }
}

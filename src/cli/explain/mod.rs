//! `explain`: codes of diagnostics and findings, and fields of our documents, looked up.

mod field;

use std::fmt::Write as _;

use crate::checks;
use crate::cli::Exit;
use crate::cli::files::{to_stderr, to_stdout};
use crate::findings;
use crate::input::codes;

/// Explains a code or a field, or lists all codes.
pub(super) fn explain(code: Option<&str>) -> Exit {
    let text = match code {
        None => list(),
        Some(code) => match explanation(code).map(Ok).or_else(|| field::explained(code)) {
            Some(Ok(text)) => text,
            Some(Err(problem)) => {
                to_stderr(&format!("error: {problem}"));
                return Exit::Usage;
            }
            None => {
                to_stderr(&format!(
                    "error: there is no code `{code}`\n\
                     hint: codes look like AUR301; `aurelius-sim explain` lists all of them\n\
                     hint: fields of documents begin with their kind: `aurelius-sim explain Scenario.load`"
                ));
                return Exit::Usage;
            }
        },
    };
    // A reader that went away is no error, and there is nothing else to do about a closed stdout.
    match to_stdout(&text) {
        Ok(()) => Exit::Success,
        Err(error) => {
            super::say_error(&error);
            Exit::Usage
        }
    }
}

fn list() -> String {
    let mut text = String::new();
    for entry in codes::TABLE {
        let _ = writeln!(text, "{}  {}", entry.code, entry.slug);
    }
    for code in findings::code::CODES {
        let _ = writeln!(text, "{}  {}", code.id, code.slug);
    }
    text
}

fn explanation(code: &str) -> Option<String> {
    if let Some(code) = codes::Code::parse(code) {
        let entry = code.entry();
        let page = page(&entry.code.to_string(), entry.slug, entry.explanation);
        return Some(page + &example(code).unwrap_or_default());
    }
    let found = findings::code::CODES.iter().find(|known| known.id.eq_ignore_ascii_case(code))?;
    Some(page(found.id, found.slug, found.explanation))
}

/// The difference between a text that breaks the rule and one that keeps it, as `diff` shows it.
fn example(code: codes::Code) -> Option<String> {
    let example = checks::examples::example(code)?;
    let (wrong, right) = (example.wrong(), example.right());
    let mut text = "\nExample (`-` breaks the rule, `+` keeps it):\n\n".to_owned();
    let (wrong, right): (Vec<&str>, Vec<&str>) = (wrong.lines().collect(), right.lines().collect());
    let (mut at, mut other) = (0, 0);
    while at < wrong.len() || other < right.len() {
        if at < wrong.len() && wrong.get(at) == right.get(other) {
            let _ = writeln!(text, "    {}", wrong[at]);
            at += 1;
            other += 1;
            continue;
        }
        // The texts meet again at the first line that both still have.
        let meets = |line: &&str| right[other..].contains(line);
        let gone = wrong[at..].iter().position(meets).unwrap_or(wrong.len() - at);
        let come = match wrong.get(at + gone) {
            Some(line) => right[other..].iter().position(|it| it == line).unwrap_or(0),
            None => right.len() - other,
        };
        for line in &wrong[at..at + gone] {
            let _ = writeln!(text, "  - {line}");
        }
        for line in &right[other..other + come] {
            let _ = writeln!(text, "  + {line}");
        }
        at += gone;
        other += come;
    }
    Some(text)
}

fn page(code: &str, slug: &str, explanation: &str) -> String {
    let mut text = format!("{code} · {slug}\n\n");
    let mut column = 0;
    for word in explanation.split_whitespace() {
        if column > 0 && column + 1 + word.chars().count() > 96 {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_within_the_width() {
        for line in list().lines() {
            let code = line.split(' ').next().expect("a line starts with its code");
            let page = explanation(code).expect("a listed code is explained");
            assert!(page.starts_with(code), "{page}");
            let (prose, _) = page.split_once("\nExample").unwrap_or((&page, ""));
            assert!(prose.lines().all(|line| line.chars().count() <= 96), "{page}");
        }
        assert_eq!(explanation("AUR999"), None);
        assert!(explanation("aur301").is_some());
    }
}

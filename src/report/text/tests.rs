//! The whole text of a summary, in each form.

use expect_test::expect;

use super::*;
use crate::findings::fixture::{self, Fixture};
use crate::findings::{Cause, causes};

fn written(run: &Fixture, style: Style) -> String {
    let findings = run.findings();
    let causes: Vec<Cause> = causes(&run.case(), &findings);
    let told = Told {
        case: run.case(),
        measured: &run.measured,
        cost: &run.cost,
        findings: &findings,
        causes: &causes,
        seed: 42,
        ran_in: None,
    };
    summary(&told, style)
}

#[test]
fn the_compact_summary_fits_a_terminal() {
    let text = written(&fixture::peak(), Style::default());
    assert!(text.lines().count() <= LINES_MOST, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS_MOST, "{line}");
    }
    expect![[r#""#]].assert_eq(&text);
}

#[test]
fn ascii_and_colours_change_the_signs_and_not_the_words() {
    let run = fixture::peak();
    let ascii = written(&run, Style { charset: Charset::Ascii, ..Style::default() });
    assert!(ascii.is_ascii());
    let coloured = written(&run, Style { colour: Colour::Always, ..Style::default() });
    assert!(coloured.contains("\u{1b}[1m"));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    let plain = written(&run, Style::default());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&stripped), words(&plain));
}

#[test]
fn one_line_is_the_verdict() {
    let text = written(&fixture::peak(), Style { detail: Detail::Oneline, ..Style::default() });
    expect![[r#""#]].assert_eq(&text);
}

#[test]
fn the_full_summary_cuts_nothing() {
    let text = written(&fixture::peak(), Style { detail: Detail::Full, ..Style::default() });
    assert!(!text.contains('…'));
    expect![[r#""#]].assert_eq(&text);
}

//! Lines of styled words, cut to the width of the page, and columns that line up.

use anstyle::{AnsiColor, Style as Ansi};

use crate::report::sparkline::Charset;
use crate::report::text::{COLUMNS_MOST, Colour, Detail, Style};

/// What a word is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    Title,
    Good,
    Bad,
    Doubtful,
    Quiet,
}

impl Role {
    fn ansi(self) -> Ansi {
        let colour = |colour: AnsiColor| Ansi::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Ansi::new(),
            Self::Title => Ansi::new().bold(),
            Self::Good => colour(AnsiColor::Green),
            Self::Bad => colour(AnsiColor::Red).bold(),
            Self::Doubtful => colour(AnsiColor::Yellow),
            Self::Quiet => Ansi::new().dimmed(),
        }
    }
}

/// A line under way: words and what they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Vec<(Role, String)>);

impl Line {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, role: Role, text: impl Into<String>) -> Self {
        self.0.push((role, text.into()));
        self
    }

    pub(super) fn plain(self, text: impl Into<String>) -> Self {
        self.with(Role::Plain, text)
    }
}

/// Lines of text, put into the form that the style asks for as they are added.
#[derive(Debug, Clone)]
pub(super) struct Page {
    style: Style,
    lines: Vec<String>,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self { style, lines: Vec::new() }
    }

    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Lines so far.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    pub(super) fn blank(&mut self) {
        self.lines.push(String::new());
    }

    pub(super) fn title(&mut self, text: &str) {
        self.blank();
        self.add(Line::new().with(Role::Title, format!("  {text}")));
    }

    /// Adds a line, cut where the page ends.
    pub(super) fn add(&mut self, line: Line) {
        let most = match self.style.detail {
            Detail::Oneline | Detail::Full => usize::MAX,
            Detail::Compact => COLUMNS_MOST,
        };
        let words: Vec<(Role, String)> =
            line.0.into_iter().map(|(role, text)| (role, self.spell(&text))).collect();
        // Blanks at the end need no room.
        let blank = |text: &str| text.chars().rev().take_while(|letter| *letter == ' ').count();
        let mut trailing = 0;
        for (_, text) in words.iter().rev() {
            trailing += blank(text);
            if blank(text) < text.chars().count() {
                break;
            }
        }
        let all: usize = words.iter().map(|(_, text)| text.chars().count()).sum();
        let width = all - trailing;
        let mut room = if width > most { most - 1 } else { usize::MAX };
        let mut out = String::new();
        for (role, text) in words {
            let text: String = text.chars().take(room).collect();
            room = room.saturating_sub(text.chars().count());
            match self.style.colour {
                Colour::Always if role != Role::Plain && !text.is_empty() => {
                    let ansi = role.ansi();
                    out.push_str(&format!("{ansi}{text}{ansi:#}"));
                }
                Colour::Always | Colour::Never => out.push_str(&text),
            }
        }
        if width > most {
            out.push_str(if self.style.charset == Charset::Unicode { "…" } else { "~" });
        }
        self.lines.push(out.trim_end().to_owned());
    }

    /// Adds a text over as many lines as it needs, each but the first indented.
    pub(super) fn add_wrapped(
        &mut self,
        first: Line,
        text: &str,
        indent: usize,
        lines_most: usize,
    ) {
        let before: usize = first.0.iter().map(|(_, text)| text.chars().count()).sum();
        let mut rows: Vec<String> = vec![String::new()];
        let mut width = before;
        for word in text.split(' ') {
            let length = word.chars().count();
            let may_break = rows.len() < lines_most;
            let row = rows.last_mut().expect("there is a row from the beginning");
            let empty = row.is_empty();
            if !empty && width + 1 + length > COLUMNS_MOST && may_break {
                rows.push(word.to_owned());
                width = indent + length;
            } else {
                if !empty {
                    row.push(' ');
                    width += 1;
                }
                row.push_str(word);
                width += length;
            }
        }
        let mut rows = rows.into_iter();
        self.add(first.plain(rows.next().unwrap_or_default()));
        for row in rows {
            self.add(Line::new().plain(format!("{}{row}", " ".repeat(indent))));
        }
    }

    /// A table: each column as wide as its widest cell, two spaces between.
    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<(Role, String)>]) {
        let width = |column: usize| {
            let cells = rows.iter().map(|row| self.spell(&row[column].1).chars().count());
            cells.max().unwrap_or(0).max(head[column].chars().count())
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut line = Line::new().plain("  ");
        for (title, width) in head.iter().zip(&widths) {
            line = line.with(Role::Title, format!("{title:<width$}  "));
        }
        self.blank();
        self.add(line);
        for row in rows {
            let mut line = Line::new().plain("  ");
            for ((role, text), width) in row.iter().zip(&widths) {
                let text = self.spell(text);
                line = line.with(*role, format!("{text:<width$}"));
                line = line.plain("  ");
            }
            self.add(line);
        }
    }

    /// The text in the characters that may be used.
    fn spell(&self, text: &str) -> String {
        match self.style.charset {
            Charset::Unicode => text.to_owned(),
            Charset::Ascii => {
                let mut out = String::with_capacity(text.len());
                for letter in text.chars() {
                    match letter {
                        '✓' => out.push('+'),
                        '✗' => out.push('x'),
                        '→' => out.push_str("->"),
                        '×' => out.push('x'),
                        '·' | '—' => out.push('-'),
                        '…' => out.push('~'),
                        ascii if ascii.is_ascii() => out.push(ascii),
                        _ => out.push('?'),
                    }
                }
                out
            }
        }
    }

    pub(super) fn finish(self) -> String {
        let mut out = self.lines.join("\n");
        out.push('\n');
        out
    }
}

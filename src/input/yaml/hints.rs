//! Syntax errors in words that help: tabs, misindented siblings, unquoted colons, templates that
//! were not rendered.

use super::events::SyntaxError;
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::source::{FileId, SourceFile, Sources, Span};

/// The diagnostic of a syntax error. Parsers blame the place where they noticed; the cause is
/// looked for around it.
pub(super) fn explain(sources: &Sources, file: FileId, error: &SyntaxError) -> Diagnostic {
    let source = sources.file(file);
    let offset = u32::try_from(error.offset).unwrap_or(u32::MAX);
    let place = source.line_column(offset);
    let page = Page { source, file };
    let words = format!(
        "the parser's own words: {} (line {}, column {})",
        error.words, place.line, place.column
    );
    let nearby = [Some(place.line), page.line_above(place.line).map(|line| line.number)];
    let lines = || nearby.into_iter().flatten();
    let found = page.conflict(place.line).or_else(|| lines().find_map(|line| page.tab(line)));
    let found = found.or_else(|| page.template(place.line));
    let found = found.or_else(|| page.missing_blank(place.line, error));
    let found = found.or_else(|| lines().find_map(|line| page.misindented(line)));
    if let Some(found) = found.or_else(|| page.unquoted_colon(place.line, error)) {
        return found.note(words);
    }
    let here = Span { file, start: offset, end: offset };
    let message = format!("invalid YAML: {}", error.words);
    let diagnostic = Diagnostic::error(codes::INVALID_YAML, message).primary(here, "noticed here");
    if error.words.ends_with("unknown anchor") {
        return diagnostic
            .note("`*name` stands for what an anchor `&name` marks elsewhere, and there is none")
            .help("text that begins with `*` needs quotes");
    }
    if error.words.contains("\\u{0}") {
        return diagnostic.help("a NUL byte is no text: the file is damaged or binary");
    }
    if error.words.starts_with("unexpected character") {
        return diagnostic.help("text that begins with `@`, `%` or a backtick needs quotes");
    }
    diagnostic
}

/// The diagnostic of template markup, when the line of that byte has some: `{{ x }}` reads as a
/// mapping in a mapping.
pub(super) fn template_at(sources: &Sources, file: FileId, offset: usize) -> Option<Diagnostic> {
    let source = sources.file(file);
    let place = source.line_column(u32::try_from(offset).unwrap_or(u32::MAX));
    Page { source, file }.template(place.line)
}

/// A file seen as lines.
struct Page<'a> {
    source: &'a SourceFile,
    file: FileId,
}

/// A line that has content.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: u32,
    /// Spaces before the content.
    indent: usize,
    content: &'a str,
}

impl<'a> Line<'a> {
    /// The columns (from 0) at which keys or dashes of this line begin: `- - a: 1` has three.
    fn levels(self) -> Vec<usize> {
        let mut levels = vec![self.indent];
        let mut rest = self.content;
        while let Some(item) = rest.strip_prefix("- ") {
            rest = item.trim_start_matches(' ');
            levels.push(self.indent + self.content.len() - rest.len());
        }
        levels
    }

    /// Key and value of `key: value`, after any dashes.
    fn key_value(self) -> Option<(&'a str, &'a str)> {
        let mut rest = self.content;
        while let Some(item) = rest.strip_prefix("- ") {
            rest = item.trim_start_matches(' ');
        }
        let (key, value) = match rest.split_once(": ") {
            Some((key, value)) => (key, value.trim()),
            None => (rest.trim_end().strip_suffix(':')?, ""),
        };
        let plausible = !key.is_empty() && !key.contains(['{', '[', '#', '"', '\'', ' ']);
        let value = value.split(" #").next().unwrap_or(value).trim();
        plausible.then_some((key, value))
    }
}

impl<'a> Page<'a> {
    /// The line of that number, unless it is blank or a comment.
    fn line(&self, number: u32) -> Option<Line<'a>> {
        let text = self.source.line(number);
        let content = text.trim_start_matches(' ');
        let holds = !content.trim().is_empty() && !content.starts_with('#');
        holds.then_some(Line { number, indent: text.len() - content.len(), content })
    }

    fn line_above(&self, number: u32) -> Option<Line<'a>> {
        (1..number).rev().find_map(|above| self.line(above))
    }

    /// The span of some bytes of a line.
    fn span(&self, line: u32, from: usize, to: usize) -> Span {
        let start = self.source.line_range(line).start;
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: narrow(start + from), end: narrow(start + to) }
    }

    fn tab(&self, number: u32) -> Option<Diagnostic> {
        let text = self.source.line(number);
        let margin = text.len() - text.trim_start_matches([' ', '\t']).len();
        let first = text[..margin].find('\t').filter(|_| margin < text.len())?;
        let tabs = self.span(number, first, margin);
        let spaces = text[first..margin].replace('\t', "  ");
        let message = format!("invalid YAML: line {number} is indented with a tab");
        Some(
            Diagnostic::error(codes::INVALID_YAML, message)
                .primary(tabs, "YAML takes only spaces here")
                .replace("use spaces", tabs, spaces),
        )
    }

    /// Marks that a merge left behind; the parser may notice them a line later.
    fn conflict(&self, number: u32) -> Option<Diagnostic> {
        const MARKS: [&str; 3] = ["<<<<<<< ", "=======", ">>>>>>> "];
        let marked =
            |line: &u32| MARKS.iter().any(|mark| self.source.line(*line).starts_with(mark));
        let line = (number.saturating_sub(1).max(1)..=number).find(marked)?;
        let span = self.span(line, 0, self.source.line(line).trim_end().len());
        let message = "invalid YAML: a merge conflict that was not resolved";
        Some(
            Diagnostic::error(codes::INVALID_YAML, message)
                .primary(span, "git wrote this")
                .help("keep one of the two sides and remove the marks"),
        )
    }

    /// `key:value` above the line where it was noticed: without a blank it is one word.
    fn missing_blank(&self, number: u32, error: &SyntaxError) -> Option<Diagnostic> {
        if !error.words.contains("mapping values are not allowed")
            && !error.words.contains("simple key expected")
        {
            return None;
        }
        let lines = [self.line(number), self.line_above(number)];
        lines.into_iter().flatten().find_map(|line| self.glued(line))
    }

    /// A line that is `key:value` and nothing else.
    fn glued(&self, line: Line<'_>) -> Option<Diagnostic> {
        let text = line.content.trim_end().trim_start_matches("- ");
        let (key, value) = text.split_once(':')?;
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let is_slip = !key.is_empty()
            && key.chars().all(word)
            && !value.is_empty()
            && !value.contains([' ', ':'])
            && !value.starts_with("//");
        is_slip.then_some(())?;
        let from = line.indent + line.content.trim_end().len() - text.len();
        let colon = from + key.len() + 1;
        let message = format!("invalid YAML: `{key}:` needs a blank behind its colon");
        Some(
            Diagnostic::error(codes::INVALID_YAML, message)
                .primary(self.span(line.number, from, from + text.len()), "one word for YAML")
                .replace("add a blank", self.span(line.number, colon, colon), " "),
        )
    }

    fn template(&self, number: u32) -> Option<Diagnostic> {
        let text = self.source.line(number);
        let from = text.find("{{")?;
        let to = text[from..].find("}}").map_or(text.len(), |end| from + end + 2);
        let message = "invalid YAML: template markup that was not rendered";
        Some(
            Diagnostic::error(codes::INVALID_YAML, message)
                .primary(self.span(number, from, to), "this is for Helm's template engine")
                .help("give the rendered objects: `helm template RELEASE CHART > rendered.yaml`"),
        )
    }

    /// A `key: value` line whose indent is none of those that are open above it.
    fn misindented(&self, number: u32) -> Option<Diagnostic> {
        let line = self.line(number)?;
        let (key, _) = line.key_value()?;
        let sibling = self.sibling_of(line)?;
        let (found, wanted) = (line.indent, sibling.column);
        let spaces = found.abs_diff(wanted);
        let amount = match spaces {
            1 => "one space".to_owned(),
            many => format!("{many} spaces"),
        };
        let direction = if found > wanted { "too many" } else { "too few" };
        let label = match sibling.value {
            Some(value) if found > wanted => {
                format!("{amount} {direction}: YAML reads this line as a continuation of `{value}`")
            }
            _ => format!("{amount} {direction}"),
        };
        let plural = |count: usize| {
            if count == 1 { "1 space".to_owned() } else { format!("{count} spaces") }
        };
        let message =
            format!("invalid YAML: `{key}` is indented {}, its siblings {wanted}", plural(found));
        let margin = self.span(number, 0, found);
        let (help, edit) = if found > wanted {
            (format!("remove {amount}"), self.span(number, wanted, found))
        } else {
            (format!("add {amount}"), self.span(number, found, found))
        };
        let inserted = " ".repeat(wanted.saturating_sub(found));
        let sibling_span =
            self.span(sibling.line, sibling.column, sibling.column + sibling.key.len());
        Some(
            Diagnostic::error(codes::INVALID_YAML, message)
                .primary(margin, label)
                .secondary(sibling_span, format!("siblings start at column {}", wanted + 1))
                .replace(help, edit, inserted),
        )
    }

    /// The key that a misindented line most probably belongs beside; `None` when its indent is
    /// right.
    fn sibling_of(&self, line: Line<'a>) -> Option<Sibling<'a>> {
        let mut candidates: Vec<Sibling<'a>> = Vec::new();
        let mut lowest = usize::MAX;
        let mut at = line.number;
        while let Some(above) = self.line_above(at) {
            at = above.number;
            if above.content.starts_with("---") {
                break;
            }
            let levels = above.levels();
            if levels.contains(&line.indent) && above.indent < lowest {
                return None;
            }
            let column = *levels.last().expect("a line begins somewhere");
            if above.indent < lowest
                && let Some((key, value)) = above.key_value()
            {
                let value = Some(value).filter(|value| !value.is_empty());
                candidates.push(Sibling { line: at, column, key, value });
            }
            lowest = lowest.min(above.indent);
            if lowest == 0 {
                break;
            }
        }
        // A line directly below `key:` without a value may be indented as it likes.
        let nearest_is_open = candidates
            .first()
            .is_some_and(|nearest| nearest.value.is_none() && line.indent > nearest.column);
        if nearest_is_open {
            return None;
        }
        candidates.into_iter().min_by_key(|sibling| sibling.column.abs_diff(line.indent))
    }

    /// `key: text: more`, where the second colon makes the text a mapping.
    fn unquoted_colon(&self, number: u32, error: &SyntaxError) -> Option<Diagnostic> {
        if !error.words.contains("mapping values are not allowed") {
            return None;
        }
        let line = self.line(number)?;
        let (_, value) = line.key_value()?;
        if !value.contains(": ") || value.starts_with(['"', '\'', '{', '[']) {
            return None;
        }
        let text = self.source.line(number);
        let from = text.find(value)?;
        let span = self.span(number, from, from + value.len());
        let message = "invalid YAML: text with `: ` in it needs quotes";
        let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        Some(
            Diagnostic::error(codes::INVALID_YAML, message)
                .primary(span, "the second colon makes this a mapping on one line")
                .replace("put it in quotes", span, quoted),
        )
    }
}

/// A key above a misindented line.
struct Sibling<'a> {
    line: u32,
    column: usize,
    key: &'a str,
    value: Option<&'a str>,
}

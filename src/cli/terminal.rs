//! What a terminal is told and how: colour and progress.

use clap::ValueEnum;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// When the stream is a terminal and nothing forbids it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Progress on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressArg {
    /// A bar, when stderr is a terminal.
    Auto,
    /// A line now and then.
    Plain,
    /// Nothing.
    None,
}

/// Whether a stream that is a terminal, or is none, is coloured.
pub(super) fn wants_colour(color: Color, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal,
    }
}

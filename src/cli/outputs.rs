//! What is asked for with `-o`: `FMT[=PATH]` read, each format made, and put where it belongs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::files::{WriteError, to_stderr, to_stdout, write_whole};
use crate::cli::{Exit, say_error};
use crate::scenario::InputFile;

/// The formats of a command.
pub(super) trait OutputFormat: ValueEnum + Copy + PartialEq + 'static {
    /// Whether the format is a folder of files.
    fn is_folder(self) -> bool {
        false
    }
}

/// `FMT[=PATH]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output<F> {
    /// The format.
    pub(super) format: F,
    /// Where to; `None` is stdout.
    pub(super) path: Option<PathBuf>,
}

/// Reads `FMT[=PATH]`.
///
/// # Errors
/// What is wrong with it, and which format may have been meant.
pub(super) fn parse_output<F: OutputFormat>(text: &str) -> Result<Output<F>, String> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(PathBuf::from(path))),
        None => (text, None),
    };
    let format = F::from_str(name, false).map_err(|_| unknown_format::<F>(name))?;
    match &path {
        None if format.is_folder() => {
            Err(format!("`{name}` writes several files: say where, as in `{name}=DIR`"))
        }
        Some(path) if path.as_os_str().is_empty() => {
            Err(format!("`{text}` has no path after the equals sign"))
        }
        Some(_) | None => Ok(Output { format, path }),
    }
}

fn unknown_format<F: ValueEnum>(name: &str) -> String {
    let known = F::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let names: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
    let near = names
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    let hint = near.map(|(_, known)| format!("; did you mean `{known}`?")).unwrap_or_default();
    format!("unknown format `{name}` (known: {}){hint}", names.join(", "))
}

/// A format, ready to be written.
pub(super) enum Made {
    /// One text.
    One(String),
    /// A folder of files, by name.
    Folder(BTreeMap<String, String>),
}

/// What is wrong with a set of outputs, if anything.
pub(super) fn conflict<F>(outputs: &[Output<F>]) -> Option<String> {
    let to_stdout = outputs.iter().filter(|output| output.path.is_none()).count();
    if to_stdout > 1 {
        return Some(
            "two outputs go to standard output; give all but one a path, as in `-o json=run.json`"
                .to_owned(),
        );
    }
    for (position, output) in outputs.iter().enumerate() {
        let same = |other: &&Output<F>| other.path == output.path && other.path.is_some();
        let twice = outputs[..position].iter().find(same);
        if let (Some(_), Some(path)) = (twice, &output.path) {
            return Some(format!("two outputs go to {}", path.display()));
        }
    }
    None
}

/// The output that would overwrite a file that was read, if any.
pub(super) fn overwritten<'a, F>(outputs: &'a [Output<F>], read: &[InputFile]) -> Option<&'a Path> {
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    let read: Vec<_> = read.iter().filter_map(|file| place(Path::new(&*file.path))).collect();
    let paths = outputs.iter().filter_map(|output| output.path.as_deref());
    paths.into_iter().find(|path| place(path).is_some_and(|path| read.contains(&path)))
}

/// Says what is wrong with a set of outputs, before anything is computed for them.
pub(super) fn refuse_conflict<F>(outputs: &[Output<F>]) -> Result<(), Exit> {
    match conflict(outputs) {
        Some(text) => {
            to_stderr(&format!("error: {text}"));
            Err(Exit::Usage)
        }
        None => Ok(()),
    }
}

/// What was asked for, or one format on stdout where nothing was.
pub(super) fn asked_or<F: Copy>(outputs: &[Output<F>], default: F) -> Vec<Output<F>> {
    if outputs.is_empty() {
        vec![Output { format: default, path: None }]
    } else {
        outputs.iter().map(|it| Output { format: it.format, path: it.path.clone() }).collect()
    }
}

/// Writes a text where it was asked for; an error of the world is said.
pub(super) fn put<F>(output: &Output<F>, text: &str) -> Result<(), Exit> {
    let written = match &output.path {
        Some(path) => write_whole(path, text),
        None => to_stdout(text),
    };
    written.map_err(|error| {
        say_error(&error);
        Exit::Usage
    })
}

/// Writes a format where it was asked for.
pub(super) fn write(made: &Made, path: Option<&Path>) -> Result<(), WriteError> {
    match (made, path) {
        (Made::One(text), None) => to_stdout(text),
        (Made::One(text), Some(path)) => write_whole(path, text),
        (Made::Folder(files), Some(folder)) => {
            files.iter().try_for_each(|(name, text)| write_whole(&folder.join(name), text))
        }
        (Made::Folder(_), None) => unreachable!("a folder is only asked for with a path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::run::args::Format;

    fn output(format: Format, path: Option<&str>) -> Output<Format> {
        Output { format, path: path.map(PathBuf::from) }
    }

    #[test]
    fn only_one_output_goes_to_stdout_and_no_two_to_one_file() {
        let one = [output(Format::Text, None), output(Format::Json, Some("a.json"))];
        assert_eq!(conflict(&one), None);
        let two = [output(Format::Text, None), output(Format::Json, None)];
        assert!(conflict(&two).is_some_and(|text| text.contains("two outputs go to standard")));
        let same = [output(Format::Json, Some("a")), output(Format::Ndjson, Some("a"))];
        assert_eq!(conflict(&same).as_deref(), Some("two outputs go to a"));
    }

    #[test]
    fn outputs_parse_or_say_what_is_wrong() {
        let svg = Output { format: Format::Svg, path: Some(PathBuf::from("out/charts")) };
        assert_eq!(parse_output::<Format>("svg=out/charts"), Ok(svg));
        assert_eq!(parse_output::<Format>("json"), Ok(Output { format: Format::Json, path: None }));
        let rows = [
            ("csv", "`csv` writes several files: say where, as in `csv=DIR`"),
            ("json=", "`json=` has no path after the equals sign"),
            (
                "jsn",
                "unknown format `jsn` (known: text, json, ndjson, csv, svg, html, markdown, junit, github, k6-summary); did you mean `json`?",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_output::<Format>(text), Err(expected.to_owned()));
        }
    }
}

//! What was asked for with `-o`: each format made, and put where it belongs.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::args::{Format, OutputArg};
use crate::cli::files::{WriteError, to_stdout, write_whole};
use crate::scenario::InputFile;

/// A format, ready to be written.
pub(super) enum Made {
    /// One text.
    One(String),
    /// A folder of files, by name.
    Folder(BTreeMap<String, String>),
}

/// What is wrong with a set of outputs, if anything.
pub(super) fn conflict(outputs: &[OutputArg]) -> Option<String> {
    let to_stdout: Vec<Format> =
        outputs.iter().filter(|output| output.path.is_none()).map(|output| output.format).collect();
    if to_stdout.len() > 1 {
        return Some(
            "two outputs go to standard output; give all but one a path, as in `-o json=run.json`"
                .to_owned(),
        );
    }
    for (position, output) in outputs.iter().enumerate() {
        let same = |other: &&OutputArg| other.path == output.path && other.path.is_some();
        let twice = outputs[..position].iter().find(same);
        if let (Some(_), Some(path)) = (twice, &output.path) {
            return Some(format!("two outputs go to {}", path.display()));
        }
    }
    None
}

/// The output that would overwrite a file that was read, if any.
pub(super) fn overwritten<'a>(outputs: &'a [OutputArg], read: &[InputFile]) -> Option<&'a Path> {
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    let read: Vec<_> = read.iter().filter_map(|file| place(Path::new(&*file.path))).collect();
    let paths = outputs.iter().filter_map(|output| output.path.as_deref());
    paths.into_iter().find(|path| place(path).is_some_and(|path| read.contains(&path)))
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
    use std::path::PathBuf;

    use super::*;

    fn output(format: Format, path: Option<&str>) -> OutputArg {
        OutputArg { format, path: path.map(PathBuf::from) }
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
}

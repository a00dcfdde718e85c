//! Output files: whole or not at all. And a stdout that may be closed early.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::input::source::io_cause;

/// Something of the world went wrong: a path, and the system's own cause.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub(super) struct WriteError {
    /// What could not be written.
    pub(super) path: PathBuf,
    /// Why.
    #[source]
    pub(super) cause: io::Error,
}

/// Writes a file beside its final place and moves it there: a reader sees the old file or the new
/// one, never half of one. Folders on the way are made.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), WriteError> {
    let failed = |cause| WriteError { path: path.to_owned(), cause };
    // A device or a pipe is written to, not replaced; a link keeps pointing where it points.
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fs::write(path, text).map_err(failed);
    }
    let linked = fs::canonicalize(path);
    let path = linked.as_deref().unwrap_or(path);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    make_readable(&file).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Temporary files are private; results are not.
#[cfg(unix)]
fn make_readable(file: &tempfile::NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &tempfile::NamedTempFile) -> io::Result<()> {
    Ok(())
}

/// The text of a file, or a sentence with its path and the cause.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let failed = |cause: &str| format!("cannot read {}: {cause}", path.display());
    let bytes = fs::read(path).map_err(|error| failed(&io_cause(&error)))?;
    String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text"))
}

/// Writes to stdout; a reader that went away (`| head`) is not an error.
pub(super) fn to_stdout(text: &str) -> Result<(), WriteError> {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(WriteError { path: PathBuf::from("standard output"), cause })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says something on stderr; nobody is told when that fails.
pub(super) fn to_stderr(text: &str) {
    let mut err = anstream::stderr().lock();
    // Nothing is left to say it with.
    let _ = writeln!(err, "{}", text.trim_end_matches('\n'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_with_its_folders() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a/b/result.json");
        write_whole(&path, "{}\n").expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "{}\n");
        let beside = fs::read_dir(path.parent().expect("it has one")).expect("it is there").count();
        assert_eq!(beside, 1, "no temporary file is left");
    }

    #[test]
    fn a_place_that_cannot_be_written_says_path_and_cause() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("it can be written");
        let error = write_whole(&file.join("below"), "y").expect_err("a file has no files below");
        assert!(error.to_string().contains("below"), "{error}");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "x");
    }
}

//! The files of another commit, laid out in a folder of their own. The work tree is not touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A commit laid out.
pub(in crate::cli) struct Tree {
    folder: TempDir,
    /// Path of the working folder within the repository.
    prefix: PathBuf,
    /// Abbreviated hash of the commit.
    pub(in crate::cli) commit: String,
}

/// Why the files of a commit cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the files of `{reference}` from git: {cause}")]
pub(in crate::cli) struct GitError {
    reference: String,
    cause: String,
}

impl Tree {
    /// Lays out the files of a reference (`git archive`).
    pub(in crate::cli) fn of(reference: &str) -> Result<Self, GitError> {
        let failed = |cause: String| GitError { reference: reference.to_owned(), cause };
        // A reference that looks like an option is none.
        if reference.starts_with('-') || reference.is_empty() {
            return Err(failed("it is no reference".to_owned()));
        }
        let top = git(None, &["rev-parse", "--show-toplevel"]).map_err(failed)?;
        let prefix = git(None, &["rev-parse", "--show-prefix"]).map_err(failed)?;
        let wanted = format!("{reference}^{{commit}}");
        let commit = git(None, &["rev-parse", "--verify", "--short=7", "--quiet", &wanted])
            .map_err(|cause| {
                let hint = "there is no such commit here; in CI fetch it first (`fetch-depth: 0`)";
                failed(if cause.is_empty() { hint.to_owned() } else { format!("{hint} ({cause})") })
            })?;
        let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let mut archive = Command::new("git")
            .args(["-C", &top, "archive", "--format=tar", &commit])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let stream = archive.stdout.take().expect("it was asked for");
        let unpacked = Command::new("tar")
            .arg("-xf")
            .arg("-")
            .arg("-C")
            .arg(folder.path())
            .stdin(stream)
            .output()
            .map_err(|error| failed(format!("tar: {error}")))?;
        let archived = archive.wait().map_err(|error| failed(error.to_string()))?;
        if !archived.success() || !unpacked.status.success() {
            let said = String::from_utf8_lossy(&unpacked.stderr).trim().to_owned();
            return Err(failed(format!("git archive failed {said}")));
        }
        Ok(Self { folder, prefix: PathBuf::from(prefix), commit })
    }

    /// Where a path of the working folder lies in that commit. What lies outside stays where it is.
    pub(in crate::cli) fn path(&self, path: &Path) -> PathBuf {
        if path.is_absolute() || path == Path::new("-") {
            return path.to_owned();
        }
        self.root().join(path)
    }

    /// The folder that is the working folder in that commit.
    pub(in crate::cli) fn root(&self) -> PathBuf {
        self.folder.path().join(&self.prefix)
    }
}

/// What git says, without the line break at its end.
fn git(folder: Option<&str>, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    if let Some(folder) = folder {
        command.args(["-C", folder]);
    }
    let output = command.args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

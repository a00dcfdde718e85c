//! Recordings from files, gzipped or not.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::cli::files::to_stderr;
use crate::input::recordings::{Columns, Recording};
use crate::input::source::io_cause;

/// No recording is larger than this when unpacked (bytes): a bomb ends here.
const BYTES_MOST: u64 = 4 << 30;

/// Reads a recording; what is wrong goes to stderr.
pub(super) fn read(path: &Path, columns: impl Fn(&str) -> Columns) -> Option<Recording> {
    let text = text(path)?;
    match Recording::read(&text, &columns(&text)) {
        Ok(recording) => Some(recording),
        Err(error) => {
            to_stderr(&format!("error: {}:{}: {error}", path.display(), error.line));
            None
        }
    }
}

/// The text of a file, unpacked; what is wrong goes to stderr.
pub(super) fn text(path: &Path) -> Option<String> {
    match unpacked(path) {
        Ok(text) => Some(text),
        Err(cause) => {
            to_stderr(&format!("error: cannot read {}: {}", path.display(), io_cause(&cause)));
            None
        }
    }
}

fn unpacked(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(BYTES_MOST).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(BYTES_MOST).read_to_end(&mut bytes)?;
    }
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(&*bytes).take(BYTES_MOST).read_to_string(&mut text)?;
        return Ok(text);
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8 text"))
}

//! Recordings from files, gzipped or not.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::cli::files::to_stderr;
use crate::input::recordings::{Columns, Recording};
use crate::input::source::io_cause;

/// No recording is larger than this when unpacked (bytes): a bomb ends here.
pub(super) const BYTES_MOST: u64 = 4 << 30;

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

/// A file or standard input as a stream, unpacked; what is wrong goes to stderr.
pub(super) fn stream(path: &Path) -> Option<Box<dyn BufRead>> {
    let opened = || -> std::io::Result<Box<dyn BufRead>> {
        let raw: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(std::fs::File::open(path)?)
        };
        let mut raw = BufReader::with_capacity(1 << 16, raw);
        Ok(if raw.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        })
    };
    match opened() {
        Ok(stream) => Some(stream),
        Err(cause) => {
            to_stderr(&format!("error: cannot read {}: {}", path.display(), io_cause(&cause)));
            None
        }
    }
}

/// The next bytes of a stream, so many at most.
///
/// # Errors
/// What the stream says.
pub(super) fn next_bytes(stream: &mut dyn BufRead, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Read::take(stream, most).read_to_end(&mut bytes)?;
    Ok(bytes)
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

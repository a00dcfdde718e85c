//! The texts that were read: an arena of files, byte spans into them, and lines and columns of
//! spans.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics};
use crate::units::origin::Origin;

/// Largest document that is read, in bytes. Ten thousand rendered pods need about 40 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// A file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A stretch of bytes in one file; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The same stretch as a range of `usize`, for slicing.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        index(self.start)..index(self.end)
    }

    /// From the start of this span to the end of `other`, which lies in the same file.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }

    /// The empty span at the start of this one.
    #[must_use]
    pub fn at_start(self) -> Self {
        Self { end: self.start, ..self }
    }
}

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One file: where it came from, its text, and where its lines begin.
#[derive(Debug, Clone)]
pub struct SourceFile {
    name: Arc<str>,
    path: Option<PathBuf>,
    text: Arc<str>,
    sha256: Arc<str>,
    line_starts: Arc<[u32]>,
}

impl SourceFile {
    /// The name for people: the path as given, or `<stdin>`.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The path on disk, when there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The text, without a byte-order mark.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// SHA-256 of the bytes as read, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &Arc<str> {
        &self.sha256
    }

    /// The text of one line (counted from 1) without its line break; empty beyond the end.
    #[must_use]
    pub fn line(&self, line: u32) -> &str {
        let range = self.line_range(line);
        self.text[range].trim_end_matches(['\n', '\r'])
    }

    /// The bytes of one line (counted from 1), with its line break; an empty range beyond the end.
    #[must_use]
    pub fn line_range(&self, line: u32) -> Range<usize> {
        let number = index(line);
        let start = number.checked_sub(1).and_then(|above| self.line_starts.get(above));
        let Some(&start) = start else { return self.text.len()..self.text.len() };
        let end = self.line_starts.get(number).map_or(self.text.len(), |&next| index(next));
        index(start)..end
    }

    /// Line and column of a byte offset; an offset inside a character counts as its start.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> LineColumn {
        let line = self.line_starts.partition_point(|&start| start <= offset).max(1);
        let start = index(self.line_starts[line - 1]);
        let column = self.text[start..].char_indices();
        let column = column.take_while(|(at, _)| start + at < index(offset)).count();
        LineColumn { line: narrow(line), column: narrow(column + 1) }
    }
}

/// Every file of one run, in the order of reading. A path is read once.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    by_path: BTreeMap<PathBuf, FileId>,
}

impl Sources {
    /// An empty arena.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text under a display name. Texts of 4 GiB and more cannot be addressed; what is
    /// beyond is cut.
    pub fn add(&mut self, name: &str, text: &str) -> FileId {
        self.insert(name, None, text, &hash(text.as_bytes()))
    }

    /// Adds a text under a path: reading that path will give it.
    pub fn embed(&mut self, path: &Path, text: &str) -> FileId {
        let name = path.to_string_lossy().into_owned();
        self.insert(&name, Some(path.to_owned()), text, &hash(text.as_bytes()))
    }

    /// A file that was read or embedded under a path.
    #[must_use]
    pub fn known(&self, path: &Path) -> Option<FileId> {
        self.by_path.get(path).copied()
    }

    /// Reads a file as text, unpacked if it is gzipped: UTF-8, or UTF-16 with its byte-order mark as some shells write it. `-`
    /// is standard input.
    ///
    /// On failure a diagnostic (AUR005) is added and `None` returned; `wanted_by` is where the path
    /// was written.
    pub fn read(
        &mut self,
        path: &Path,
        wanted_by: Option<Span>,
        diagnostics: &Diagnostics,
    ) -> Option<FileId> {
        if let Some(&known) = self.by_path.get(path) {
            return Some(known);
        }
        let name = if path == Path::new("-") {
            "<stdin>".to_owned()
        } else {
            path.to_string_lossy().into_owned()
        };
        let read = read_bytes(path).and_then(|bytes| {
            let hash = hash(&bytes);
            decode_text(unpacked(bytes)?).map(|text| (text, hash))
        });
        match read {
            Ok((text, hash)) => Some(self.insert(&name, Some(path.to_owned()), &text, &hash)),
            Err(cause) => {
                let message = format!("cannot read `{name}`: {cause}");
                let mut diagnostic = Diagnostic::error(codes::UNREADABLE_FILE, message);
                if let Some(span) = wanted_by {
                    diagnostic = diagnostic.primary(span, "named here");
                }
                if let Some(near) = similar_file(path) {
                    diagnostic =
                        diagnostic.help(format!("a file with a similar name exists: {near}"));
                }
                diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn insert(&mut self, name: &str, path: Option<PathBuf>, text: &str, hash: &str) -> FileId {
        let id = FileId(narrow(self.files.len()));
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| narrow(at + 1))).collect();
        if let Some(path) = &path {
            self.by_path.insert(path.clone(), id);
        }
        let (name, text, sha256) = (name.into(), text.into(), hash.into());
        self.files.push(SourceFile { name, path, text, sha256, line_starts });
        id
    }

    /// The file of an id that this arena gave out.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[index(id.0)]
    }

    /// All files in the order of reading.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(at, file)| (FileId(narrow(at)), file))
    }

    /// The text of a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        &self.file(span.file).text[span.range()]
    }

    /// Where a span begins.
    #[must_use]
    pub fn line_column(&self, span: Span) -> LineColumn {
        self.file(span.file).line_column(span.start)
    }

    /// The template that a place was rendered from: what Helm writes as `# Source:` before each of
    /// its documents, such as `shop/templates/deployment.yaml`.
    #[must_use]
    pub fn template(&self, span: Span) -> Option<&str> {
        let file = self.file(span.file);
        let before = &file.text[..index(span.start).min(file.text.len())];
        // The mark stands behind the separator of the document; a document without it was not
        // rendered, and the one before it says nothing about it.
        let start = if before.starts_with("---") { 0 } else { usize::MAX };
        let start = before.rfind("\n---").map_or(start, |at| at + 1);
        let document = before.get(start..).unwrap_or(before);
        let mark = document.lines().find_map(|line| line.strip_prefix("# Source: "))?;
        Some(mark.trim_end())
    }

    /// Where a span begins, with its file, as the value that travels through the program.
    #[must_use]
    pub fn origin(&self, span: Span) -> Origin {
        let file = self.file(span.file);
        let LineColumn { line, column } = file.line_column(span.start);
        Origin { file: Arc::clone(&file.name), line, column }
    }
}

/// Bytes of a file or of standard input; refuses what is larger than [`MAX_FILE_BYTES`].
fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = MAX_FILE_BYTES + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        // A pipe without a writer blocks for ever, and a device may never end; `<(...)` of a shell
        // is a pipe that is open already.
        let kind = std::fs::metadata(path).map_err(|error| io_cause(&error))?.file_type();
        if kind.is_dir() {
            return Err("it is a directory".to_owned());
        }
        if !kind.is_file() && !is_descriptor(path) {
            return Err("it is no regular file; pipe it in and name it `-`".to_owned());
        }
        let file = std::fs::File::open(path).map_err(|error| io_cause(&error))?;
        file.take(limit).read_to_end(&mut bytes)
    };
    read.map_err(|error| io_cause(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    Ok(bytes)
}

/// What a gzipped file holds; other bytes as they are.
fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    let packed = flate2::read::MultiGzDecoder::new(bytes.as_slice());
    let read = packed.take(MAX_FILE_BYTES + 1).read_to_end(&mut text);
    read.map_err(|error| format!("it is gzipped and broken: {error}"))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(format!("it is larger than {} MiB when unpacked", MAX_FILE_BYTES >> 20));
    }
    Ok(text)
}

/// Whether the path is one of the descriptors that the process was started with.
fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}

/// The cause in stable words: the numbers of the operating system differ between platforms.
#[must_use]
pub fn io_cause(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    if error.kind() == ErrorKind::NotFound {
        "no such file".to_owned()
    } else if error.kind() == ErrorKind::PermissionDenied {
        "permission denied".to_owned()
    } else {
        error.to_string()
    }
}

/// Text of bytes, or the first byte that is not text.
fn decode_text(bytes: Vec<u8>) -> Result<String, String> {
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => return decode_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return decode_utf16(rest, u16::from_be_bytes),
        _ => {}
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let (before, after) = error.as_bytes().split_at(at);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let byte = after.first().copied().unwrap_or_default();
        format!("it is not UTF-8 text (byte 0x{byte:02x} on line {line})")
    })
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| unit(pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        Ok(_) | Err(_) => Err("it begins like UTF-16 text but is not".to_owned()),
    }
}

/// A file beside the missing one whose name differs by a slip.
fn similar_file(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = std::fs::read_dir(parent.unwrap_or(Path::new("."))).ok()?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    // A file that is there and cannot be read is no help against itself.
    names.retain(|name| name != wanted);
    names.sort();
    // Endings are alike everywhere and say nothing of what is meant.
    let parts = |name: &str| {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        (stem.to_owned(), ending.to_owned())
    };
    let (stem, ending) = parts(wanted);
    let same_stem = names.iter().find(|name| parts(name).0 == stem);
    let alike = names.iter().filter(|name| parts(name).1 == ending);
    let stems: Vec<String> = alike.map(|name| parts(name).0).collect();
    let by_stem = || {
        let near = super::decode::nearest(&stem, stems.iter().map(String::as_str))?;
        let whole = if ending.is_empty() { near.to_owned() } else { format!("{near}.{ending}") };
        names.iter().find(|name| **name == whole)
    };
    let near = same_stem.or_else(by_stem)?.as_str();
    Some(parent.map_or(near.to_owned(), |parent| parent.join(near).display().to_string()))
}

/// SHA-256 in hexadecimal.
fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("writing to memory cannot fail");
    }
    text
}

fn index(value: u32) -> usize {
    usize::try_from(value).expect("addresses have at least 32 bits")
}

/// Sizes are bounded by `MAX_FILE_BYTES`; texts handed in by code are far smaller.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(sources: &Sources, id: FileId, offset: u32) -> (u32, u32) {
        let found = sources.file(id).line_column(offset);
        (found.line, found.column)
    }

    #[test]
    fn columns_count_characters_and_lines_count_breaks() {
        let mut sources = Sources::new();
        let id = sources.add("a.yaml", "größe: 1\r\nb: 2\n");
        assert_eq!(place(&sources, id, 0), (1, 1));
        // `größe` takes seven bytes: the colon is the sixth character.
        assert_eq!(place(&sources, id, 7), (1, 6));
        assert_eq!(place(&sources, id, 12), (2, 1));
        assert_eq!(place(&sources, id, 17), (3, 1));
        assert_eq!(sources.file(id).line(1), "größe: 1");
        assert_eq!(sources.file(id).line(9), "");
    }

    #[test]
    fn a_byte_order_mark_does_not_shift_columns() {
        let mut sources = Sources::new();
        let id = sources.add("a.yaml", "\u{feff}a: 1");
        assert_eq!(&**sources.file(id).text(), "a: 1");
    }

    #[test]
    fn places_know_the_template_they_were_rendered_from() {
        let mut sources = Sources::new();
        let text = "---\n# Source: shop/templates/a.yaml\na: 1\n---\n# Source: shop/b.yaml\n\
                    b: 2\n---\nc: 3\n";
        let file = sources.add("a.yaml", text);
        let at = |needle: &str| {
            let start = narrow(text.find(needle).expect("it is there"));
            sources.template(Span { file, start, end: start + 1 })
        };
        assert_eq!(at("a: 1"), Some("shop/templates/a.yaml"));
        assert_eq!(at("b: 2"), Some("shop/b.yaml"));
        assert_eq!(at("c: 3"), None);
    }

    #[test]
    #[cfg(unix)]
    fn devices_are_refused_instead_of_read_for_ever() {
        let diagnostics = Diagnostics::new();
        assert_eq!(Sources::new().read(Path::new("/dev/zero"), None, &diagnostics), None);
        assert!(diagnostics.sorted()[0].message().contains("no regular file"));
    }

    #[test]
    fn utf16_is_read_and_other_bytes_are_named() {
        let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(b"a\0:\0 \x001\0".to_vec()).collect();
        assert_eq!(decode_text(little), Ok("a: 1".to_owned()));
        assert_eq!(
            decode_text(b"a: 1\nb: \xe9\n".to_vec()),
            Err("it is not UTF-8 text (byte 0xe9 on line 2)".to_owned())
        );
        assert!(decode_text(vec![0xff, 0xfe, 0x00]).is_err());
    }

    #[test]
    fn an_unreadable_file_is_a_diagnostic_with_the_nearest_name() {
        let folder = tempfile::tempdir().expect("the test may write to the temporary folder");
        std::fs::write(folder.path().join("services.yaml"), "a: 1").expect("the folder is ours");
        let diagnostics = Diagnostics::new();
        let mut sources = Sources::new();
        let wanted = folder.path().join("servces.yaml");
        assert_eq!(sources.read(&wanted, None, &diagnostics), None);
        let found = diagnostics.sorted();
        assert_eq!(found.len(), 1);
        assert!(found[0].message().ends_with("no such file"), "{}", found[0].message());
        assert!(found[0].helps()[0].text.ends_with("services.yaml"));
        // Every name ends alike: three letters of other letters are no slip.
        for (wanted, near) in [("nix.yaml", None), ("services.yml", Some("services.yaml"))] {
            let diagnostics = Diagnostics::new();
            std::fs::write(folder.path().join("big.yaml"), "a: 1").expect("the folder is ours");
            assert_eq!(sources.read(&folder.path().join(wanted), None, &diagnostics), None);
            let found = diagnostics.sorted();
            let help = found[0].helps().first().map(|help| help.text.clone());
            assert_eq!(help.is_some(), near.is_some(), "{wanted}: {help:?}");
            assert!(near.is_none_or(|near| help.is_some_and(|help| help.ends_with(near))));
        }
        let right = folder.path().join("services.yaml");
        let first = sources.read(&right, None, &diagnostics);
        assert!(first.is_some());
        assert_eq!(sources.read(&right, None, &diagnostics), first);
    }
}

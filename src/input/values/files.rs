//! The files of a chart: in a folder, or packed as `helm package` packs it (`redis-18.4.0.tgz`).

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use crate::input::diagnostic::Diagnostics;
use crate::input::source::{FileId, Sources};

/// What a chart may hold unpacked, in bytes, and one of its files: Helm's own limits (helm,
/// pkg/chart/loader/archive/archive.go).
const CHART_MOST: u64 = 100 << 20;
const FILE_MOST: u64 = 5 << 20;

/// The files of one chart.
#[derive(Debug, Clone)]
pub(super) struct ChartFiles {
    /// Its folder, or the archive with the folders inside it.
    pub(super) path: PathBuf,
    packed: Option<Packed>,
}

/// A folder inside an archive: every file of the archive by its path in the chart, and the path that
/// the folder has, with its slash.
#[derive(Debug, Clone)]
struct Packed {
    files: Rc<BTreeMap<String, Vec<u8>>>,
    folder: String,
}

/// A chart inside a chart.
pub(super) enum Inner {
    Chart(ChartFiles),
    /// Something in `charts/` that Helm takes for a chart and that is none.
    Broken(PathBuf, String),
}

impl ChartFiles {
    /// A folder, or a packed chart.
    pub(super) fn at(path: &Path) -> Result<Self, String> {
        if path.is_file() {
            let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
            return Self::unpacked(path.to_owned(), &bytes);
        }
        Ok(Self { path: path.to_owned(), packed: None })
    }

    fn unpacked(path: PathBuf, bytes: &[u8]) -> Result<Self, String> {
        let files = Rc::new(unpack(bytes)?);
        Ok(Self { path, packed: Some(Packed { files, folder: String::new() }) })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match &self.packed {
            Some(Packed { files, folder }) => files.contains_key(&format!("{folder}{name}")),
            None => self.path.join(name).is_file(),
        }
    }

    /// A file as text among the sources; what cannot be read is reported.
    pub(super) fn read(
        &self,
        name: &str,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Option<FileId> {
        let path = self.path.join(name);
        if let Some(Packed { files, folder }) = &self.packed
            && sources.known(&path).is_none()
        {
            let bytes = files.get(&format!("{folder}{name}"))?;
            return Some(sources.embed(&path, &String::from_utf8_lossy(bytes)));
        }
        sources.read(&path, None, diagnostics)
    }

    /// What Helm takes for charts in `charts/`, by name. Names that begin with `_` or a dot are
    /// passed over, and provenance files (helm, pkg/chart/v2/loader/load.go `LoadFiles`).
    pub(super) fn inner(&self) -> Vec<Inner> {
        let charts = self.path.join("charts");
        let taken = |name: &str| !name.starts_with(['_', '.']) && !name.ends_with(".prov");
        let mut found = Vec::new();
        if let Some(Packed { files, folder }) = &self.packed {
            let below = format!("{folder}charts/");
            let within =
                files.iter().filter_map(|(path, bytes)| Some((path.strip_prefix(&below)?, bytes)));
            let mut last = "";
            for (path, bytes) in within {
                let (name, is_file) =
                    path.split_once('/').map_or((path, true), |(name, _)| (name, false));
                if name == last || !taken(name) {
                    continue;
                }
                last = name;
                let packed =
                    || Packed { files: Rc::clone(files), folder: format!("{below}{name}/") };
                found.push(match is_file {
                    true => Self::packed_inside(charts.join(name), name, Ok(bytes.clone())),
                    false => Inner::Chart(Self { path: charts.join(name), packed: Some(packed()) }),
                });
            }
            return found;
        }
        let Ok(entries) = std::fs::read_dir(&charts) else { return found };
        let mut paths: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !taken(&name) {
                continue;
            }
            if path.is_dir() {
                // A folder without any file does not exist for Helm.
                if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
                    found.push(Inner::Chart(Self { path, packed: None }));
                }
            } else {
                let bytes = std::fs::read(&path).map_err(|error| error.to_string());
                found.push(Self::packed_inside(path, &name, bytes));
            }
        }
        found
    }

    fn packed_inside(path: PathBuf, name: &str, bytes: Result<Vec<u8>, String>) -> Inner {
        if !name.ends_with(".tgz") {
            let cause = "it is neither a folder nor a packed chart (.tgz)";
            return Inner::Broken(path, cause.to_owned());
        }
        match bytes.and_then(|bytes| Self::unpacked(path.clone(), &bytes)) {
            Ok(files) => Inner::Chart(files),
            Err(cause) => Inner::Broken(path, cause),
        }
    }
}

/// The files of an archive by their path below its one folder (`LoadArchiveFiles`).
fn unpack(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err("the file is no gzipped archive".to_owned());
    }
    let broken = |error: std::io::Error| format!("the archive is broken: {error}");
    let mut files = BTreeMap::new();
    let mut left = CHART_MOST;
    // A stream that unpacks without end ends here, whatever its headers say.
    let whole = MultiGzDecoder::new(bytes).take(2 * CHART_MOST);
    let mut archive = tar::Archive::new(whole);
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let written = String::from_utf8_lossy(&entry.path_bytes()).replace('\\', "/");
        let inside = written.split_once('/').map(|(_, inside)| inside.trim_start_matches("./"));
        let Some(inside) = inside.filter(|inside| !inside.is_empty()) else {
            return Err(format!("`{written}` stands outside the folder of the chart"));
        };
        if inside.starts_with('/') || inside.split('/').any(|part| part == "..") {
            return Err(format!("`{written}` points outside the chart"));
        }
        let inside = inside.to_owned();
        let size = entry.size();
        if size > FILE_MOST || size > left {
            return Err(format!(
                "`{written}` is larger than Helm takes ({} MiB a file)",
                FILE_MOST >> 20
            ));
        }
        left -= size;
        let mut text = Vec::new();
        entry.take(size).read_to_end(&mut text).map_err(broken)?;
        files.insert(inside, text);
    }
    if files.is_empty() {
        return Err("there are no files in the archive".to_owned());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().expect("it is one").name[..path.len()]
                .copy_from_slice(path.as_bytes());
            header.set_size(u64::try_from(bytes.len()).expect("small"));
            header.set_mode(0o644);
            header.set_cksum();
            archive.append(&header, *bytes).expect("memory can be written");
        }
        archive
            .into_inner()
            .and_then(flate2::write::GzEncoder::finish)
            .expect("memory can be written")
    }

    #[test]
    fn archives_that_are_no_charts_are_refused_with_their_cause() {
        for (bytes, cause) in [
            (b"a: 1\n".to_vec(), "no gzipped archive"),
            (b"\x1f\x8b\x08\x00 rubbish".to_vec(), "broken"),
            (packed(&[]), "no files"),
            (packed(&[("Chart.yaml", b"name: a")]), "outside the folder"),
            (packed(&[("a/../../etc/passwd", b"x")]), "outside the chart"),
            (packed(&[("a/big", &vec![b' '; 5 << 20 | 1])]), "larger than Helm takes"),
        ] {
            let said = unpack(&bytes).expect_err(cause);
            assert!(said.contains(cause), "{said} does not say {cause}");
        }
        let half = packed(&[("a/values.yaml", b"a: 1\n")]);
        let half = &half[..half.len() / 2];
        assert!(unpack(half).expect_err("it is cut").contains("broken"));
    }

    #[test]
    fn charts_inside_are_found_in_both_ways_of_keeping_them() {
        let deep = packed(&[("deep/Chart.yaml", b"name: deep\n")]);
        let outer = packed(&[
            ("outer/Chart.yaml", b"name: outer\n"),
            ("outer/charts/deep-1.0.0.tgz", &deep),
            ("outer/charts/flat/Chart.yaml", b"name: flat\n"),
            ("outer/charts/flat/values.yaml", b"a: 1\n"),
            ("outer/charts/_aside/values.yaml", b"a: 1\n"),
            ("outer/charts/deep-1.0.0.tgz.prov", b"signed"),
        ]);
        let outer = ChartFiles::unpacked("outer.tgz".into(), &outer).expect("it is a chart");
        let found: Vec<String> = outer
            .inner()
            .iter()
            .map(|inner| match inner {
                Inner::Chart(files) => {
                    format!("{} {}", files.path.display(), files.has("Chart.yaml"))
                }
                Inner::Broken(path, cause) => format!("{}: {cause}", path.display()),
            })
            .collect();
        assert_eq!(found, ["outer.tgz/charts/deep-1.0.0.tgz true", "outer.tgz/charts/flat true"]);
    }
}

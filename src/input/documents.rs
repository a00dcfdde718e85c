//! Files as documents: one path, a whole folder of manifests, or standard input.

use std::path::{Component, Path, PathBuf};

use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::source::{FileId, Sources, Span};
use super::yaml::{Dialect, Node, parse};

/// Folders are followed this deep; charts and overlays need about five.
const FOLDER_DEPTH: usize = 32;
/// Files that one folder may name in all.
const FOLDER_FILES: usize = 100_000;

/// A file with its documents.
#[derive(Clone)]
pub(super) struct Documents {
    pub(super) file: FileId,
    pub(super) nodes: Vec<Node>,
    /// Whether they are objects told from values by a convention that its charts follow only roughly:
    /// what they lack, templates may add.
    pub(super) roughly_told: bool,
}

impl Documents {
    /// Documents as they are written or rendered.
    pub(super) fn written(file: FileId, nodes: Vec<Node>) -> Self {
        Self { file, nodes, roughly_told: false }
    }
}

/// Paths with the places that name them; no place when the command line does.
pub(super) type Listed = Vec<(PathBuf, Option<Span>)>;

/// Reads one file; `-` is standard input.
pub(super) fn read(
    path: &Path,
    span: Option<Span>,
    dialect: Dialect,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Option<Documents> {
    let file = sources.read(path, span, diagnostics)?;
    Some(Documents::written(file, parse(sources, file, dialect, diagnostics)))
}

/// Reads manifests: a file, standard input, or every `.yaml`, `.yml` and `.json` file of a folder
/// and of the folders in it, in the order of their names.
pub(super) fn read_manifests(
    path: &Path,
    span: Option<Span>,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Vec<Documents> {
    if path == Path::new("-") || !path.is_dir() {
        return read(path, span, Dialect::Yaml11, sources, diagnostics).into_iter().collect();
    }
    let refuse = |cause: &str| {
        let message = format!("cannot read `{}`: {cause}", path.display());
        let error = Diagnostic::error(codes::UNREADABLE_FILE, message);
        match span {
            Some(span) => error.primary(span, "named here"),
            None => error,
        }
    };
    if path.join("Chart.yaml").is_file() {
        diagnostics.push(refuse("it is a Helm chart, whose templates are no manifests yet").help(
            format!(
                "name it as a chart: `--chart {0}`, or `inputs: {{chart: {0}}}` in a scenario",
                path.display()
            ),
        ));
        return Vec::new();
    }
    let mut files = Vec::new();
    if let Err(cause) = manifests_in(path, 0, &mut files) {
        diagnostics.push(refuse(&cause));
        return Vec::new();
    }
    if files.is_empty() {
        diagnostics.push(refuse("the folder holds no manifest (.yaml, .yml or .json)"));
    }
    let read = |file: &PathBuf| read(file, span, Dialect::Yaml11, sources, diagnostics);
    files.iter().filter_map(read).collect()
}

/// The manifests of a folder. Hidden entries are left out, and links to folders, which may lead in
/// circles.
fn manifests_in(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<(), String> {
    if depth > FOLDER_DEPTH {
        return Err(format!("its folders are nested deeper than {FOLDER_DEPTH} levels"));
    }
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if hidden {
            continue;
        }
        if is_folder {
            manifests_in(&path, depth + 1, into)?;
        } else if is_manifest(&path) {
            into.push(path);
        }
        if into.len() > FOLDER_FILES {
            return Err(format!("it holds more than {FOLDER_FILES} files"));
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    matches!(ending.as_deref(), Some("yaml" | "yml" | "json")) && !path.is_dir()
}

/// The paths of a node, one or a list, relative to the file that holds it.
pub(super) fn paths(node: Option<&Node>, holder: &Path) -> Listed {
    let Some(node) = node else { return Vec::new() };
    let one = std::slice::from_ref(node);
    let nodes = node.sequence().unwrap_or(one);
    let path = |node: &Node| {
        let text = node.text().filter(|text| !text.is_empty())?;
        Some((beside(holder, text), Some(node.span)))
    };
    nodes.iter().filter_map(path).collect()
}

/// A path relative to the folder of a file, without detours: `a/b.yaml` and `../c.yaml` are
/// `c.yaml`.
fn beside(holder: &Path, path: &str) -> PathBuf {
    if path == "-" {
        return PathBuf::from(path);
    }
    let mut joined = holder.parent().map(Path::to_path_buf).unwrap_or_default();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir
                if matches!(joined.components().next_back(), Some(Component::Normal(_))) =>
            {
                joined.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => {
                joined = PathBuf::from(component.as_os_str())
            }
            Component::ParentDir | Component::Normal(_) => joined.push(component.as_os_str()),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_gives_its_manifests_in_order_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
            fs::write(path, "a: 1\n").expect("it can be written");
        };
        for name in ["b.yml", "a.yaml", "sub/c.json", "note.txt", ".hidden.yaml", ".git/d.yaml"] {
            write(name);
        }
        let mut found = Vec::new();
        manifests_in(folder.path(), 0, &mut found).expect("it can be read");
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(folder.path()).expect("it lies in it").to_owned())
            .collect();
        assert_eq!(names, ["a.yaml", "b.yml", "sub/c.json"].map(PathBuf::from));
    }

    #[test]
    fn a_chart_and_an_empty_folder_are_refused_with_advice() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = || {
            let (diagnostics, mut sources) = (Diagnostics::new(), Sources::new());
            assert!(read_manifests(folder.path(), None, &mut sources, &diagnostics).is_empty());
            diagnostics.sorted()
        };
        assert!(read()[0].message().ends_with("no manifest (.yaml, .yml or .json)"));
        fs::write(folder.path().join("Chart.yaml"), "name: a\n").expect("it can be written");
        assert!(read()[0].helps()[0].text.contains("--chart"));
    }

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let holder = Path::new("scenarios/day/peak.yaml");
        for (path, expected) in [
            ("../a.yaml", "scenarios/a.yaml"),
            ("./b/../c.yaml", "scenarios/day/c.yaml"),
            ("../../../d.yaml", "../d.yaml"),
            ("/e.yaml", "/e.yaml"),
            ("-", "-"),
        ] {
            assert_eq!(beside(holder, path), PathBuf::from(expected), "{path}");
        }
    }
}

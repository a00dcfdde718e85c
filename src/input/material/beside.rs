//! What lies beside the documents of a release: the cluster, the service profiles and the
//! requirements that a scenario would name.
//!
//! Values and manifests name nothing. When nobody says what they are held against, the folder of the
//! first of them is looked through, and when it holds nothing of ours its parent (as with manifests
//! that were rendered into a folder of their own).

use std::path::{Path, PathBuf};

use super::own_kind::OwnKind;
use crate::input::release::ReleaseInputs;

/// Files of a folder that are looked into at most.
const FILES_MOST: usize = 256;
/// Bytes of a file that are looked at: kinds stand at the top.
const HEAD_BYTES: usize = 4096;

/// Documents of ours that were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// Cluster profiles; a release is held against one only.
    pub(super) clusters: Vec<PathBuf>,
    /// Service profiles.
    pub(super) services: Vec<PathBuf>,
    /// Requirements.
    pub(super) requirements: Vec<PathBuf>,
}

impl Beside {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What lies beside a release.
    pub(super) fn of(release: &ReleaseInputs, files: &[PathBuf]) -> Self {
        let values = release.values.files.iter();
        let mut named = values.chain(files).chain(&release.manifests).chain(&release.chart);
        let Some(first) = named.find(|path| *path != Path::new("-")) else {
            return Self::default();
        };
        let folder = match first.is_dir() {
            true => first.clone(),
            false => first.parent().map(Path::to_owned).unwrap_or_default(),
        };
        let own = Self::in_folder(&folder);
        if !own.is_empty() {
            return own;
        }
        match folder.parent() {
            // Where the folder is the working folder, its parent is nobody's business.
            Some(parent) if !folder.as_os_str().is_empty() => Self::in_folder(parent),
            Some(_) | None => own,
        }
    }

    fn in_folder(folder: &Path) -> Self {
        let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = std::fs::read_dir(shown).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        let is_yaml = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("yaml" | "yml")) && path.is_file()
        };
        let mut found = Self::default();
        let paths = names.into_iter().map(|name| folder.join(name)).filter(is_yaml);
        for path in paths.take(FILES_MOST) {
            match kind_of(&path) {
                Some(OwnKind::Cluster) => found.clusters.push(path),
                Some(OwnKind::Services) => found.services.push(path),
                Some(OwnKind::Requirements) => found.requirements.push(path),
                Some(OwnKind::Scenario | OwnKind::Config) | None => {}
            }
        }
        found
    }
}

/// The kind that the top of a file says, without reading it as YAML: what it says in truth is seen
/// when it is used.
fn kind_of(path: &Path) -> Option<OwnKind> {
    use std::io::Read as _;
    let mut head = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX)).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let value = |key: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(key))?;
        let text = line.split('#').next().unwrap_or_default().trim();
        Some(text.trim_matches(['"', '\'']).to_owned())
    };
    let version = value("apiVersion:")?;
    let kind = value("kind:")?;
    version.starts_with("aurelius.dev/").then(|| OwnKind::named(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::values::ValueInputs;

    #[test]
    fn the_folder_of_the_values_is_looked_through_and_else_its_parent() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(path(name).parent().expect("it has one")).expect("made");
            std::fs::write(path(name), text).expect("written");
        };
        write("app/values.yaml", "replicaCount: 1\n");
        write(
            "app/services.yaml",
            "# ours\napiVersion: \"aurelius.dev/v1\"\nkind: ServiceProfiles # x\n",
        );
        write("app/needs.yml", "apiVersion: aurelius.dev/v1\nkind: Requirements\n");
        write("app/web.yaml", "apiVersion: v1\nkind: ServiceProfiles\n");
        write("app/rendered/all.yaml", "apiVersion: v1\nkind: Pod\n");
        write("app/rendered/deep/all.yaml", "apiVersion: v1\nkind: Pod\n");
        let expected = Beside {
            clusters: Vec::new(),
            services: vec![path("app/services.yaml")],
            requirements: vec![path("app/needs.yml")],
        };
        let values = ValueInputs { files: vec![path("app/values.yaml")], ..ValueInputs::default() };
        let release = ReleaseInputs { values, ..ReleaseInputs::default() };
        assert_eq!(Beside::of(&release, &[]), expected);
        let nothing = ReleaseInputs::default();
        assert_eq!(Beside::of(&nothing, &[path("app/rendered/all.yaml")]), expected);
        assert_eq!(Beside::of(&nothing, &[path("app/rendered/deep/all.yaml")]), Beside::default());
        assert_eq!(Beside::of(&nothing, &[PathBuf::from("-")]), Beside::default());
    }
}

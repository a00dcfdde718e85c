//! Arguments that say what is deployed and where; every command that reads objects takes them.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::cli::Exit;
use crate::cli::files::to_stderr;
use crate::cli::terminal::Color;
use crate::cli::terminal::wants_colour;
use crate::input::adapters::ReleaseName;
use crate::input::diagnostic::Diagnostics;
use crate::input::patch::{Patch, patches_in};
use crate::input::render::{Colour, render_all};
use crate::input::source::Sources;
use crate::input::values::ValueInputs;
use crate::input::{Helm, LoadOptions, ReleaseInputs};

/// Inputs that stand in for those of the scenario.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Inputs")]
pub(super) struct InputArgs {
    /// Manifests, repeatable: a file, a folder, or `-` for standard input (`helm template . | ...`).
    #[arg(short = 'f', long = "manifests", value_name = "PATH")]
    pub(super) manifests: Vec<PathBuf>,
    /// Chart: its folder, rendered by `helm` when there is one, else told by its conventions.
    #[arg(long, value_name = "DIR")]
    pub(super) chart: Option<PathBuf>,
    /// Cluster: a ClusterProfile, or the output of `kubectl get nodes -o yaml`.
    #[arg(long, value_name = "PATH")]
    pub(super) cluster: Option<PathBuf>,
    /// A figure changed by its path, `PATH=VALUE`, or a file of kustomize patches; repeatable.
    #[arg(long, value_name = "PATH=VALUE|FILE")]
    pub(super) patch: Vec<String>,
    /// Values and how they are rendered.
    #[command(flatten)]
    pub(super) values: ValueArgs,
}

/// Helm values, in the words of Helm.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Values")]
pub(super) struct ValueArgs {
    /// Values file, repeatable, the later over the earlier.
    #[arg(long = "values", value_name = "FILE")]
    values: Vec<PathBuf>,
    /// Values as `a.b=1,c[0]=x`, repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// As --set, every value as text.
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// As --set, values in JSON; or one JSON object.
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// As --set, values from files.
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
    /// One value, everything behind the equals sign as it is.
    #[arg(long, value_name = "KEY=TEXT")]
    set_literal: Vec<String>,
    /// Name of the release; the chart's when absent.
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// Namespace of the release.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// The helm that renders charts; found on PATH when absent.
    #[arg(long, value_name = "PATH", env = "AURELIUS_HELM")]
    helm_bin: Option<PathBuf>,
}

impl InputArgs {
    /// What the command line says about documents, with `--patch` read.
    pub(super) fn load_options(
        &self,
        seed: Option<u64>,
        color: Color,
    ) -> Result<LoadOptions, Exit> {
        Ok(LoadOptions {
            release: self.release(),
            cluster: self.cluster.clone(),
            seed,
            patches: self.patches(color)?,
            ..LoadOptions::default()
        })
    }

    /// The patches, those of files among them; what is wrong with one is said.
    fn patches(&self, color: Color) -> Result<Vec<Patch>, Exit> {
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let mut patches = Vec::new();
        for text in &self.patch {
            if !text.contains('=') {
                patches.extend(patches_in(Path::new(text), &mut sources, &diagnostics));
                continue;
            }
            match Patch::parse(text) {
                Ok(patch) => patches.push(patch),
                Err(error) => {
                    to_stderr(&format!("error: {error}"));
                    return Err(Exit::Usage);
                }
            }
        }
        if diagnostics.has_errors() {
            let wanted = wants_colour(color, std::io::stderr().is_terminal());
            let colour = if wanted { Colour::Coloured } else { Colour::Plain };
            to_stderr(&render_all(&diagnostics.sorted(), &sources, colour));
            return Err(Exit::Usage);
        }
        Ok(patches)
    }

    /// The arguments as one would type them again.
    pub(super) fn as_written(&self) -> String {
        let values = &self.values;
        let path = |path: &PathBuf| path.display().to_string();
        let mut words: Vec<(&str, String)> = Vec::new();
        words.extend(self.manifests.iter().map(|it| ("-f", path(it))));
        words.extend(self.chart.iter().map(|it| ("--chart", path(it))));
        words.extend(self.cluster.iter().map(|it| ("--cluster", path(it))));
        words.extend(self.patch.iter().map(|it| ("--patch", it.clone())));
        words.extend(values.values.iter().map(|it| ("--values", path(it))));
        let texts = [
            ("--set", &values.set),
            ("--set-string", &values.set_string),
            ("--set-json", &values.set_json),
            ("--set-file", &values.set_file),
            ("--set-literal", &values.set_literal),
        ];
        for (name, list) in texts {
            words.extend(list.iter().map(|it| (name, it.clone())));
        }
        words.extend(values.release.iter().map(|it| ("--release", it.clone())));
        words.extend(values.namespace.iter().map(|it| ("--namespace", it.clone())));
        let plain = |text: &str| {
            text.chars().all(|it| it.is_ascii_alphanumeric() || "-_./=,:".contains(it))
        };
        words.iter().fold(String::new(), |mut line, (name, word)| {
            let word = if plain(word) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            };
            line.push_str(&format!(" {name} {word}"));
            line
        })
    }

    /// What is deployed, as the loader takes it.
    pub(super) fn release(&self) -> ReleaseInputs {
        ReleaseInputs {
            manifests: self.manifests.clone(),
            chart: self.chart.clone(),
            values: self.values.values(),
            release: self.values.release_name(),
            helm: self.values.helm_bin.clone().map_or(Helm::OnPath, Helm::At),
        }
    }
}

impl InputArgs {
    /// The arguments as words of a command line that read back as they are.
    pub(super) fn words(&self) -> Vec<String> {
        let Self { manifests, chart, cluster, patch, values } = self;
        let mut words = Vec::new();
        let mut add = |name: &str, value: &str| words.push(format!("--{name}={value}"));
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        manifests.iter().for_each(|it| add("manifests", &path(it)));
        chart.iter().for_each(|it| add("chart", &path(it)));
        cluster.iter().for_each(|it| add("cluster", &path(it)));
        patch.iter().for_each(|it| add("patch", it));
        values.values.iter().for_each(|it| add("values", &path(it)));
        for (name, texts) in [
            ("set", &values.set),
            ("set-string", &values.set_string),
            ("set-json", &values.set_json),
            ("set-file", &values.set_file),
            ("set-literal", &values.set_literal),
        ] {
            texts.iter().for_each(|text| add(name, text));
        }
        values.release.iter().for_each(|it| add("release", it));
        values.namespace.iter().for_each(|it| add("namespace", it));
        values.helm_bin.iter().for_each(|it| add("helm-bin", &path(it)));
        words
    }
}

impl ValueArgs {
    /// One values file more, over all others.
    pub(super) fn add_file(&mut self, path: &Path) {
        self.values.push(path.to_owned());
    }

    /// The values as given.
    pub(super) fn values(&self) -> ValueInputs {
        ValueInputs {
            files: self.values.clone(),
            set_json: self.set_json.clone(),
            set: self.set.clone(),
            set_string: self.set_string.clone(),
            set_file: self.set_file.clone(),
            set_literal: self.set_literal.clone(),
        }
    }

    fn release_name(&self) -> ReleaseName {
        let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
        ReleaseName { name: shared(&self.release), namespace: shared(&self.namespace) }
    }
}

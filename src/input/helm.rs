//! Charts rendered by the user's own `helm`, so that what is simulated is what would be deployed.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::adapters::ReleaseName;
use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::documents::Documents;
use super::source::{Sources, Span};
use super::values::ValueInputs;
use super::yaml::{Dialect, parse};
use crate::model::KUBERNETES;

/// Where `helm` is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Helm {
    /// Nobody asks for it: objects come from conventions.
    #[default]
    Unused,
    /// Found on PATH, if it is there.
    OnPath,
    /// At a path that was stated; that it is missing is an error.
    At(PathBuf),
}

/// How long `helm` may take; a chart without downloads needs a second.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Rendered charts beyond this are cut off with an error.
const RENDERED_MOST: u64 = 256 << 20;

/// What came of trying.
pub(super) enum Rendered {
    /// The documents, or what is wrong was reported.
    Done(Vec<Documents>),
    /// There is no `helm`.
    NoHelm,
}

/// A chart and what it is rendered with.
pub(super) struct Rendering<'r> {
    pub(super) chart: &'r Path,
    pub(super) wanted_by: Option<Span>,
    pub(super) values: &'r ValueInputs,
    pub(super) release: &'r ReleaseName,
}

/// Runs `helm template` and cuts its output into one text a template.
pub(super) fn render(
    helm: &Helm,
    rendering: &Rendering<'_>,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Rendered {
    let program = match helm {
        Helm::Unused => return Rendered::NoHelm,
        Helm::OnPath => Path::new("helm"),
        Helm::At(path) => path,
    };
    let arguments = arguments(rendering);
    let line = command_line(program, &arguments);
    let refuse = |message: String| {
        let error = Diagnostic::error(codes::CHART_NOT_RENDERED, message)
            .note(format!("the command was: {line}"));
        diagnostics.push(match rendering.wanted_by {
            Some(span) => error.primary(span, "named here"),
            None => error,
        });
        Rendered::Done(Vec::new())
    };
    match run(program, &arguments) {
        Ok(Output { ok: true, text, .. }) => {
            Rendered::Done(cut(&text, rendering.chart, sources, diagnostics))
        }
        Ok(Output { errors, .. }) => {
            let cause = errors.trim();
            let cause = cause.strip_prefix("Error: ").unwrap_or(cause);
            refuse(format!("helm cannot render `{}`: {cause}", rendering.chart.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && *helm == Helm::OnPath => {
            Rendered::NoHelm
        }
        Err(error) => refuse(format!("cannot run `{}`: {error}", program.display())),
    }
}

fn arguments(rendering: &Rendering<'_>) -> Vec<String> {
    let Rendering { chart, values, release, .. } = rendering;
    let name = release.name.clone().unwrap_or_else(|| {
        let folder = chart.file_name().map(|name| name.to_string_lossy().to_lowercase());
        // A chart is often kept in a folder called `chart`; its release is mostly called otherwise,
        // but any name that Helm takes will do.
        Arc::from(folder.filter(|name| !name.is_empty()).unwrap_or_else(|| "release".to_owned()))
    });
    let mut arguments = vec!["template".to_owned(), (*name).to_owned()];
    arguments.push(chart.display().to_string());
    // Charts are told of the version that is simulated.
    arguments.extend(["--kube-version".to_owned(), format!("{KUBERNETES}.0")]);
    if let Some(namespace) = &release.namespace {
        arguments.extend(["--namespace".to_owned(), (**namespace).to_owned()]);
    }
    for file in &values.files {
        arguments.extend(["--values".to_owned(), file.display().to_string()]);
    }
    for (option, texts) in [
        ("--set-json", &values.set_json),
        ("--set", &values.set),
        ("--set-string", &values.set_string),
        ("--set-file", &values.set_file),
        ("--set-literal", &values.set_literal),
    ] {
        for text in texts {
            arguments.extend([option.to_owned(), text.clone()]);
        }
    }
    arguments
}

/// The command as one would type it.
fn command_line(program: &Path, arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    let quoted = |word: &str| {
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let mut line = quoted(&program.display().to_string());
    for argument in arguments {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    line
}

struct Output {
    ok: bool,
    text: String,
    errors: String,
}

/// Runs a program to its end, its output in files: it can write as much as it likes without waiting
/// for a reader.
fn run(program: &Path, arguments: &[String]) -> std::io::Result<Output> {
    let mut out = tempfile::tempfile()?;
    let mut err = tempfile::tempfile()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?)
        .spawn()?;
    let mut waited = Duration::ZERO;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if waited >= PATIENCE {
            child.kill()?;
            child.wait()?;
            let seconds = PATIENCE.as_secs();
            let cause = format!("it did not end within {seconds} seconds");
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, cause));
        }
        std::thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    };
    let read = |file: &mut std::fs::File| {
        file.rewind()?;
        let mut bytes = Vec::new();
        file.take(RENDERED_MOST).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Output { ok: status.success(), text: read(&mut out)?, errors: read(&mut err)? })
}

/// The output as one text a template, in the order of their first documents. Lines count from the
/// first document of each template, so that places name the template.
fn cut(
    text: &str,
    chart: &Path,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Vec<Documents> {
    let mut parts: Vec<(String, String)> = Vec::new();
    let mut current = None;
    for line in text.split_inclusive('\n') {
        if let Some(template) = line.strip_prefix("# Source: ") {
            let name = template_path(template.trim_end(), chart);
            let at = parts.iter().position(|(known, _)| *known == name).unwrap_or(parts.len());
            if at == parts.len() {
                parts.push((name, String::new()));
            } else {
                parts[at].1.push_str("---\n");
            }
            current = Some(at);
        } else if line.trim_end() == "---" {
            current = None;
        } else if let Some(at) = current {
            parts[at].1.push_str(line);
        }
    }
    let read = |(name, text): &(String, String)| {
        let file = sources.add(&format!("{name} (rendered)"), text);
        Documents::written(file, parse(sources, file, Dialect::Yaml11, diagnostics))
    };
    parts.iter().map(read).collect()
}

/// `shop/templates/web.yaml` of a chart in `deploy/chart` is `deploy/chart/templates/web.yaml`.
fn template_path(template: &str, chart: &Path) -> String {
    match template.split_once('/') {
        Some((_, inside)) => chart.join(inside).display().to_string(),
        None => template.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_by_template_and_keeps_its_places() {
        let text = "---\n# Source: shop/templates/a.yaml\nkind: A\n---\n# Source: shop/templates/b.yaml\n\
                    kind: B\n---\n# Source: shop/templates/a.yaml\nkind: C\n";
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let parts = cut(text, Path::new("deploy/chart"), &mut sources, &diagnostics);
        let places: Vec<String> = parts
            .iter()
            .flat_map(|part| &part.nodes)
            .map(|node| sources.origin(node.span).to_string())
            .collect();
        assert_eq!(
            places,
            [
                "deploy/chart/templates/a.yaml (rendered):1",
                "deploy/chart/templates/a.yaml (rendered):3",
                "deploy/chart/templates/b.yaml (rendered):1"
            ]
        );
    }

    #[test]
    fn a_helm_that_is_stated_and_missing_is_an_error_with_the_command() {
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let values = ValueInputs { set: vec!["a=b c".to_owned()], ..ValueInputs::default() };
        let rendering = Rendering {
            chart: Path::new("deploy/chart"),
            wanted_by: None,
            values: &values,
            release: &ReleaseName::default(),
        };
        let helm = Helm::At(PathBuf::from("/nowhere/helm"));
        let rendered = render(&helm, &rendering, &mut sources, &diagnostics);
        assert!(matches!(rendered, Rendered::Done(documents) if documents.is_empty()));
        let said = diagnostics.sorted();
        assert_eq!(
            said[0].notes()[0],
            "the command was: /nowhere/helm template chart deploy/chart --kube-version 1.36.0 \
             --set 'a=b c'"
        );
    }
}

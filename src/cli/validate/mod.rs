//! `validate`: what can never work, before anything runs.

pub(in crate::cli) mod args;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::checks::{Review, Selection, Severity, fix, review};
use crate::cli::files::{read_text, to_stderr, write_whole};
use crate::cli::outputs::{self, Output, asked_or, put};
use crate::cli::terminal::Color;
use crate::cli::{Exit, config, say_error};
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::material::{Material, MaterialInputs, load_material};
use crate::input::render::{Colour, concise, render_all};
use crate::report::review::{github, gitlab, json, junit, markdown, sarif, text};

use args::{FailOn, ReviewFormat, ValidateArgs};

/// Columns of a table when nobody says how wide the terminal is.
const WIDTH: usize = 100;

/// Reviews the documents and writes what was asked for.
pub(super) fn validate(args: &ValidateArgs, color: Color) -> Exit {
    let mut args = args.clone();
    let Ok(()) = config::fill(&mut args) else { return Exit::Usage };
    validate_with(&args, color)
}

fn validate_with(args: &ValidateArgs, color: Color) -> Exit {
    if let Some(text) = conflict(args) {
        to_stderr(&format!("error: {text}"));
        return Exit::Usage;
    }
    let known = match args.baseline.as_deref().map(baseline) {
        None => BTreeSet::new(),
        Some(Ok(known)) => known,
        Some(Err(text)) => {
            to_stderr(&format!("error: {text}"));
            return Exit::Usage;
        }
    };
    let (select, ignore) = (args.select.clone(), args.ignore.clone());
    let selection = Selection { select, ignore, known, strict: args.strict };
    let mut material = load_material(&inputs(args));
    tell_neighbours(args, &material);
    let mut found = review(&material, &selection);
    if args.fix {
        match mend(&material, &found) {
            Ok(0) => {}
            Ok(edits) => {
                if !args.quiet {
                    let plural = if edits == 1 { "" } else { "es" };
                    to_stderr(&format!("Applied {edits} fix{plural}"));
                }
                material = load_material(&inputs(args));
                found = review(&material, &selection);
            }
            Err(exit) => return exit,
        }
    }
    if let Err(exit) = write(args, color, &material, &found) {
        return exit;
    }
    exit(args, &found)
}

fn inputs(args: &ValidateArgs) -> MaterialInputs {
    MaterialInputs {
        files: args.files.clone(),
        release: args.inputs.release(),
        cluster: args.inputs.cluster.clone(),
        services: args.services.clone(),
        requirements: args.requirements.clone(),
        look_beside: !args.isolated,
        ..MaterialInputs::default()
    }
}

/// Says what was taken without being named.
fn tell_neighbours(args: &ValidateArgs, material: &Material) {
    if args.quiet {
        return;
    }
    let listed = |paths: &[PathBuf]| {
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    if !material.found_beside.is_empty() {
        let names = listed(&material.found_beside);
        to_stderr(&format!(
            "note: taken from beside the release: {names} (--isolated leaves them out)"
        ));
    }
    if !material.unclear_clusters.is_empty() {
        let names = listed(&material.unclear_clusters);
        to_stderr(&format!(
            "note: no cluster is taken, because several lie beside the release: {names}; name one with --cluster"
        ));
    }
}

/// What is wrong with the command line as a whole, if anything.
fn conflict(args: &ValidateArgs) -> Option<String> {
    if args.files.is_empty() && args.inputs.release().is_empty() {
        return Some(
            "nothing to validate: name manifests, a scenario, or `-` for standard input, as in \
             `helm template . | aurelius-sim validate -`"
                .to_owned(),
        );
    }
    let stdin = Path::new("-");
    let streams =
        args.files.iter().chain(&args.inputs.manifests).filter(|path| *path == stdin).count();
    if streams > 1 {
        return Some("standard input can be read once".to_owned());
    }
    if args.fix && streams > 0 {
        return Some("`--fix` mends files, and standard input is none".to_owned());
    }
    outputs::conflict(&args.output)
}

/// The fingerprints of an earlier result.
fn baseline(path: &Path) -> Result<BTreeSet<String>, String> {
    let shown = path.display();
    let text = read_text(path)?;
    let document: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| crate::input::json::told_of(path, &error))?;
    if document["schema"] != json::SCHEMA {
        return Err(format!("the baseline {shown} is no result of `validate -o json`"));
    }
    let lists = ["findings", "suppressed"].iter().filter_map(|list| document[*list].as_array());
    let prints = lists.flatten().filter_map(|finding| finding["fingerprint"].as_str());
    Ok(prints.map(str::to_owned).collect())
}

/// Applies the certain fixes; how many.
fn mend(material: &Material, found: &Review) -> Result<usize, Exit> {
    let mut edits = 0;
    for mended in fix::mend(&found.reported, &material.sources) {
        let file = material.sources.file(mended.file);
        let Some(path) = file.path() else { continue };
        // A text out of an archive or a packed file is not what stands under its path.
        let Some(mark) = written_as_text(path, file.text()) else { continue };
        write_whole(path, &format!("{mark}{}", mended.text)).map_err(|error| {
            say_error(&error);
            Exit::Usage
        })?;
        edits += mended.edits;
    }
    Ok(edits)
}

/// The byte-order mark, if there is one, of a file that holds a text as it is.
fn written_as_text(path: &Path, text: &str) -> Option<&'static str> {
    const MARK: &str = "\u{feff}";
    let bytes = std::fs::read(path).ok()?;
    match bytes.strip_prefix(MARK.as_bytes()) {
        Some(rest) => (rest == text.as_bytes()).then_some(MARK),
        None => (bytes == text.as_bytes()).then_some(""),
    }
}

fn write(
    args: &ValidateArgs,
    color: Color,
    material: &Material,
    found: &Review,
) -> Result<(), Exit> {
    let asked = asked_or(&args.output, ReviewFormat::Text);
    let read: Vec<PathBuf> = material
        .sources
        .files()
        .filter_map(|(_, file)| file.path())
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    for output in &asked {
        let target = output.path.as_ref().and_then(|path| path.canonicalize().ok());
        if target.is_some_and(|target| read.contains(&target)) {
            let path = output.path.as_deref().unwrap_or(Path::new("-"));
            to_stderr(&format!(
                "error: {} was read as input and would be overwritten",
                path.display()
            ));
            return Err(Exit::Usage);
        }
    }
    let made: Vec<String> =
        asked.iter().map(|output| make(output, args, color, material, found)).collect();
    for (output, text) in asked.iter().zip(&made) {
        put(output, text)?;
    }
    Ok(())
}

fn make(
    output: &Output<ReviewFormat>,
    args: &ValidateArgs,
    color: Color,
    material: &Material,
    found: &Review,
) -> String {
    match output.format {
        ReviewFormat::Text => {
            let terminal = output.path.is_none() && std::io::stdout().is_terminal();
            let coloured = match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal,
            };
            snippets(args, material, found, if coloured { Colour::Coloured } else { Colour::Plain })
        }
        ReviewFormat::Concise => concise(&found.reported, &material.sources),
        ReviewFormat::Json => json::json(found),
        ReviewFormat::Sarif => sarif::sarif(found),
        ReviewFormat::Junit => junit::junit(found, severity(args).unwrap_or(Severity::Error)),
        ReviewFormat::Github => github::github(found),
        ReviewFormat::Gitlab => gitlab::gitlab(found),
        ReviewFormat::Markdown => markdown::markdown(found),
    }
}

fn snippets(args: &ValidateArgs, material: &Material, found: &Review, colour: Colour) -> String {
    let shown: Vec<Diagnostic> = found
        .reported
        .iter()
        .filter(|finding| !args.quiet || finding.severity() == Severity::Error)
        .cloned()
        .collect();
    let mut parts = Vec::new();
    let rendered = render_all(&shown, &material.sources, colour);
    if !rendered.is_empty() {
        parts.push(rendered);
    }
    if !args.quiet && found.object_count() > 0 {
        parts.push(text::table(found, WIDTH, args.ascii));
    }
    parts.push(text::summary(found) + "\n");
    parts.join("\n")
}

/// The least severity that fails.
fn severity(args: &ValidateArgs) -> Option<Severity> {
    match args.fail_on.unwrap_or(FailOn::Error) {
        FailOn::Error => Some(Severity::Error),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Note => Some(Severity::Note),
        FailOn::Never => None,
    }
}

fn exit(args: &ValidateArgs, found: &Review) -> Exit {
    let unreadable = |finding: &&Diagnostic| {
        finding.severity() == Severity::Error && is_unreadable(finding.code())
    };
    if found.reported.iter().any(|finding| unreadable(&finding)) {
        return Exit::Usage;
    }
    let fails = severity(args).filter(|_| !args.exit_zero);
    match fails {
        Some(least) if found.findings.iter().any(|finding| finding.severity <= least) => {
            Exit::Findings
        }
        Some(_) | None => Exit::Success,
    }
}

/// What cannot be read at all is no finding but wrong input.
fn is_unreadable(code: codes::Code) -> bool {
    code.number() <= codes::UNREADABLE_FILE.number()
}

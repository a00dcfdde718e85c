//! Where `aurelius.yaml` is found, and what it adds to a command line.

use std::path::{Path, PathBuf};

use crate::cli::files::to_stderr;
use crate::cli::validate::args::{FailOn, ValidateArgs};
use crate::input::config::{Config, NAME, load_config};
use crate::input::diagnostic::{Diagnostics, Severity};
use crate::input::render::{Colour, render_all};
use crate::input::source::Sources;

/// Fills what the command line leaves open from the config that applies. `Err` when there is one that
/// cannot be used; what is wrong has been told.
pub(super) fn fill(args: &mut ValidateArgs) -> Result<(), ()> {
    let Some(path) =
        args.config.clone().or_else(|| (!args.isolated).then(|| found(args)).flatten())
    else {
        return Ok(());
    };
    let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
    let Some(config) = load_config(&path, &mut sources, &diagnostics) else {
        to_stderr(render_all(&diagnostics.sorted(), &sources, Colour::Plain).trim_end());
        return Err(());
    };
    if diagnostics.has_errors() {
        to_stderr(render_all(&diagnostics.sorted(), &sources, Colour::Plain).trim_end());
        return Err(());
    }
    if !args.quiet {
        to_stderr(&format!("note: using {} (--isolated leaves it out)", path.display()));
    }
    take(args, config);
    Ok(())
}

/// Flags are stronger than the config.
fn take(args: &mut ValidateArgs, config: Config) {
    if args.inputs.cluster.is_none() {
        args.inputs.cluster = config.cluster;
    }
    if args.services.is_empty() {
        args.services = config.services;
    }
    if args.requirements.is_none() {
        args.requirements = config.requirements;
    }
    if args.select.is_empty() {
        args.select = config.select;
    }
    args.ignore.extend(config.ignore);
    args.fail_on = args.fail_on.or(config.fail_on.map(|least| match least {
        Some(Severity::Error) => FailOn::Error,
        Some(Severity::Warning) => FailOn::Warning,
        Some(Severity::Note) => FailOn::Note,
        None => FailOn::Never,
    }));
    args.strict |= config.strict.unwrap_or(false);
}

/// The config that applies: from the folder of what is validated up to the root of its repository,
/// then from the working folder, then that of the user.
fn found(args: &ValidateArgs) -> Option<PathBuf> {
    let release = args.inputs.release();
    let values = release.values.files.iter();
    let mut named = values.chain(&args.files).chain(&release.manifests).chain(&release.chart);
    let first = named.find(|path| *path != Path::new("-"));
    let beside = first.and_then(|path| match path.is_dir() {
        true => upwards(path),
        false => {
            upwards(path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        }
    });
    beside.or_else(|| upwards(Path::new("."))).or_else(of_the_user)
}

fn upwards(folder: &Path) -> Option<PathBuf> {
    // The path as the user wrote it is shown; its ancestors need the whole of it.
    let whole = folder.canonicalize().ok()?;
    let here = folder.join(NAME);
    if here.is_file() {
        return Some(if folder == Path::new(".") { PathBuf::from(NAME) } else { here });
    }
    let mut at = whole.as_path();
    while !at.join(".git").exists() {
        at = at.parent()?;
        let path = at.join(NAME);
        if path.is_file() {
            return Some(shown(path));
        }
    }
    None
}

/// A path as people write it: relative where it lies below the working folder.
fn shown(path: PathBuf) -> PathBuf {
    let working = std::env::current_dir().and_then(|folder| folder.canonicalize());
    let below = working.ok().and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_owned));
    below.unwrap_or(path)
}

fn of_the_user() -> Option<PathBuf> {
    let stated = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
    let folder = stated.map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").filter(|path| !path.is_empty())?;
        Some(PathBuf::from(home).join(".config"))
    })?;
    let path = folder.join("aurelius").join("config.yaml");
    path.is_file().then_some(path)
}

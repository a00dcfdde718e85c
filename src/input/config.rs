//! `aurelius.yaml`: what a project says once instead of with each command.

use std::path::{Path, PathBuf};

use super::codes;
use super::decode::{Context, Value};
use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::documents::{paths, read};
use super::source::Sources;
use super::yaml::Dialect;

/// The name under which it is found.
pub const NAME: &str = "aurelius.yaml";

/// What the project says, as far as it says it; paths are ready to use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `validate.cluster`.
    pub cluster: Option<PathBuf>,
    /// `validate.services`.
    pub services: Vec<PathBuf>,
    /// `validate.requirements`.
    pub requirements: Option<PathBuf>,
    /// `validate.select`: only codes that begin so.
    pub select: Vec<String>,
    /// `validate.ignore`: no codes that begin so.
    pub ignore: Vec<String>,
    /// `validate.failOn`: the least severity that fails; `Some(None)` is never.
    pub fail_on: Option<Option<Severity>>,
    /// `validate.strict`.
    pub strict: Option<bool>,
}

/// Reads a config; what is wrong with it is in the diagnostics, and there is none then.
#[must_use]
pub fn load_config(
    path: &Path,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Option<Config> {
    let documents = read(path, None, Dialect::Core, sources, diagnostics)?;
    let [node] = documents.nodes.as_slice() else {
        if !diagnostics.has_errors() {
            let message = format!("`{}` must hold one document of kind Config", path.display());
            diagnostics.push(Diagnostic::error(codes::UNKNOWN_KIND, message));
        }
        return None;
    };
    let context = Context { sources, diagnostics };
    let fields = Value::root(context, node, "").fields()?;
    let version = fields.required("apiVersion").and_then(|it| it.word(&[("aurelius.dev/v1", ())]));
    let kind = fields.required("kind").and_then(|it| it.word(&[("Config", ())]));
    let config = fields.read_or("validate", Config::default(), |value| section(value, path));
    fields.finish("Config (aurelius.dev/v1)");
    version.and(kind).and(config)
}

fn section(value: &Value<'_>, holder: &Path) -> Option<Config> {
    let fields = value.fields()?;
    let path = |value: &Value<'_>| {
        value.non_empty()?;
        Some(paths(Some(value.node()), holder).into_iter().map(|(path, _)| path).next())
    };
    let cluster = fields.read("cluster", path);
    let services = fields.read_or("services", Vec::new(), |value| {
        let list = value.list(|item| path(item).flatten())?;
        Some(list)
    });
    let requirements = fields.read("requirements", path);
    let select = fields.read_or("select", Vec::new(), |value| value.list(code_prefix));
    let ignore = fields.read_or("ignore", Vec::new(), |value| value.list(code_prefix));
    let levels = [
        ("error", Some(Severity::Error)),
        ("warning", Some(Severity::Warning)),
        ("note", Some(Severity::Note)),
        ("never", None),
    ];
    let fail_on = fields.read("failOn", |value| value.word(&levels));
    let strict = fields.read("strict", Value::boolean);
    fields.finish("`validate` of a Config");
    Some(Config {
        cluster: cluster?.flatten(),
        services: services?,
        requirements: requirements?.flatten(),
        select: select?,
        ignore: ignore?,
        fail_on: fail_on?,
        strict: strict?,
    })
}

/// `AUR401`, or the beginning of codes: `AUR4`.
fn code_prefix(value: &Value<'_>) -> Option<String> {
    let upper = value.non_empty()?.to_ascii_uppercase();
    let digits = upper.strip_prefix("AUR").unwrap_or("?");
    if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(upper);
    }
    let message = "is no code: codes look like AUR401, and AUR4 means all that begin so";
    value.report(value.error(codes::INVALID_VALUE, message));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::render::concise;

    fn config(text: &str) -> (Option<Config>, String) {
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let path = Path::new("app/aurelius.yaml");
        sources.embed(path, text);
        let config = load_config(path, &mut sources, &diagnostics);
        (config, concise(&diagnostics.sorted(), &sources))
    }

    #[test]
    fn paths_are_relative_to_the_config_and_codes_are_checked() {
        let text = "apiVersion: aurelius.dev/v1\nkind: Config\nvalidate:\n  cluster: ../clusters/eks.yaml\n  services: [services.yaml]\n  ignore: [AUR6, aur409]\n  failOn: never\n";
        let (config, said) = config(text);
        let config = config.unwrap_or_else(|| panic!("{said}"));
        assert_eq!(config.cluster, Some(PathBuf::from("clusters/eks.yaml")));
        assert_eq!(config.services, [PathBuf::from("app/services.yaml")]);
        assert_eq!(config.ignore, ["AUR6", "AUR409"]);
        assert_eq!((config.fail_on, config.strict), (Some(None), None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let text = "apiVersion: aurelius.dev/v1\nkind: Config\nvalidate:\n  clusters: a.yaml\n  ignore: [X1]\n";
        let (_, said) = config(text);
        assert!(said.contains("app/aurelius.yaml:4:3: error[AUR011]"), "{said}");
        assert!(said.contains("app/aurelius.yaml:5:12: error[AUR017]"), "{said}");
    }
}

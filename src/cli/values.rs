//! `values`: every merged leaf of a chart's values, where it comes from and what it overrode.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use crate::cli::files::{to_stderr, to_stdout};
use crate::cli::inputs::ValueArgs;
use crate::cli::terminal::Color;
use crate::cli::terminal::wants_colour;
use crate::cli::{Exit, say_error};
use crate::input::diagnostic::Diagnostics;
use crate::input::render::{Colour, render_all};
use crate::input::source::Sources;
use crate::input::values::{Chart, Table, Tree, Values, over_chart, user_values};
use crate::input::yaml::write_yaml;

/// Arguments of `values`.
#[derive(Debug, Args)]
#[command(mut_arg("values", |arg| arg.short('f')))]
pub(super) struct ValuesCommand {
    /// The chart's folder; without one, only the values that are given are merged.
    chart: Option<PathBuf>,
    /// What goes over the chart's own values.
    #[command(flatten)]
    values: ValueArgs,
    /// Only leaves at or below this path, repeatable: `autoscaling`, `gateway.resources`.
    #[arg(long, value_name = "PATH")]
    only: Vec<String>,
    /// How it is written.
    #[arg(short, long = "output", value_enum, default_value_t = ValuesFormat::Text)]
    output: ValuesFormat,
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ValuesFormat {
    /// A line a leaf, with its place and what it overrode.
    Text,
    /// The merged values as one YAML document.
    Yaml,
    /// The merged values as one JSON document.
    Json,
}

/// Merges and prints.
pub(super) fn values(args: &ValuesCommand, color: Color) -> Exit {
    let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
    let mut values = user_values(&args.values.values(), &[], &mut sources, &diagnostics);
    if let Some(path) = &args.chart
        && let Some(chart) = Chart::read(path, None, &mut sources, &diagnostics)
    {
        values = over_chart(values, &chart, &diagnostics);
    }
    let failed = diagnostics.has_errors();
    let wanted = wants_colour(color, std::io::stderr().is_terminal());
    let colour = if wanted { Colour::Coloured } else { Colour::Plain };
    let said = render_all(&diagnostics.sorted(), &sources, colour);
    if !said.is_empty() {
        to_stderr(&said);
    }
    if failed {
        return Exit::Usage;
    }
    if values.merged.slots.is_empty() {
        to_stderr("note: there are no values: what was given is empty\n");
    }
    let text = match args.output {
        ValuesFormat::Text => table(&values, &args.only, &sources),
        ValuesFormat::Yaml => write_yaml(&values.merged.to_node()),
        ValuesFormat::Json => {
            let value = values.merged.to_node().to_json_value();
            serde_json::to_string_pretty(&value).expect("a tree of JSON can be written") + "\n"
        }
    };
    match to_stdout(&text) {
        Ok(()) => Exit::Success,
        Err(error) => {
            say_error(&error);
            Exit::Usage
        }
    }
}

/// One leaf of the merged values, or one that was removed.
struct Line {
    path: String,
    value: String,
    place: String,
    overrode: Vec<String>,
}

fn table(values: &Values, only: &[String], sources: &Sources) -> String {
    let mut lines = Vec::new();
    let merged = Tree::Table(values.merged.clone());
    leaves(&merged, &mut Vec::new(), &mut |keys, leaf| {
        // The whole of nothing is no leaf.
        if !keys.is_empty() {
            lines.push(line(values, keys, leaf, sources));
        }
    });
    removed(values, &merged, sources, &mut lines);
    lines.sort_by(|a, b| a.path.cmp(&b.path));
    let wanted = |line: &&Line| {
        let below = |path: &String| {
            line.path
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        only.is_empty() || only.iter().any(below)
    };
    let lines: Vec<&Line> = lines.iter().filter(wanted).collect();
    let width = |of: fn(&Line) -> &str, most: usize| {
        let widths = lines.iter().map(|line| of(line).chars().count());
        widths.filter(|width| *width <= most).max().unwrap_or(0)
    };
    let widths = (
        width(|line| &line.path, 64),
        width(|line| &line.value, 32),
        width(|line| &line.place, 48),
    );
    let mut text = String::new();
    for line in lines {
        let was = if line.overrode.is_empty() {
            String::new()
        } else {
            format!("(was {})", line.overrode.join(", was "))
        };
        let row = format!(
            "{:paths$}  {:values$}  {:places$}  {was}",
            line.path,
            line.value,
            line.place,
            paths = widths.0,
            values = widths.1,
            places = widths.2,
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// Calls for every scalar, list and empty table with its path.
fn leaves(tree: &Tree, keys: &mut Vec<Arc<str>>, call: &mut dyn FnMut(&[Arc<str>], &Tree)) {
    match tree {
        Tree::Table(table) if !table.slots.is_empty() => {
            for (key, slot) in &table.slots {
                keys.push(Arc::clone(key));
                leaves(&slot.value, keys, call);
                keys.pop();
            }
        }
        Tree::Leaf(_) | Tree::List(..) | Tree::Table(_) => call(keys, tree),
    }
}

fn at<'t>(table: &'t Table, keys: &[Arc<str>]) -> Option<&'t Tree> {
    let (first, rest) = keys.split_first()?;
    let found = table.get(first)?;
    if rest.is_empty() { Some(found) } else { at(found.table()?, rest) }
}

fn line(values: &Values, keys: &[Arc<str>], leaf: &Tree, sources: &Sources) -> Line {
    let place = place(leaf, sources);
    // What the stronger layers said is what is there; the weaker ones were overridden.
    let mut overrode = Vec::new();
    for layer in values.layers.iter().rev() {
        let Some(found) = at(&layer.table, keys) else { continue };
        let where_from = self::place(found, sources);
        if found.span() != leaf.span() && where_from != place {
            overrode.push(format!("{} {where_from}", shown(found)));
        }
    }
    Line { path: written(keys), value: shown(leaf), place, overrode }
}

/// Leaves of lower layers that are gone: a null, or something of another shape, took their place.
fn removed(values: &Values, merged: &Tree, sources: &Sources, lines: &mut Vec<Line>) {
    let Tree::Table(merged) = merged else { return };
    let mut seen = BTreeSet::new();
    for layer in values.layers.iter().rev() {
        let whole = Tree::Table(layer.table.clone());
        leaves(&whole, &mut Vec::new(), &mut |keys, leaf| {
            let path = written(keys);
            let gone = at(merged, keys).is_none() && !leaf.is_null() && !keys.is_empty();
            if gone && seen.insert(path.clone()) {
                let nulls = values.layers.iter().rev().find_map(|layer| {
                    (1..=keys.len()).find_map(|depth| {
                        at(&layer.table, &keys[..depth]).filter(|tree| tree.is_null())
                    })
                });
                let Some(null) = nulls else { return };
                lines.push(Line {
                    path,
                    value: "<removed>".to_owned(),
                    place: place(null, sources),
                    overrode: vec![format!("{} {}", shown(leaf), place(leaf, sources))],
                });
            }
        });
    }
}

/// A path as `--set` takes it.
fn written(keys: &[Arc<str>]) -> String {
    let escaped = |key: &Arc<str>| {
        let mut text = String::new();
        for letter in key.chars() {
            if matches!(letter, '.' | ',' | '=' | '[' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
        text
    };
    keys.iter().map(escaped).collect::<Vec<_>>().join(".")
}

/// `values.yaml:3`, or the option alone.
fn place(tree: &Tree, sources: &Sources) -> String {
    let origin = sources.origin(tree.span());
    if origin.file.starts_with("--") { origin.file.to_string() } else { origin.to_string() }
}

/// A value on one line; long lists are cut.
fn shown(tree: &Tree) -> String {
    const MOST: usize = 60;
    let text = match tree {
        Tree::Leaf(node) => match node.scalar() {
            Some(scalar) if node.text().is_some() => {
                let plain = !scalar.text.is_empty()
                    && scalar.text.chars().all(|c| c.is_ascii_graphic() && !"{}[]\"".contains(c));
                let number = scalar.text.parse::<f64>().is_ok();
                if plain && !number { scalar.text.to_string() } else { node.to_json() }
            }
            _ => node.to_json(),
        },
        Tree::List(..) | Tree::Table(_) => tree.to_node().to_json(),
    };
    if text.chars().count() > MOST {
        let mut kept: String = text.chars().take(MOST).collect();
        kept.push('…');
        return kept;
    }
    text
}

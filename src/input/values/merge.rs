//! Helm's rules for values over values: tables are merged, lists and scalars replaced, null deletes
//! what the chart says.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tree::{Slot, Table, Tree};
use crate::input::codes;
use crate::input::diagnostic::{Diagnostic, Diagnostics};

/// Values files over values files (helm, pkg/chart/v2/loader/load.go `MergeMaps`): null stays.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (key, slot) in over.slots {
        match (base.slots.get_mut(&key), slot) {
            (
                Some(Slot { value: Tree::Table(below), .. }),
                Slot { value: Tree::Table(above), .. },
            ) => merge(below, above),
            (_, slot) => {
                base.slots.insert(key, slot);
            }
        }
    }
}

/// The values of the user over those of the chart (helm, pkg/chart/common/util/coalesce.go
/// `coalesceValues`, release 4.1): here null removes the key. `subcharts` are the keys whose values go to charts
/// of their own: their nulls stay until those are looked at, and all of them with `keep_null`
/// (`MergeValues`).
pub(super) fn coalesce(
    user: &mut Table,
    mut chart: Table,
    subcharts: &BTreeSet<Arc<str>>,
    keep_null: bool,
    diagnostics: &Diagnostics,
) {
    let keys: Vec<Arc<str>> = chart.slots.keys().cloned().collect();
    for key in keys {
        let Some(slot) = chart.slots.remove(&key) else { continue };
        match user.slots.get_mut(&key) {
            Some(own) if own.value.is_null() => {
                if !keep_null {
                    user.slots.remove(&key);
                }
            }
            Some(Slot { value: Tree::Table(own), key_span }) => {
                let keep_null = keep_null || subcharts.contains(&key);
                match slot.value {
                    Tree::Table(below) => {
                        tables(own, below, keep_null, &key, diagnostics);
                    }
                    other if !other.is_null() => {
                        let message =
                            format!("the chart has `{key}` as no table: its value is passed over");
                        diagnostics.push(
                            Diagnostic::warning(codes::VALUES_CONFLICT, message)
                                .primary(*key_span, "a table here")
                                .secondary(other.span(), "the chart's value"),
                        );
                    }
                    Tree::Leaf(_) | Tree::List(..) => {}
                }
            }
            Some(_) => {}
            None => {
                user.slots.insert(key, slot);
            }
        }
    }
}

/// One table over another (`coalesceTablesFullKey`).
pub(super) fn tables(
    over: &mut Table,
    below: Table,
    keep_null: bool,
    path: &str,
    diagnostics: &Diagnostics,
) {
    for (key, slot) in below.slots {
        let path = format!("{path}.{key}");
        match over.slots.get_mut(&key) {
            Some(own) if own.value.is_null() => {
                // Null over something of the chart removes it; over nothing it is a value.
                if !keep_null && !slot.value.is_null() {
                    over.slots.remove(&key);
                }
            }
            Some(own) => match (&mut own.value, slot.value) {
                (Tree::Table(own), Tree::Table(below)) => {
                    tables(own, below, keep_null, &path, diagnostics);
                }
                (Tree::Table(_), below) if !below.is_null() => {
                    let message = format!("`{path}` is a table: the chart's value is passed over");
                    diagnostics.push(
                        Diagnostic::warning(codes::VALUES_CONFLICT, message)
                            .primary(own.key_span, "a table here")
                            .secondary(below.span(), "the chart's value"),
                    );
                }
                (other, below @ Tree::Table(_)) => {
                    let message = format!("cannot overwrite table with non table for `{path}`");
                    diagnostics.push(
                        Diagnostic::warning(codes::VALUES_CONFLICT, message)
                            .primary(other.span(), "no table")
                            .secondary(slot.key_span, "the chart has a table")
                            .note(format!(
                                "Helm warns and takes the value; the {} of the chart are lost",
                                count(&below)
                            )),
                    );
                }
                _ => {}
            },
            None => {
                over.slots.insert(key, slot);
            }
        }
    }
}

fn count(tree: &Tree) -> String {
    let keys = tree.table().map_or(0, |table| table.slots.len());
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}

/// Removes every null. Helm does so with the chart's own values from 4.2 on; before, they stay and
/// are nothing to a template.
pub(in crate::input) fn clean(table: &mut Table) {
    table.slots.retain(|_, slot| !slot.value.is_null());
    for slot in table.slots.values_mut() {
        if let Tree::Table(table) = &mut slot.value {
            clean(table);
        }
    }
}

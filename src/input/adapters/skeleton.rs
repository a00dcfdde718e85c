//! Skeletons: Kubernetes objects written as YAML with marks where values go.
//!
//! A skeleton is data, not code, so that a convention of charts is one readable file. The marks are
//! tags: `!v PATH` the value at a path, `!n PATH` the same as a number, `!t TEXT` text with `${PATH}` in it, `!or [..]` the first that
//! is something, `!if {when, then, else}`, `!each {in, do}`, `!merge [..]`, `!call {of, ..}` another
//! definition of the file, `!checksum NAME` of such a definition. An entry without a value falls
//! away. Paths start at the values; `.x` at the argument `values` of the call, `$name.x` at another.
//!
//! Figures keep the place of the values they come from; everything around them takes the place of
//! the values that the call is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::input::source::Span;
use crate::input::values::{Slot, Table, Tree};
use crate::input::yaml::{Entry, Kind, Node, ScalarValue};

/// Calls in calls; skeletons need about four.
const CALLS_MOST: usize = 16;

/// A file of definitions.
#[derive(Debug)]
pub(super) struct Skeleton<'s> {
    pub(super) definitions: &'s Node,
    pub(super) values: &'s Table,
    /// `release` and `chart`, beside the values.
    pub(super) globals: BTreeMap<&'static str, Tree>,
}

/// What a call sees.
#[derive(Clone)]
struct Scope {
    arguments: BTreeMap<Arc<str>, Tree>,
    /// Where what is not a value counts as written.
    at: Span,
    depth: usize,
}

impl Skeleton<'_> {
    /// The objects of the definition `objects`, in order.
    pub(super) fn objects(&self) -> Vec<Node> {
        // What no value is about stands where the values begin.
        let first = self.values.slots.values().map(|slot| slot.key_span).min();
        let at = first.unwrap_or(self.values.span);
        let scope = Scope { arguments: BTreeMap::new(), at, depth: 0 };
        let Some(list) = self.definitions.get("objects") else { return Vec::new() };
        match self.build(list, &scope) {
            Some(Tree::List(_, items)) => {
                let mut objects = Vec::new();
                items.iter().for_each(|item| flatten(item, &mut objects));
                objects
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn build(&self, node: &Node, scope: &Scope) -> Option<Tree> {
        if let Some(tag) = &node.tag {
            return self.marked(tag, node, scope);
        }
        match &node.kind {
            Kind::Scalar(_) => Some(Tree::Leaf(Node { span: scope.at, ..node.clone() })),
            Kind::Sequence(items) => {
                let items = items.iter().filter_map(|item| self.build(item, scope)).collect();
                Some(Tree::List(scope.at, items))
            }
            Kind::Mapping(entries) => Some(Tree::Table(self.table(entries, scope))),
        }
    }

    fn table(&self, entries: &[Entry], scope: &Scope) -> Table {
        let mut table = Table::empty(scope.at);
        for entry in entries {
            if let Some(value) = self.build(&entry.value, scope) {
                let key_span = if matches!(value, Tree::Leaf(_)) { value.span() } else { scope.at };
                table.slots.insert(Arc::clone(&entry.key), Slot { key_span, value });
            }
        }
        // A table of nothing but values stands where they do: in the strongest file, at the first.
        let spans = || table.slots.values().map(|slot| slot.value.span());
        if !table.slots.is_empty() && spans().all(|span| span != scope.at) {
            let file = spans().map(|span| span.file).max();
            let first = spans().filter(|span| Some(span.file) == file).min();
            table.span = first.unwrap_or(scope.at);
        }
        table
    }

    fn marked(&self, tag: &str, node: &Node, scope: &Scope) -> Option<Tree> {
        let text = node.scalar().map(|scalar| &*scalar.text);
        match tag {
            "!v" => {
                let value = self.value(text?, scope).filter(|tree| !tree.is_null())?;
                Some(match value {
                    Tree::Leaf(leaf) if !self.is_written(leaf.span) => {
                        Tree::Leaf(Node { span: scope.at, ..leaf })
                    }
                    value @ (Tree::Leaf(_) | Tree::List(..) | Tree::Table(_)) => value,
                })
            }
            "!n" => self.number(text?, scope),
            "!t" => self.text(text?, scope),
            "!or" => {
                node.sequence()?.iter().find_map(|one| self.build(one, scope).filter(is_something))
            }
            "!if" => {
                let when = node.get("when")?;
                let holds = self.holds(when, scope);
                let place = self.place_of(when, scope).filter(|_| scope.depth == 0);
                let scope = Scope { at: place.unwrap_or(scope.at), ..scope.clone() };
                self.build(node.get(if holds { "then" } else { "else" })?, &scope)
            }
            "!each" => self.each(node, scope),
            "!merge" => {
                let mut merged = Table::empty(scope.at);
                for one in node.sequence()? {
                    if let Some(Tree::Table(table)) = self.build(one, scope) {
                        merged.slots.extend(table.slots);
                    }
                }
                Some(Tree::Table(merged))
            }
            "!call" => self.call(node, scope),
            "!checksum" => self.checksum(text?, scope),
            _ => None,
        }
    }

    /// Whether a place is one of a text; names of the release and the like have none.
    fn is_written(&self, span: Span) -> bool {
        span.file != self.values.span.file
    }

    /// Where the value stands that switches something on: what is switched on stands there, too.
    fn place_of(&self, when: &Node, scope: &Scope) -> Option<Span> {
        let first = when.sequence().and_then(<[Node]>::first).unwrap_or(when);
        let text = &first.scalar().filter(|_| first.tag.is_none())?.text;
        let path = text.strip_prefix("not ").unwrap_or(text).split(" is ").next()?;
        let (_, span) = self.placed(path, scope)?;
        self.is_written(span).then_some(span)
    }

    /// A path, or a list of paths that must all hold.
    fn holds(&self, when: &Node, scope: &Scope) -> bool {
        let one = |node: &Node| match (&node.tag, node.scalar()) {
            (None, Some(scalar)) => match scalar.text.strip_prefix("not ") {
                Some(condition) => !self.condition(condition, scope),
                None => self.condition(&scalar.text, scope),
            },
            _ => self.build(node, scope).is_some_and(|tree| is_something(&tree)),
        };
        match (&node_tagless(when), when.sequence()) {
            (true, Some(all)) => all.iter().all(one),
            _ => one(when),
        }
    }

    /// `PATH` that is something, `PATH is WORD`, or `PATH is empty`: written, as text of no letters.
    fn condition(&self, text: &str, scope: &Scope) -> bool {
        match text.split_once(" is ") {
            Some((path, "empty")) => self.placed(path, scope).is_some_and(|(tree, _)| match tree {
                Tree::Leaf(node) => node.text() == Some(""),
                Tree::List(..) | Tree::Table(_) => false,
            }),
            Some((path, wanted)) => self.word(path, scope).is_some_and(|it| it == wanted),
            None => self.placed(text, scope).is_some_and(|(tree, _)| is_something(tree)),
        }
    }

    /// `in` is a path or a list; the item is `$it`, the key of a table `$key`.
    fn each(&self, node: &Node, scope: &Scope) -> Option<Tree> {
        let from = node.get("in")?;
        let over = match from.scalar() {
            Some(path) if from.tag.is_none() => self.value(&path.text, scope)?,
            _ => self.build(from, scope)?,
        };
        let body = node.get("do")?;
        let one = |key: Tree, item: Tree| {
            let mut inner = scope.clone();
            if !matches!(over, Tree::List(..)) || matches!(item, Tree::Table(_)) {
                inner.at = key.span();
            }
            inner.arguments.insert(Arc::from("key"), key);
            inner.arguments.insert(Arc::from("it"), item);
            self.build(body, &inner)
        };
        let items: Vec<Tree> = match &over {
            Tree::List(span, items) => items
                .iter()
                .filter_map(|item| one(Tree::text("", own_or(item.span(), *span)), item.clone()))
                .collect(),
            Tree::Table(table) => table
                .slots
                .iter()
                .filter_map(|(key, slot)| one(Tree::text(key, slot.key_span), slot.value.clone()))
                .collect(),
            Tree::Leaf(_) => Vec::new(),
        };
        Some(Tree::List(scope.at, items))
    }

    /// Another definition with arguments: `values` is a path, everything else is built here.
    fn call(&self, node: &Node, scope: &Scope) -> Option<Tree> {
        if scope.depth >= CALLS_MOST {
            return None;
        }
        let name = node.get("of").and_then(Node::text)?;
        let mut inner = scope.clone();
        inner.depth += 1;
        let values = match node.get("values").map(Node::text) {
            Some(path) => Some(self.placed(path?, scope)?),
            None => None,
        };
        if let Some((_, span)) = values {
            inner.at = span;
        }
        // What is said in the call is about the values, too, so it stands where they do.
        let outer = Scope { at: inner.at, ..scope.clone() };
        for entry in node.mapping()?.iter().filter(|entry| &*entry.key != "of") {
            let value = match (&*entry.key, values) {
                ("values", Some((values, _))) => Some(values.clone()),
                _ => self.build(&entry.value, &outer),
            };
            match value {
                Some(value) => inner.arguments.insert(Arc::clone(&entry.key), value),
                None => inner.arguments.remove(&entry.key),
            };
        }
        self.build(self.definitions.get(name)?, &inner)
    }

    /// SHA-256 of what another definition gives, so that a change of it is a change here.
    fn checksum(&self, name: &str, scope: &Scope) -> Option<Tree> {
        let inner = Scope { depth: scope.depth + 1, ..scope.clone() };
        if inner.depth > CALLS_MOST {
            return None;
        }
        let built = self.build(self.definitions.get(name)?, &inner)?;
        let hash = Sha256::digest(built.to_node().to_json().as_bytes());
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Tree::text(&digits, scope.at))
    }

    /// `${PATH}` in a text, with `|upper`, `|snake`, `|kebab` or `*N` behind the path. Text with a
    /// value missing is no text.
    fn text(&self, text: &str, scope: &Scope) -> Option<Tree> {
        let mut built = String::new();
        let mut span = None;
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, behind) = after.split_once('}')?;
            built.push_str(before);
            let mut filters = inside.split('|');
            let (path, factor) = match filters.next()?.split_once('*') {
                Some((path, factor)) => (path, factor.parse::<i128>().ok()),
                None => (inside.split('|').next()?, None),
            };
            let value = self.value(path, scope)?;
            span = span.or_else(|| Some(value.span()).filter(|span| self.is_written(*span)));
            let Tree::Leaf(leaf) = value else { return None };
            let scalar = leaf.scalar()?;
            let mut word = match (scalar.value, factor) {
                (ScalarValue::Integer(number), Some(factor)) => {
                    number.checked_mul(factor)?.to_string()
                }
                _ => scalar.text.to_string(),
            };
            for filter in filters {
                word = filtered(&word, filter);
            }
            built.push_str(&word);
            rest = behind;
        }
        built.push_str(rest);
        Some(Tree::text(&built, span.unwrap_or(scope.at)))
    }

    /// A value whose quotes a template would leave away.
    fn number(&self, path: &str, scope: &Scope) -> Option<Tree> {
        let value = self.value(path, scope)?;
        let Tree::Leaf(leaf) = &value else { return Some(value) };
        let whole = leaf.text().and_then(|text| text.parse::<i128>().ok());
        Some(match whole {
            Some(number) => {
                Tree::scalar(&number.to_string(), ScalarValue::Integer(number), leaf.span)
            }
            None => value,
        })
    }

    fn word(&self, path: &str, scope: &Scope) -> Option<String> {
        match self.value(path, scope)? {
            Tree::Leaf(node) => node.scalar().map(|scalar| scalar.text.to_string()),
            Tree::List(..) | Tree::Table(_) => None,
        }
    }

    fn value(&self, path: &str, scope: &Scope) -> Option<Tree> {
        self.placed(path, scope).map(|(value, _)| value.clone())
    }

    /// The value at a path, and the place of its key.
    fn placed<'t>(&'t self, path: &str, scope: &'t Scope) -> Option<(&'t Tree, Span)> {
        let mut keys = path.split('.').filter(|key| !key.is_empty());
        let (mut tree, mut span) = if path.starts_with('.') {
            (scope.arguments.get("values")?, scope.at)
        } else if path.starts_with('$') {
            let name = keys.next()?.strip_prefix('$')?;
            (scope.arguments.get(name).or_else(|| self.globals.get(name))?, scope.at)
        } else {
            let slot = self.values.slots.get(keys.next()?)?;
            (&slot.value, slot.key_span)
        };
        for key in keys {
            let slot = tree.table()?.slots.get(key)?;
            (tree, span) = (&slot.value, slot.key_span);
        }
        Some((tree, span))
    }
}

fn node_tagless(node: &Node) -> bool {
    node.tag.is_none()
}

/// The span of an item, or of the list when the item has none of its own.
fn own_or(item: Span, list: Span) -> Span {
    if item.start == item.end { list } else { item }
}

/// Whether Helm's `if` would take it: not null, false, zero or empty.
fn is_something(tree: &Tree) -> bool {
    match tree {
        Tree::Leaf(node) => node.scalar().is_some_and(|scalar| match scalar.value {
            ScalarValue::Null => false,
            ScalarValue::Boolean(truth) => truth,
            ScalarValue::Integer(number) => number != 0,
            ScalarValue::Float(number) => number.abs() > 0.0,
            ScalarValue::Text => !scalar.text.is_empty(),
        }),
        Tree::List(_, items) => !items.is_empty(),
        Tree::Table(table) => !table.slots.is_empty(),
    }
}

/// Objects may come in lists of lists.
fn flatten(tree: &Tree, into: &mut Vec<Node>) {
    match tree {
        Tree::List(_, items) => items.iter().for_each(|item| flatten(item, into)),
        Tree::Table(_) => into.push(tree.to_node()),
        Tree::Leaf(_) => {}
    }
}

fn filtered(word: &str, filter: &str) -> String {
    match filter {
        "upper" => word.to_uppercase(),
        "snake" => separated(word, '_'),
        "kebab" => separated(word, '-'),
        _ => word.to_owned(),
    }
}

/// `postgresPassword` with a separator before each capital: `postgres_password`.
pub(super) fn separated(word: &str, separator: char) -> String {
    let mut text = String::new();
    for (at, letter) in word.chars().enumerate() {
        if letter.is_uppercase() {
            if at > 0 {
                text.push(separator);
            }
            text.extend(letter.to_lowercase());
        } else if letter == '-' || letter == '_' {
            text.push(separator);
        } else {
            text.push(letter);
        }
    }
    text
}

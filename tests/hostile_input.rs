//! Input that means no good, and input that is only unlucky: no panic, no hang, bounded memory.
//!
//! The same generators run for an hour with `HOSTILE_CASES=2000000`; here they run for seconds.

use aurelius_sim::input::decode::Context;
use aurelius_sim::input::diagnostic::Diagnostics;
use aurelius_sim::input::kubernetes::Objects;
use aurelius_sim::input::source::Sources;
use aurelius_sim::input::values::{ValueInputs, user_values};
use aurelius_sim::input::yaml::{Dialect, Node, parse, write_yaml};
use aurelius_sim::units::quantity::Quantity;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::{cases, each_seed};

fn read(text: &str, dialect: Dialect) -> (Vec<Node>, usize) {
    let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
    let file = sources.add("a.yaml", text);
    let nodes = parse(&sources, file, dialect, &diagnostics);
    (nodes, diagnostics.sorted().len())
}

/// Pieces of YAML, put together without sense.
fn soup(dice: &mut Pcg64Mcg, pieces: &[&str], most: usize) -> String {
    let count = dice.random_range(0..most);
    (0..count).map(|_| pieces[dice.random_range(0..pieces.len())]).collect()
}

const YAML: [&str; 44] = [
    "a",
    ": ",
    "- ",
    "\n",
    "  ",
    "\n  ",
    "\n- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&x ",
    "*x",
    "<<: ",
    "!!int ",
    "!t ",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "#",
    "---\n",
    "...\n",
    "\t",
    "\u{feff}",
    "ä",
    "\u{202e}",
    "\0",
    "~",
    "null",
    "0x1F",
    "1e999",
    "-.inf",
    "?",
    "? ",
    "%YAML 1.2\n",
    "\r\n",
    "\\",
    "key: value\n",
    "  nested: 1\n",
    "- item\n",
    "\u{10ffff}",
    "{{ .Values.a }}",
];

#[test]
fn yaml_of_any_kind_is_read_or_refused() {
    each_seed(cases(20_000), |seed, dice| {
        let text = soup(dice, &YAML, 40);
        for dialect in [Dialect::Core, Dialect::Yaml11] {
            let (nodes, _) = read(&text, dialect);
            // What was read can be written, and is then read as the same.
            for node in &nodes {
                let (again, faults) = read(&write_yaml(node), Dialect::Yaml11);
                if dialect == Dialect::Yaml11 && faults == 0 && !node.is_null() {
                    let json = again.first().map(Node::to_json);
                    assert_eq!(json, Some(node.to_json()), "seed {seed}: {text:?}");
                }
            }
        }
    });
}

#[test]
fn quantities_of_any_kind_are_read_or_refused() {
    let pieces = [
        "1",
        "0",
        "9",
        ".",
        "-",
        "+",
        "e",
        "E",
        "k",
        "Ki",
        "m",
        "u",
        "n",
        "Ei",
        "P",
        " ",
        "i",
        "99999999999",
        "ä",
        "\u{0}",
        "_",
        "0x",
    ];
    each_seed(cases(50_000), |seed, dice| {
        let text = soup(dice, &pieces, 12);
        if let Ok(quantity) = text.parse::<Quantity>() {
            let shown = quantity.to_string();
            let again: Quantity = shown.parse().unwrap_or_else(|_| panic!("{text}: {shown}"));
            assert_eq!(again, quantity, "seed {seed}: {text}");
        }
    });
}

#[test]
fn assignments_of_any_kind_are_used_or_refused() {
    let pieces = [
        "a",
        "b",
        ".",
        "=",
        ",",
        "[",
        "]",
        "{",
        "}",
        "0",
        "1",
        "65536",
        "-1",
        "\\",
        "null",
        "true",
        "\"",
        " ",
        "ä",
        "{\"a\":",
        "99999999999999999999",
    ];
    each_seed(cases(20_000), |seed, dice| {
        let mut text = || vec![soup(dice, &pieces, 14)];
        let inputs = ValueInputs {
            set: text(),
            set_string: text(),
            set_json: text(),
            set_literal: text(),
            ..ValueInputs::default()
        };
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let values = user_values(&inputs, &[], &mut sources, &diagnostics);
        let text = write_yaml(&values.merged.to_node());
        assert!(text.len() < 64 << 20, "seed {seed}");
    });
}

/// Real objects with a node of theirs replaced by something else.
#[test]
fn objects_with_anything_in_any_place_are_decoded_or_refused() {
    let texts = [
        include_str!("data/live/dump.yaml"),
        include_str!("data/live/nodes.yaml"),
        include_str!("data/manifests/bitnami-postgresql-1p2r/rendered.yaml"),
        include_str!("data/manifests/karpenter-examples/workloads-spread-hostname-zone.yaml"),
    ];
    let lines: Vec<Vec<&str>> = texts.iter().map(|text| text.lines().collect()).collect();
    let junk = [
        "null",
        "[]",
        "{}",
        "-1",
        "1e300",
        "99999999999999999999",
        "\"\"",
        "\"1Gi\"",
        "yes",
        "[1, {a: b}]",
        "100000%",
        "0.0001m",
        "\u{202e}x",
        "{matchLabels: {a: b}}",
        "!x y",
        "9223372036854775807Ei",
    ];
    each_seed(cases(400), |_, dice| {
        let mut changed = lines[dice.random_range(0..lines.len())].clone();
        let mut made = Vec::new();
        for _ in 0..dice.random_range(1..6) {
            let at = dice.random_range(0..changed.len());
            let line = changed[at];
            match (dice.random_range(0..4), line.split_once(": ")) {
                (0, _) => changed[at] = "",
                (1, _) => changed.insert(at, line),
                (_, Some((key, _))) => {
                    let text = junk[dice.random_range(0..junk.len())];
                    made.push((at, format!("{key}: {text}")));
                }
                _ => {}
            }
        }
        let mut text: Vec<String> = changed.iter().map(|line| (*line).to_owned()).collect();
        for (at, line) in made {
            if at < text.len() {
                text[at] = line;
            }
        }
        let text = text.join("\n");
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let file = sources.add("a.yaml", &text);
        let nodes = parse(&sources, file, Dialect::Yaml11, &diagnostics);
        let context = Context { sources: &sources, diagnostics: &diagnostics };
        let mut objects = Objects::default();
        nodes.iter().for_each(|node| objects.read(context, node));
        objects.resolve_priorities(context);
        objects.resolve_limits(context);
        let said = diagnostics.sorted();
        let _ = aurelius_sim::input::render::concise(&said, &sources);
    });
}

#[test]
fn bombs_are_refused_in_a_moment() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let deep = "[".repeat(100_000);
    let mappings = "{a: ".repeat(100_000);
    let indented: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let brackets = format!("a{}=1", "[0]".repeat(100_000));
    let dots = format!("{}a=1", "a.".repeat(100_000));
    for text in [&laughs, &deep, &mappings, &indented] {
        for dialect in [Dialect::Core, Dialect::Yaml11] {
            let (_, faults) = read(text, dialect);
            assert!(faults > 0, "{}", &text[..40]);
        }
    }
    for text in [brackets, dots] {
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let inputs = ValueInputs { set: vec![text], ..ValueInputs::default() };
        let _ = user_values(&inputs, &[], &mut sources, &diagnostics);
        assert!(diagnostics.has_errors());
    }
}

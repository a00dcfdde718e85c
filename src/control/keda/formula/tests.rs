//! Formulas of KEDA's documentation, the precedences of expr-lang, and what both refuse.

use std::collections::BTreeMap;

use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn value_of(text: &str, [a, b, c]: [Option<f64>; 3]) -> Result<Option<f64>, FormulaError> {
    let values: BTreeMap<&str, Option<f64>> = [("a", a), ("b", b), ("c", c)].into();
    Formula::compile(text, &NAMES)?.evaluate(&values)
}

#[test]
fn formulas_come_to_what_expr_lang_makes_of_them() {
    let rows: [(&str, f64); 36] = [
        ("a + b", 5.0),
        ("(a + b)/2", 2.5),
        ("a > 2 ? a + b : 1", 1.0),
        ("a < 3 ? a + b >= 2 ? 5 : 10 : 0", 5.0),
        ("sum([a, b, c])", 15.0),
        ("count([a, b, c], {# > 2}) > 1 ? 5 : 0", 5.0),
        ("count([a, b, c], # > 2)", 2.0),
        ("any([a, b], {# > 2}) ? a : b", 2.0),
        ("all([a, b], {# > 2}) ? a : b", 3.0),
        ("none([a, b], {# > 5}) && one([a, b], # == 2) ? 1 : 0", 1.0),
        ("max(a, b, c) - min([a, b, c])", 8.0),
        ("mean([a, b, c])", 5.0),
        ("median(a, b, c)", 3.0),
        ("7 / 2", 3.5),
        ("7 % 4 + 2 * 3 ** 2", 21.0),
        ("-2 ** 2", -4.0),
        ("2 ^ 3 ** 2", 512.0),
        ("10 - 4 - 3", 3.0),
        ("not (a > b) and b < c or false ? 1 : 0", 1.0),
        ("!(a == 2.0) ? 1 : 7", 7.0),
        ("a == 2 ? 1 : 0", 1.0),
        ("a in [2, 3] ? 1 : 0", 1.0),
        ("a not in [4, 3] ? 1 : 0", 1.0),
        ("let best = max(a, b); best * 2", 6.0),
        ("[a, b, c][1]", 3.0),
        ("[a, b, c][-1]", 10.0),
        ("[a, b, c] | filter(# > 2) | sum()", 13.0),
        ("sum(map([a, b], {# * 10}))", 50.0),
        ("sum([a, b], # * 10)", 50.0),
        ("len(1..4)", 4.0),
        ("round(2.5) + ceil(0.1) + floor(0.9) + abs(-3)", 7.0),
        ("int(a / b * 10)", 6.0),
        ("float(a)", 2.0),
        (".5 + 1e1 + 1_000", 1010.5),
        ("a ?? 7", 2.0),
        ("first([a]) + last([b])", 5.0),
    ];
    for (text, expected) in rows {
        let found = value_of(text, [Some(2.0), Some(3.0), Some(10.0)]);
        assert_eq!(found, Ok(Some(expected)), "{text}");
    }
}

#[test]
fn a_trigger_that_failed_too_often_is_nil() {
    let rows: [(&str, Option<f64>); 4] = [
        ("a ?? b", Some(3.0)),
        // It binds more strongly than anything else.
        ("a ?? b + 1", Some(4.0)),
        ("a ?? nil", None),
        ("a == nil ? b ?? 0 : 1", Some(3.0)),
    ];
    for (text, expected) in rows {
        assert_eq!(value_of(text, [None, Some(3.0), None]), Ok(expected), "{text}");
    }
    let counted = value_of("a + b", [None, Some(3.0), None]);
    assert_eq!(counted.expect_err("nil is no number").to_string(), "counts with nil");
}

#[test]
fn what_keda_refuses_is_refused_with_its_reason() {
    let rows = [
        ("", "ends where a value is missing"),
        ("a +", "ends where a value is missing"),
        ("a b", "has `b` where nothing can be made of it"),
        ("(a", "ends where a `)` is missing"),
        ("a + d", "names `d`, which is no trigger (`a`, `b`, `c`)"),
        ("a % 2", "puts a number and a whole number together"),
        ("a and b", "puts a number and a number together"),
        ("a > 1", "is a truth value, which is no number"),
        ("a ? 1 : 2", "asks `?` of a number"),
        ("[a, b]", "is a list, which is no number"),
        ("# > 1 ? 1 : 0", "has a `#` outside of a predicate"),
        ("now()", "calls `now`, which is no function or is not simulated"),
        ("a + \"1\"", "has a `\"`, which is not simulated"),
        ("count([a, b])", "counts a number without a predicate"),
        ("all([a, b])", "has `)` where nothing can be made of it"),
        ("[a][3]", "has the index 3 in a list of 1"),
        ("1 % 0", "divides a whole number by zero"),
        ("let a = 1; a", "declares `a` again"),
        ("float(a) > 0 ? 1 : 2", "comes to the whole number 2, which is no float"),
        ("1..100000000", "is a list, which is no number"),
        ("len(1..100000000)", "has a range that is too long"),
        ("min()", "calls a function without a value"),
        ("é", "names `é`, which is no trigger (`a`, `b`, `c`)"),
        ("99999999999999999999", "has the number `99999999999999999999`"),
    ];
    for (text, expected) in rows {
        let problem = Formula::compile(text, &NAMES).expect_err(text).to_string();
        assert_eq!(problem, expected, "{text}");
    }
    let deep = format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000));
    let problem = Formula::compile(&deep, &NAMES).expect_err("too deep");
    assert_eq!(problem.to_string(), "is nested too deeply");
}

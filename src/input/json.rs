//! What is wrong with a text that should be JSON, in words of our own and with its place.

use std::path::Path;

use serde_json::error::Category;

/// What is wrong, without its place.
#[must_use]
pub fn cause(error: &serde_json::Error) -> String {
    let told = error.to_string();
    // The library puts the place behind everything it says.
    let said = told.rfind(" at line ").map_or(told.as_str(), |at| &told[..at]);
    match error.classify() {
        Category::Eof if error.line() <= 1 && error.column() == 0 => "it is empty".to_owned(),
        Category::Eof => {
            let inside = match said.rsplit(' ').next() {
                Some("object") => "an object",
                Some("list") => "a list",
                Some("string") => "a text in quotes",
                Some(_) | None => "a value",
            };
            format!("it ends in the middle of {inside}")
        }
        Category::Syntax => match said {
            "expected value" => "no value begins here".to_owned(),
            "trailing characters" => "more text follows after its end".to_owned(),
            "trailing comma" => "a comma stands before a closing bracket".to_owned(),
            "key must be a string" => "a key must be in double quotes".to_owned(),
            other => other.to_owned(),
        },
        Category::Data | Category::Io => said.to_owned(),
    }
}

/// The whole of it, as it is said of a file: `result.json:3:7: is no JSON: no value begins here`.
#[must_use]
pub fn told_of(path: &Path, error: &serde_json::Error) -> String {
    let (line, column) = (error.line().max(1), error.column().max(1));
    format!("{}:{line}:{column}: is no JSON: {}", path.display(), cause(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_sentence_and_its_place() {
        for (text, expected) in [
            ("", "x:1:1: is no JSON: it is empty"),
            ("# Title", "x:1:1: is no JSON: no value begins here"),
            ("{\n \"a\": 1", "x:2:7: is no JSON: it ends in the middle of an object"),
            ("[1", "x:1:2: is no JSON: it ends in the middle of a list"),
            ("\"a", "x:1:2: is no JSON: it ends in the middle of a text in quotes"),
            ("{} x", "x:1:4: is no JSON: more text follows after its end"),
            ("[1,]", "x:1:4: is no JSON: a comma stands before a closing bracket"),
            ("{a: 1}", "x:1:2: is no JSON: a key must be in double quotes"),
        ] {
            let error = serde_json::from_str::<serde_json::Value>(text).expect_err(text);
            assert_eq!(told_of(Path::new("x"), &error), expected, "{text}");
        }
    }
}

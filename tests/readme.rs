//! The README's transcripts are what the program prints. `UPDATE_EXPECT=1` writes them anew.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const OPEN: &str = "```console\n";
const CLOSE: &str = "```\n";
const PROMPT: &str = "$ aurelius-sim ";

/// What the program prints for a command of a transcript, wall time left out.
fn answer(arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(arguments.split_whitespace())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .expect("the program runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    without_wall_time(&String::from_utf8(output.stdout).expect("the program prints UTF-8"))
}

/// `2h simulated in 5.08s` becomes `2h simulated`: how long it took differs from machine to machine.
fn without_wall_time(text: &str) -> String {
    let mut plain = String::new();
    for line in text.lines() {
        match line.split_once(" simulated in ") {
            Some((before, after)) => {
                let rest = after.split_once(' ').map_or("", |(_, rest)| rest);
                let _ = writeln!(plain, "{before} simulated {rest}");
            }
            None => {
                let _ = writeln!(plain, "{line}");
            }
        }
    }
    plain
}

#[test]
fn transcripts_are_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("there is a README");
    let mut written = String::new();
    let mut rest = readme.as_str();
    let mut transcripts = 0;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (block, after) = after.split_once(CLOSE).expect("a block is closed");
        let command = block.lines().next().expect("a transcript has a command");
        let arguments = command.strip_prefix(PROMPT).expect("a transcript starts with a prompt");
        let printed = answer(arguments);
        let _ = write!(written, "{before}{OPEN}{command}\n{printed}{CLOSE}");
        rest = after;
        transcripts += 1;
    }
    written.push_str(rest);
    assert!(transcripts >= 2, "the README shows what the program says");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &written).expect("the README can be written");
    } else {
        assert_eq!(readme, written, "run the tests with UPDATE_EXPECT=1 and read the difference");
    }
}

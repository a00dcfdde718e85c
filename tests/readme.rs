//! Transcripts of the README and of `docs` are what the program prints (`UPDATE_EXPECT=1` writes them
//! anew), and their links lead somewhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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

/// The pages with transcripts: the README, and what lies in `docs`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("there are docs");
    let mut pages: Vec<PathBuf> = docs
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

/// The page as it should be, and how many transcripts it has.
fn renewed(page: &str) -> (String, usize) {
    let mut written = String::new();
    let mut rest = page;
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
    (written, transcripts)
}

#[test]
fn transcripts_are_what_the_program_prints() {
    let renew = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut all = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).expect("the page can be read");
        let (written, transcripts) = renewed(&page);
        all += transcripts;
        if renew {
            std::fs::write(&path, &written).expect("the page can be written");
        } else {
            assert_eq!(
                page,
                written,
                "{}: run the tests with UPDATE_EXPECT=1 and read the difference",
                path.display()
            );
        }
    }
    assert!(all >= 6, "README and docs show what the program says");
}

/// Every file that a page links to is there.
#[test]
fn links_lead_somewhere() {
    for path in pages() {
        let page = std::fs::read_to_string(&path).expect("the page can be read");
        let folder = path.parent().expect("a page lies in a folder");
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or(link);
            let elsewhere = file.contains("://") || file.is_empty();
            assert!(elsewhere || folder.join(file).exists(), "{}: {link}", path.display());
        }
    }
}

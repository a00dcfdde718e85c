//! The command line: arguments, files, exit codes.

mod args;
mod files;

/// Runs the program.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}

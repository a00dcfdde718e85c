//! The binary: hands its arguments to `cli` and its answer to the shell.

fn main() -> std::process::ExitCode {
    aurelius_sim::cli::main()
}

//! Runs one attempt under supervision.

fn main() -> std::process::ExitCode {
    dispatch::cli::main("dispatch-exec")
}

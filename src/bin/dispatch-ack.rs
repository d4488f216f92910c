//! Approves or denies what waits.

fn main() -> std::process::ExitCode {
    dispatch::cli::main("dispatch-ack")
}

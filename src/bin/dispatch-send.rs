//! Signs a task and hands it to another host.

fn main() -> std::process::ExitCode {
    dispatch::cli::main("dispatch-send")
}

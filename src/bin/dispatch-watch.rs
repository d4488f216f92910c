//! The daemon of a node.

fn main() -> std::process::ExitCode {
    dispatch::cli::main("dispatch-watch")
}

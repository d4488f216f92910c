//! Tells people and programs what happens on this node: the only program that opens a connection.

fn main() -> std::process::ExitCode {
    dispatch::cli::notify::main(&dispatch::notify::http::Network)
}

//! The front door: `dispatch VERB`.

fn main() -> std::process::ExitCode {
    dispatch::cli::main("dispatch")
}

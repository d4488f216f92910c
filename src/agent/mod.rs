//! Agents: how each kind of program is invoked, and how what it wrote is judged.
//!
//! Pure: nothing here starts, signals, reads or writes anything. The supervisor starts what [`invocation`]
//! returns, feeds the agent's standard output line by line to the [`Listener`] of its kind, and asks for the
//! verdict when the agent is gone. A crash leaves nothing. `docs/PROFILES.md` tells what was measured of each
//! program and how a verdict is made.

mod aider;
mod answer;
mod ask;
mod claude;
mod claude_failure;
mod codex;
mod command;
mod failure;
mod gemini;
mod members;
mod opencode;
mod prior;
mod prompt;
mod shortfall;
mod verdict;

pub use ask::Ask;
pub use ask::Invocation;
pub use ask::invocation;
pub use prior::FILE as PRIOR_FILE;
pub use prior::Prior;
pub use prior::VARIABLE as PRIOR_VARIABLE;
pub use shortfall::shortfalls;
pub use verdict::End;
pub use verdict::Listener;
pub use verdict::Verdict;
pub use verdict::listener;

#[cfg(test)]
mod tests;

//! The integration tests, as one program: it links once, and a test file that nobody compiles is found by `tidy`.

mod chaos;
#[cfg(target_os = "linux")]
mod contain;
mod crash;
mod fsck;
mod journey;
mod sealed;
mod vectors;
mod verify_seal;
mod world;

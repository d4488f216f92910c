//! The integration tests, as one program: it links once, and a test file that nobody compiles is found by `tidy`.

#[cfg(target_os = "linux")]
mod contain;
mod sealed;
mod vectors;
mod verify_seal;

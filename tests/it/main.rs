//! The integration tests, as one program: it links once, and a test file that nobody compiles is found by `tidy`.

mod audit;
mod chaos;
#[cfg(target_os = "linux")]
mod contain;
mod crash;
mod docs;
mod doctor;
mod drain;
mod features;
mod fsck;
mod grants;
mod hold;
mod hostile;
mod journey;
mod keys;
mod loss;
mod named;
#[cfg(feature = "notifier")]
mod notify;
mod original;
mod pages;
mod pool;
mod pooled;
mod programs;
mod receipts;
mod retry;
mod route;
mod sealed;
mod settings;
mod signed;
mod stats;
mod supply;
mod tidy;
mod traffic;
#[cfg(target_os = "linux")]
mod twin;
mod vectors;
mod verify_seal;
mod views;
mod world;

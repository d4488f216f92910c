//! A folder of a lane together with its days: where gc moves what is old, for those who only ask whether it is there.

#![allow(clippy::unwrap_used, reason = "a world of tests")]

use std::path::Path;
use std::path::PathBuf;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The folder, and the days in it.
fn places(folder: &Path) -> Vec<PathBuf> {
    let is_day = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.is_dir() && name.len() == "2026-11-20".len() && name.starts_with("20")
    };
    let mut places: Vec<PathBuf> = entries(folder).into_iter().filter(is_day).collect();
    places.push(folder.to_owned());
    places
}

/// The names in a folder and in its days, sorted; not those of the days.
pub fn names(folder: &Path) -> Vec<String> {
    let places = places(folder);
    let all = places.iter().flat_map(|place| entries(place));
    let mut names: Vec<String> = all
        .filter(|path| !places.contains(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Where a file lies that is in one of them.
pub fn find(folder: &Path, name: &str) -> PathBuf {
    let mut files = places(folder).into_iter().map(|place| place.join(name));
    files
        .find(|file| file.symlink_metadata().is_ok())
        .unwrap_or_else(|| folder.join(name))
}

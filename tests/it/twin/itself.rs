//! The twin mounts do what their manner says: a check that is shown a fault must really have been shown it.
#![expect(clippy::disallowed_methods, reason = "acts on the mounts directly")]

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use nix::libc;

use super::Manner;
use super::Twin;
use super::manner::Listing;
use super::manner::Lost;
use super::manner::Names;

fn names(path: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_honest_server_is_one_folder_seen_twice() {
    let Some(twin) = Twin::mount(Manner::honest()) else {
        return;
    };
    let (a, b) = (twin.path(0), twin.path(1));
    fs::create_dir(a.join("d")).unwrap();
    fs::write(a.join("d/one"), "hello").unwrap();
    assert_eq!(fs::read_to_string(b.join("d/one")).unwrap(), "hello");
    fs::rename(b.join("d/one"), b.join("two")).unwrap();
    assert_eq!(names(&a), ["d", "two"]);
    assert_eq!(names(&a.join("d")), [""; 0]);
    fs::remove_file(a.join("two")).unwrap();
    assert!(!fs::exists(b.join("two")).unwrap());
}

#[test]
fn absent_names_and_listings_are_remembered_as_on_nfs() {
    let Some(twin) = Twin::mount(Manner {
        tick: Duration::from_secs(3600),
        ..Manner::like_nfs3()
    }) else {
        return;
    };
    let (a, b) = (twin.path(0), twin.path(1));
    assert!(!fs::exists(b.join("x")).unwrap());
    assert_eq!(names(&b), [""; 0]);
    fs::write(a.join("x"), "").unwrap();
    assert!(!fs::exists(b.join("x")).unwrap(), "a negative entry");
    assert_eq!(names(&b), [""; 0], "no other time, no other listing");
    fs::write(b.join("poke"), "").unwrap();
    assert_eq!(names(&b), ["poke", "x"], "an own change lets go of it");
}

#[test]
fn a_frozen_listing_shows_only_own_changes() {
    let Some(twin) = Twin::mount(Manner {
        listing: Listing::Frozen,
        ..Manner::honest()
    }) else {
        return;
    };
    let (a, b) = (twin.path(0), twin.path(1));
    assert_eq!(names(&b), [""; 0]);
    fs::write(a.join("x"), "").unwrap();
    fs::write(b.join("y"), "").unwrap();
    assert_eq!(names(&b), ["y"]);
    assert_eq!(names(&a), ["x", "y"]);
}

#[test]
fn replies_are_lost_and_errors_come_late() {
    let Some(twin) = Twin::mount(Manner {
        lost: Some(Lost {
            every: 1,
            errno: libc::EIO,
        }),
        ..Manner::honest()
    }) else {
        return;
    };
    let a = twin.path(0);
    assert!(fs::create_dir(a.join("d")).is_err());
    assert_eq!(names(&a), ["d"], "executed all the same");
    twin.change(|manner| {
        manner.lost = None;
        manner.close_errno = Some(libc::EDQUOT);
    });
    assert!(
        fs::write(a.join("x"), "data").is_ok(),
        "a dropped file hides it"
    );
    let file = fs::File::create(a.join("y")).unwrap();
    std::io::Write::write_all(&mut &file, b"data").unwrap();
    assert_eq!(nix::unistd::close(file), Err(nix::errno::Errno::EDQUOT));
}

#[test]
fn a_server_is_full_read_only_folds_and_cuts_names() {
    let Some(twin) = Twin::mount(Manner {
        full: true,
        ..Manner::honest()
    }) else {
        return;
    };
    let (a, b) = (twin.path(0), twin.path(1));
    let failed = fs::write(a.join("x"), "data").unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::StorageFull);
    twin.change(|manner| {
        manner.full = false;
        manner.read_only = true;
    });
    let failed = fs::write(a.join("y"), "data").unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::ReadOnlyFilesystem);
    twin.change(|manner| {
        manner.read_only = false;
        manner.names = Names::Folded;
    });
    assert!(fs::exists(b.join("X")).unwrap());
    twin.change(|manner| manner.names = Names::Cut(3));
    fs::write(a.join("long1"), "1").unwrap();
    fs::write(a.join("long2"), "2").unwrap();
    assert_eq!(names(&b), ["lon", "x"]);
}

#[test]
fn a_withheld_reply_comes_when_it_is_told_to() {
    let Some(twin) = Twin::mount(Manner::honest()) else {
        return;
    };
    let (a, b) = (twin.path(0), twin.path(1));
    twin.hang(0);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || tell.send(fs::create_dir(a.join("d"))).unwrap());
        assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
        fs::create_dir(b.join("e")).unwrap();
        twin.resume(0);
        told.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
    });
    assert_eq!(names(&b), ["d", "e"]);
}

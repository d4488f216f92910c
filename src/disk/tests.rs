//! Local files: created once, replaced whole, locked, measured.

use super::*;

#[test]
fn a_name_is_created_once_and_replaced_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    create_new(&path, b"one", 0o600).unwrap();
    assert!(
        create_new(&path, b"two", 0o600)
            .unwrap_err()
            .is(io::ErrorKind::AlreadyExists)
    );
    replace(&path, b"three", 0o600).unwrap();
    assert_eq!(read_bounded(&path, 10).unwrap(), b"three");
    assert!(matches!(
        read_bounded(&path, 4),
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(list(dir.path()).unwrap(), ["x"], "no temporary is left");
}

#[test]
fn links_and_pipes_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (link, pipe) = (dir.path().join("link"), dir.path().join("pipe"));
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(matches!(
        read_bounded(&link, 10),
        Err(Error::NotAFile { .. })
    ));
    assert!(matches!(
        read_bounded(&pipe, 10),
        Err(Error::NotAFile { .. })
    ));
}

#[test]
fn a_lock_has_one_holder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let held = LockFile::try_take(&path).unwrap();
    assert!(matches!(
        LockFile::try_take(&path),
        Err(Error::Locked { .. })
    ));
    assert!(LockFile::is_held(&path).unwrap());
    drop(held);
    assert!(!LockFile::is_held(&path).unwrap());
    assert!(LockFile::try_take(&path).is_ok());
}

#[test]
fn a_question_takes_the_lock_from_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    create_new(&path, b"", 0o600).unwrap();
    let question = File::open(&path).unwrap();
    fs2::FileExt::try_lock_shared(&question).unwrap();
    let asker = std::thread::spawn(move || {
        std::thread::sleep(QUESTION_LOOK * 5);
        drop(question);
    });
    LockFile::try_take(&path).unwrap();
    asker.join().unwrap();
}

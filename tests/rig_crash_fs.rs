//! The file system that loses its power: what was synced is always there afterwards, what was not
//! can be missed in every way, and code that forgets a sync is found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::crash_fs::{Crash, CrashFs};
use lastwrite::custody::{AuditConfig, Log, NewEvent, audit};
use lastwrite::signed::{Role, StationKey, TrustStore, TrustedKey, atomic_write, write_new};
use serde_json::json;

fn sync(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

/// The content of `name` after a crash; `None` when there is no such file.
fn left(fs: &CrashFs, crash: Crash, name: &str) -> Option<Vec<u8>> {
    let folder = fs.after_crash(crash);
    folder.path().join(name).exists().then(|| fs::read(folder.path().join(name)).unwrap())
}

/// Every path below `folder` with its mode, and the content of files.
fn everything(folder: &Path) -> BTreeSet<(String, u32, Vec<u8>)> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let (path, meta) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
            let content = if meta.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            found.insert((name, meta.mode(), content));
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// What a program could do in a folder; the same on any file system.
fn exercise(root: &Path) {
    let path = |name: &str| root.join(name);
    fs::create_dir(path("a")).unwrap();
    fs::set_permissions(path("a"), PermissionsExt::from_mode(0o700)).unwrap();
    let mut key = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path("a/key")).unwrap();
    key.write_all(b"secret").unwrap();
    let again = OpenOptions::new().write(true).create_new(true).open(path("a/key"));
    assert_eq!(errno(again), libc::EEXIST);
    for line in 0..100 {
        let mut log = OpenOptions::new().append(true).create(true).open(path("log")).unwrap();
        writeln!(log, "line {line}").unwrap();
    }
    fs::hard_link(path("log"), path("a/log")).unwrap();
    assert_eq!(errno(fs::hard_link(path("log"), path("a/log"))), libc::EEXIST);
    assert_eq!(fs::metadata(path("log")).unwrap().nlink(), 2);
    assert_eq!(fs::metadata(path("log")).unwrap().ino(), fs::metadata(path("a/log")).unwrap().ino());
    let large: Vec<u8> = (0..5_000_001_u32).map(|i| (i % 253) as u8).collect();
    fs::write(path("large"), &large).unwrap();
    assert_eq!(fs::read(path("large")).unwrap(), large);
    File::options().write(true).open(path("large")).unwrap().set_len(4_000_000).unwrap();
    let file = File::options().read(true).write(true).open(path("large")).unwrap();
    file.write_all_at(b"inside", 1_000_000).unwrap();
    fs::copy(path("large"), path("copy")).unwrap();
    assert_eq!(fs::read(path("copy")).unwrap()[1_000_000..1_000_006], *b"inside");
    fs::write(path("temporary"), b"new").unwrap();
    fs::rename(path("temporary"), path("a/key")).unwrap();
    assert_eq!(fs::read(path("a/key")).unwrap(), b"new");
    fs::create_dir_all(path("deep/er/still")).unwrap();
    fs::rename(path("deep/er"), path("a/er")).unwrap();
    assert_eq!(errno(fs::remove_dir(path("a"))), libc::ENOTEMPTY);
    fs::create_dir(path("many")).unwrap();
    for number in 0..1000 {
        File::create(path(&format!("many/file with a longer name {number}"))).unwrap();
    }
    assert_eq!(fs::read_dir(path("many")).unwrap().count(), 1000);
    fs::remove_dir_all(path("many")).unwrap();
    let open = File::open(path("copy")).unwrap();
    fs::remove_file(path("copy")).unwrap();
    open.read_exact_at(&mut [0; 10], 1_000_000).unwrap();

    let lock = File::create(path("lock")).unwrap();
    lock.lock().unwrap();
    assert!(File::open(path("lock")).unwrap().try_lock().is_err(), "held elsewhere");
    drop(lock);
    File::open(path("lock")).unwrap().try_lock().unwrap();
}

#[test]
fn it_behaves_like_any_file_system() {
    let Some(fs) = CrashFs::new() else { return };
    let plain = tempfile::tempdir().unwrap();
    exercise(plain.path());
    exercise(fs.path());
    assert_eq!(everything(fs.path()), everything(plain.path()));
    assert_eq!(everything(fs.after_crash(Crash::EVERYTHING).path()), everything(plain.path()));
    assert_eq!(everything(fs.after_crash(Crash::SYNCED_ONLY).path()), BTreeSet::new());
    let room = nix::sys::statvfs::statvfs(fs.path()).unwrap();
    assert!(room.blocks_available() * room.fragment_size() > 1 << 30);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(mounts.contains(&format!(" {} ", fs.path().display())));
}

#[test]
fn a_loaded_folder_is_durable_with_modes_owners_and_links() {
    let plain = tempfile::tempdir().unwrap();
    exercise(plain.path());
    let Some(fs) = CrashFs::from_dir(plain.path()) else { return };
    std::os::unix::fs::chown(plain.path().join("log"), Some(12), Some(34)).unwrap();
    let Some(owned) = CrashFs::from_dir(plain.path()) else { return };
    let meta = fs::metadata(owned.after_crash(Crash::SYNCED_ONLY).path().join("log")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.nlink()), (12, 34, 2));
    assert_eq!(fs.steps(), 0);
    for crash in Crash::ALL {
        assert_eq!(everything(fs.after_crash(crash).path()), everything(plain.path()), "{crash:?}");
    }
}

#[test]
fn synced_bytes_under_a_synced_name_are_always_there_and_others_are_not() {
    let Some(fs) = CrashFs::new() else { return };
    let path = fs.path().join("f");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"synced").unwrap();
    file.sync_data().unwrap();
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "f"), None, "the name is not synced");
    assert_eq!(left(&fs, Crash::NAMES_AHEAD, "f").unwrap(), b"synced");
    sync(fs.path());
    for crash in Crash::ALL {
        assert_eq!(left(&fs, crash, "f").unwrap(), b"synced");
    }
    file.write_all(b"+tail").unwrap();
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "f").unwrap(), b"synced");
    assert_eq!(left(&fs, Crash::NAMES_AHEAD, "f").unwrap(), b"synced");
    assert_eq!(left(&fs, Crash::TORN_TAILS, "f").unwrap(), b"synced+t");
    assert_eq!(left(&fs, Crash::ZERO_TAILS, "f").unwrap(), b"synced\0\0\0\0\0");
    assert_eq!(left(&fs, Crash::DATA_AHEAD, "f").unwrap(), b"synced+tail");
    file.write_all_at(b"S", 0).unwrap();
    file.set_len(3).unwrap();
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "f").unwrap(), b"synced", "neither overwritten nor shortened");
    assert_eq!(left(&fs, Crash::EVERYTHING, "f").unwrap(), b"Syn");

    let mut at_once = OpenOptions::new().append(true).custom_flags(libc::O_DSYNC).open(&path).unwrap();
    at_once.write_all(b"c!").unwrap();
    for crash in Crash::ALL {
        assert_eq!(left(&fs, crash, "f").unwrap(), b"Sync!");
    }
}

#[test]
fn a_name_without_its_bytes_is_an_empty_file() {
    let Some(fs) = CrashFs::new() else { return };
    fs::write(fs.path().join("f"), b"never synced").unwrap();
    fs::create_dir(fs.path().join("d")).unwrap();
    fs::write(fs.path().join("d/g"), b"never synced").unwrap();
    sync(fs.path());
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "f").unwrap(), b"");
    assert_eq!(left(&fs, Crash::TORN_TAILS, "f").unwrap(), b"never ");
    assert!(fs.after_crash(Crash::SYNCED_ONLY).path().join("d").is_dir());
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "d/g"), None);
    assert_eq!(left(&fs, Crash::NAMES_AHEAD, "d/g").unwrap(), b"");
}

#[test]
fn a_mode_is_durable_after_fsync_and_not_after_fdatasync() {
    let Some(fs) = CrashFs::new() else { return };
    let file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(fs.path().join("f")).unwrap();
    sync(fs.path());
    file.set_permissions(PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(fs::metadata(fs.path().join("f")).unwrap().mode() & 0o777, 0o600);
    let mode = || fs::metadata(fs.after_crash(Crash::SYNCED_ONLY).path().join("f")).unwrap().mode() & 0o777;
    file.sync_data().unwrap();
    assert_eq!(mode(), 0o644);
    file.sync_all().unwrap();
    assert_eq!(mode(), 0o600);
}

#[test]
fn names_change_when_their_folder_is_synced() {
    let old = tempfile::tempdir().unwrap();
    fs::write(old.path().join("f"), b"old").unwrap();
    fs::write(old.path().join("gone"), b"old").unwrap();
    fs::create_dir(old.path().join("d")).unwrap();
    let Some(fs) = CrashFs::from_dir(old.path()) else { return };
    fs::remove_file(fs.path().join("gone")).unwrap();
    fs::write(fs.path().join("new"), b"new").unwrap();
    fs::rename(fs.path().join("new"), fs.path().join("f")).unwrap();
    fs::hard_link(fs.path().join("f"), fs.path().join("d/link")).unwrap();
    assert_eq!(everything(fs.after_crash(Crash::SYNCED_ONLY).path()), everything(old.path()));
    assert_eq!(left(&fs, Crash::NAMES_AHEAD, "f").unwrap(), b"", "the nasty one");
    assert_eq!(left(&fs, Crash::NAMES_AHEAD, "gone"), None);

    sync(&fs.path().join("d"));
    sync(&fs.path().join("f"));
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "f").unwrap(), b"old");
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "d/link").unwrap(), b"new");
    sync(fs.path());
    for crash in Crash::ALL {
        let after = fs.after_crash(crash);
        let names: Vec<_> = everything(after.path()).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["d", "d/link", "f"]);
        assert_eq!(fs::metadata(after.path().join("f")).unwrap().nlink(), 2);
        assert_eq!(fs::read(after.path().join("f")).unwrap(), b"new");
    }
}

#[test]
fn after_the_cut_everything_fails_and_nothing_changes() {
    let Some(fs) = CrashFs::new() else { return };
    let path = fs.path().join("f");
    fs.cut_at(2);
    let mut file = File::create(&path).unwrap();
    file.write_all(b"one").unwrap();
    assert!(!fs.is_cut() && !fs.wait_for_cut(Duration::from_millis(10)));
    assert_eq!(errno(file.sync_all()), libc::EIO);
    assert!(fs.is_cut() && fs.wait_for_cut(Duration::ZERO));
    assert_eq!(errno(file.write_all(b"two")), libc::EIO);
    assert_eq!(errno(fs::read(&path)), libc::EIO);
    assert_eq!(errno(fs::read_dir(fs.path()).map(drop)), libc::EIO);
    assert_eq!(errno(fs::remove_file(&path)), libc::EIO);
    assert_eq!(fs.steps(), 2);
    assert_eq!(left(&fs, Crash::SYNCED_ONLY, "f"), None);
    assert_eq!(left(&fs, Crash::EVERYTHING, "f").unwrap(), b"one");
}

#[test]
fn one_step_fails_and_the_next_try_does_not() {
    let Some(fs) = CrashFs::new() else { return };
    fs.fail_once(2, libc::ENOSPC);
    let mut file = File::create(fs.path().join("f")).unwrap();
    file.write_all(b"one").unwrap();
    assert_eq!(errno(file.sync_all()), libc::ENOSPC);
    assert_eq!(left(&fs, Crash::NAMES_AHEAD, "f").unwrap(), b"", "a sync that failed made nothing durable");
    file.sync_all().unwrap();
    let ops: Vec<_> = fs.trace().into_iter().map(|step| (step.op, step.path.display().to_string())).collect();
    assert_eq!(ops, [("create", "f"), ("write", "f"), ("fsync", "f")].map(|(op, path)| (op, path.to_owned())));
}

/// A way to replace the content of a file.
type Replace = fn(&Path, &[u8]) -> io::Result<()>;

fn careful(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap())?.sync_all()
}

fn without_sync_of_the_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap())?.sync_all()
}

fn without_sync_of_the_folder(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The crashes after which the file was neither the old nor the new one, or not the new one though
/// that was promised.
fn broken(replace: Replace) -> Option<Vec<(usize, Crash)>> {
    let start = tempfile::tempdir().unwrap();
    fs::write(start.path().join("f"), b"old content").unwrap();
    let mut found = Vec::new();
    for step in 0.. {
        let fs = CrashFs::from_dir(start.path())?;
        fs.cut_at(step);
        let promised = replace(&fs.path().join("f"), b"new content").is_ok();
        assert_eq!(promised, !fs.is_cut());
        for crash in Crash::ALL {
            match left(&fs, crash, "f").as_deref() {
                Some(b"new content") => {}
                Some(b"old content") if !promised => {}
                _ => found.push((step, crash)),
            }
        }
        if promised {
            break;
        }
    }
    Some(found)
}

#[test]
fn code_that_forgets_a_sync_is_found_out() {
    let Some(found) = broken(careful) else { return };
    assert_eq!(found, []);
    let crashes = |found: Option<Vec<(usize, Crash)>>| found.unwrap().into_iter().map(|(_, c)| c).collect::<Vec<_>>();
    assert!(crashes(broken(without_sync_of_the_file)).contains(&Crash::NAMES_AHEAD));
    assert!(crashes(broken(without_sync_of_the_folder)).contains(&Crash::SYNCED_ONLY));
    assert!(crashes(broken(in_place)).contains(&Crash::EVERYTHING));
}

#[test]
fn the_products_own_writers_survive_every_cut() {
    let Some(found) = broken(|path, bytes| atomic_write(path, bytes).map_err(io::Error::other)) else { return };
    assert_eq!(found, []);

    let Some(fs) = CrashFs::new() else { return };
    fs.keep_history();
    write_new(&fs.path().join("key"), b"key", 0o600).unwrap();
    for step in 0..=fs.steps() {
        for crash in Crash::ALL {
            let after = fs.after_crash_at(step, crash);
            match fs::read(after.path().join("key")) {
                Ok(bytes) => {
                    assert_eq!(bytes, b"key", "before step {step} {:?}, {crash:?}", fs.trace().get(step));
                    assert_eq!(fs::metadata(after.path().join("key")).unwrap().mode() & 0o777, 0o600);
                }
                Err(_) => assert!(step < fs.steps(), "promised, and gone: {crash:?}"),
            }
        }
    }
}

#[test]
fn history_shows_what_a_cut_would_have() {
    let work = |folder: &Path| -> io::Result<()> {
        careful(&folder.join("f"), b"1")?;
        fs::create_dir(folder.join("d"))?;
        careful(&folder.join("d/g"), b"22")?;
        fs::hard_link(folder.join("d/g"), folder.join("d/h"))
    };
    let Some(kept) = CrashFs::new() else { return };
    kept.keep_history();
    work(kept.path()).unwrap();
    for step in 0..=kept.steps() {
        let fs = CrashFs::new().unwrap();
        fs.cut_at(step);
        assert_eq!(work(fs.path()).is_ok(), step == kept.steps());
        assert_eq!(fs.trace()[..], kept.trace()[..step]);
        for crash in Crash::ALL {
            let (cut, past) = (fs.after_crash(crash), kept.after_crash_at(step, crash));
            assert_eq!(everything(cut.path()), everything(past.path()), "step {step}, {crash:?}");
        }
    }
}

#[test]
fn the_custody_log_keeps_every_receipt_through_every_crash() {
    let Some(fs) = CrashFs::new() else { return };
    let folder = fs.path().join("custody");
    let key = StationKey::from_seed(&[1; 32]);
    let mut trust = TrustStore::default();
    trust.add(TrustedKey::new(key.public().clone(), "Bench 1", Role::Station, None)).unwrap();
    let at: DateTime<Utc> = DateTime::UNIX_EPOCH;
    let append = |log: &Log, number: usize| {
        let typ = if number.is_multiple_of(2) { "run.intended" } else { "run.passed" };
        let data = json!({"run_id": format!("run {}", number / 2)});
        log.append_at(NewEvent { typ: typ.into(), subject: "medium".into(), data }, &key, at)
    };

    Log::create(&folder).unwrap();
    sync(fs.path());
    fs.keep_history();
    let created = fs.steps();
    let log = Log::open(&folder).unwrap();
    // Receipt n is promised from step promised[n] on.
    let promised: Vec<usize> = (0..4)
        .map(|number| {
            append(&log, number).unwrap();
            fs.steps()
        })
        .collect();
    for step in created..=fs.steps() {
        for crash in Crash::ALL {
            let place = format!("before step {step} {:?}, {crash:?}", fs.trace().get(step));
            let after = fs.after_crash_at(step, crash);
            let folder = after.path().join("custody");
            let log = Log::open(&folder).unwrap_or_else(|error| panic!("{place}: {error}"));
            let (size, _) = log.head().unwrap();
            let receipts = promised.iter().filter(|first| **first <= step).count();
            assert!(size as usize >= receipts, "{place}: {size} of {receipts}");
            append(&log, size as usize).unwrap_or_else(|error| panic!("{place}: {error}"));
            let report = audit(&folder, Some(&trust), &[], &AuditConfig::default()).unwrap();
            assert_eq!(report.first_bad(), None, "{place}: {report:?}");
        }
    }
}

#[test]
fn nothing_stays_behind_a_panic() {
    let Some(fs) = CrashFs::new() else { return };
    let folder = fs.path().to_owned();
    let open = File::create(folder.join("still open")).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _fs = fs;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&format!(" {} ", folder.display())));
    assert!(!folder.exists());
    drop(open);
}

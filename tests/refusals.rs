//! What must not happen, and the words and exit codes with which it does not.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::station::{Station, both, marks_in, text};

#[test]
fn targets_that_are_none() {
    let station = Station::new();
    let folder = station.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let missing = station.path("missing");
    for (target, word) in [(text(&missing), "missing"), (text(&folder), "director"), ("/dev/null", "character")] {
        for command in ["wipe", "plan"] {
            let told = both(&station.expect(3, &[command, target]));
            assert!(told.contains(word) && told.contains(target), "{told}");
        }
    }
    assert!(station.files("journal").is_empty() && station.files("certificates").is_empty());
}

#[test]
fn an_image_needs_a_yes() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let told = both(&station.expect(3, &["wipe", text(&image)]));
    assert!(told.contains("--yes"), "{told}");
    assert_eq!(marks_in(&image), 8);
    let told = both(&station.expect(3, &["wipe", text(&image), "--yes", "--confirm", "NOBODY"]));
    assert!(told.contains("none of the targets"), "{told}");
    assert_eq!(marks_in(&image), 8);
}

/// `wipe *.img --yes` in a folder to which somebody else may write.
#[test]
fn a_link_is_not_confirmed_by_a_yes() {
    let station = Station::new();
    let (image, folder) = (std::fs::canonicalize(station.image("disk.img", 4096)).unwrap(), station.path("folder"));
    std::fs::create_dir(&folder).unwrap();
    let (link, lot) = (folder.join("a.img"), station.path("lot.csv"));
    std::os::unix::fs::symlink(&image, &link).unwrap();
    std::fs::write(&lot, format!("target\n{}\n", text(&link))).unwrap();
    for words in [&["wipe", "--yes", text(&link)][..], &["wipe", "--yes", "--manifest", text(&lot)]] {
        let told = both(&station.expect(3, words));
        assert!(told.contains(&format!("a.img is a link to {}", text(&image))), "{told}");
        assert!(told.contains("name the file itself"), "{told}");
    }
    assert_eq!(marks_in(&image), 8);
    // A folder that was named by a link was named.
    let by_folder = station.path("by-folder");
    std::os::unix::fs::symlink(station.dir.path(), &by_folder).unwrap();
    station.ok(&["wipe", "--yes", text(&by_folder.join("disk.img"))]);
    let output = station.command(&["wipe", "--yes", "disk.img"]).current_dir(station.dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert_eq!(marks_in(&image), 0);
}

/// Writes to the terminal at which a wipe asks; the exit code and what stood there.
fn typed(station: &Station, image: &std::path::Path, words: &str) -> (Option<i32>, String) {
    use std::io::{Read, Write};
    let terminal = nix::pty::openpty(None, None).unwrap();
    let (stdin, stderr) = (terminal.slave.try_clone().unwrap(), terminal.slave);
    let mut command = station.command(&["wipe", text(image)]);
    let mut child = command.stdin(stdin).stderr(stderr).stdout(std::process::Stdio::null()).spawn().unwrap();
    drop(command);
    let mut master = std::fs::File::from(terminal.master);
    let (mut shown, mut buffer) = (String::new(), [0; 1024]);
    // A terminal whose last user has gone answers with an error.
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        let asked = shown.contains("to go on: ");
        shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
        if !asked && shown.contains("to go on: ") {
            master.write_all(words.as_bytes()).unwrap();
        }
    }
    (child.wait().unwrap().code(), shown)
}

#[test]
fn the_token_is_asked_for_at_a_terminal_and_nothing_else_will_do() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let token = station.json(0, &["plan", text(&image)])[0]["confirm_token"].as_str().unwrap().to_owned();
    for words in ["yes\n", "\n", "\u{4}", &format!("{token}x\n"), &format!("{}\n", &token[1..])] {
        let (code, shown) = typed(&station, &image, words);
        assert_eq!(code, Some(3), "{words:?}: {shown}");
        assert!(shown.contains(&format!("will be destroyed. Type its confirm token ({token})")), "{shown}");
        assert_eq!(marks_in(&image), 8, "{words:?}");
    }
    assert!(station.files("journal").is_empty());
    let (code, shown) = typed(&station, &image, &format!("{token}\n"));
    assert_eq!((code, marks_in(&image)), (Some(0), 0), "{shown}");
}

#[test]
fn a_plan_touches_nothing() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let before = std::fs::metadata(&image).unwrap().modified().unwrap();
    let told = station.ok(&["plan", text(&image), "--scheme", "gutmann"]);
    assert!(told.contains("92 49 24") || told.contains("924924"), "{told}");
    assert_eq!(marks_in(&image), 8);
    assert_eq!(std::fs::metadata(&image).unwrap().modified().unwrap(), before);
    assert!(station.files("journal").is_empty());
    let log = std::fs::read(station.state().join("custody/log.jsonl")).unwrap();
    assert!(log.is_empty());
}

#[test]
fn a_psid_is_checked_for_its_form_and_never_repeated() {
    const PSID: &str = "ABCDEFGH12345678IJKLMNOP90123456";
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let other = station.image("other.img", 4096);
    let file = station.path("psid");
    for (content, word) in [
        (PSID[1..].to_owned(), "32 letters and digits"),
        (format!("S1 {PSID}\nS2 {}", &PSID[..31]), "line 2"),
        (format!("S1 {PSID}\nS1 {PSID}"), "second time"),
        (String::new(), "no PSID"),
        (PSID.to_owned(), "2 drives are meant"),
    ] {
        std::fs::write(&file, content).unwrap();
        for command in ["plan", "wipe"] {
            let targets = [text(&image), text(&other)];
            let targets = &targets[..if word.starts_with('2') { 2 } else { 1 }];
            let words = [&[command], targets, &["--psid-file", text(&file)]].concat();
            let told = both(&station.expect(2, &words));
            assert!(told.contains(word) && told.contains("nothing was touched"), "{told}");
            assert!(!told.contains(&PSID[1..9]), "{told}");
        }
    }
    // An image has no PSID; what was given for it is written nowhere.
    std::fs::write(&file, PSID).unwrap();
    let words =
        ["--json", "wipe", text(&image), "--yes", "--technique", "opal-psid-revert", "--psid-file", text(&file)];
    let told = both(&station.expect(3, &words));
    assert!(told.contains("opal-psid-revert") && !told.contains(&PSID[1..9]), "{told}");
    station.ok(&["wipe", text(&image), "--yes", "--psid-file", text(&file)]);
    let found = std::process::Command::new("grep").args(["-rl", PSID]).arg(station.state()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn unknown_words_are_usage_errors() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let told = both(&station.expect(2, &["wipe", text(&image), "--yes", "--scheme", "randon"]));
    assert!(told.contains("random"), "suggests a near name: {told}");
    station.expect(2, &["wipe", text(&image), "--verify", "maybe"]);
    station.expect(2, &["wype"]);
    station.expect(2, &["wipe"]);
    // A program is told as of any other error.
    for (words, why) in [
        (&["wipe", text(&image), "--verify", "maybe"][..], "invalid value 'maybe'"),
        (&["wype"], "unrecognized subcommand 'wype'"),
        (&["certificate"], "requires a subcommand"),
        (&[], "requires a subcommand"),
        (&["wipe"], "no target"),
    ] {
        let told = station.json(2, words).remove(0);
        assert!(told["error"].as_str().unwrap().contains(why), "{told}");
        assert!(!told["hint"].as_str().unwrap().is_empty(), "{told}");
    }
    assert_eq!(marks_in(&image), 8);
}

#[test]
fn purge_is_more_than_an_overwrite_attains() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let told = both(&station.expect(3, &["wipe", text(&image), "--yes", "--method", "purge"]));
    assert!(told.to_lowercase().contains("clear"), "{told}");
    assert_eq!(marks_in(&image), 8);
}

#[test]
fn a_read_only_image_is_refused() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o400)).unwrap();
    let told = both(&station.expect(3, &["wipe", text(&image), "--yes"]));
    assert!(told.contains("read-only") && told.contains("chmod u+w") && !told.contains("umount"), "{told}");
    assert_eq!(marks_in(&image), 8);
}

#[test]
fn what_a_call_works_with_itself_is_no_target() {
    let station = Station::new();
    let key = station.state().join("keys/station.pem");
    let (link, out, lot) = (station.path("link"), station.path("out"), station.path("lot.csv"));
    std::os::unix::fs::symlink(&key, &link).unwrap();
    let before = std::fs::read(&key).unwrap();
    for own in [&key, &link, &station.state().join("station.json")] {
        for command in [&["plan"][..], &["wipe", "--yes"]] {
            let told = both(&station.expect(3, &[command, &[text(own)]].concat()));
            assert!(told.contains("lies in the state folder"), "{told}");
        }
    }
    assert_eq!(std::fs::read(&key).unwrap(), before);

    std::fs::write(&lot, format!("target\n{}\n", text(&lot))).unwrap();
    let told = both(&station.expect(3, &["wipe", "--yes", "--manifest", text(&lot)]));
    assert!(told.contains("is the manifest"), "{told}");

    let image = station.image("disk.img", 4096);
    station.ok(&["wipe", text(&image), "--yes", "--out", text(&out)]);
    let (copy, image) = (out.join("trust.jwks.json"), station.image("out/disk.img", 4096));
    let told = both(&station.expect(3, &["wipe", text(&copy), text(&image), "--yes", "--out", text(&out)]));
    assert!(told.contains("is evidence in the folder of --out"), "{told}");
    assert!(copy.exists() && marks_in(&image) == 0, "an image there may be wiped");
}

/// As a container has it whose volume is the state folder, a part of it, or one file.
#[test]
fn the_state_folder_is_known_where_it_is_mounted_elsewhere() {
    use common::loopdev::Mounted;
    if !common::is_root() {
        return;
    }
    let station = Station::new();
    let (state, elsewhere, file) = (station.state(), station.path("elsewhere"), station.path("file"));
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(&file, "").unwrap();
    let key = state.join("keys/station.pem");
    let before = std::fs::read(&key).unwrap();
    for (from, to, target) in [
        (&state, &elsewhere, elsewhere.join("keys/station.pem")),
        (&state.join("keys"), &elsewhere, elsewhere.join("station.pem")),
        (&state.join("custody"), &elsewhere, elsewhere.join("log.jsonl")),
        (&key, &file, file.clone()),
    ] {
        let _mounted = Mounted::bound(from, to);
        for command in [&["plan"][..], &["wipe", "--yes"]] {
            let told = both(&station.expect(3, &[command, &[text(&target)]].concat()));
            assert!(told.contains("lies in the state folder"), "{told}");
        }
    }
    assert_eq!(std::fs::read(&key).unwrap(), before);

    let (out, image) = (station.path("out"), station.image("disk.img", 4096));
    station.ok(&["wipe", text(&image), "--yes", "--out", text(&out)]);
    let _mounted = Mounted::bound(&out, &elsewhere);
    let copy = elsewhere.join("trust.jwks.json");
    let told = both(&station.expect(3, &["wipe", text(&copy), "--yes", "--out", text(&out)]));
    assert!(told.contains("is evidence in the folder of --out") && copy.exists(), "{told}");
}

#[test]
fn no_state_folder_no_run() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let elsewhere = station.path("nothing-here");
    let told = both(&station.expect(1, &["wipe", text(&image), "--yes", "--state", text(&elsewhere)]));
    assert!(told.contains("lastwrite init"), "{told}");
    assert_eq!(marks_in(&image), 8);
}

#[test]
fn init_never_overwrites() {
    let station = Station::new();
    let key = station.state().join("keys/station.pem");
    let before = std::fs::read(&key).unwrap();
    let told = both(&station.expect(3, &["init", "--organization", "X", "--station", "Y"]));
    assert!(told.contains("never overwrites"), "{told}");
    assert_eq!(std::fs::read(&key).unwrap(), before);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    station.expect(2, &["init", "--organization", " ", "--station", "Y", "--state", text(&station.path("s2"))]);
    assert!(!station.path("s2").exists());
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let key = station.state().join("keys/station.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = both(&station.expect(1, &["wipe", text(&image), "--yes"]));
    assert!(told.contains("chmod 600"), "{told}");
    assert_eq!(marks_in(&image), 8);
}

#[test]
fn a_passphrase_is_needed_and_must_be_the_right_one() {
    let station = Station { dir: common::station::disk_folder() };
    let (right, wrong) = (station.path("right"), station.path("wrong"));
    std::fs::write(&right, "correct horse\n").unwrap();
    std::fs::write(&wrong, "battery staple\n").unwrap();
    let right_args = ["--passphrase-file", text(&right)];
    station.ok(&[&["init", "--organization", "O", "--station", "S"], &right_args[..]].concat());
    let image = station.image("disk.img", 4096);
    let wipe = ["wipe", text(&image), "--yes"];
    let told = both(&station.expect(1, &wipe));
    assert!(told.contains("passphrase"), "{told}");
    let told = both(&station.expect(1, &[&wipe[..], &["--passphrase-file", text(&wrong)]].concat()));
    assert!(told.contains("passphrase"), "{told}");
    assert_eq!(marks_in(&image), 8);
    for (mode, warned) in [(0o604, true), (0o600, false)] {
        std::fs::set_permissions(&right, std::fs::Permissions::from_mode(mode)).unwrap();
        let told = both(&station.expect(0, &[&wipe[..], &right_args[..]].concat()));
        let warning = format!("the passphrase file {} has mode {mode:04o}", text(&right));
        assert_eq!(told.contains(&warning), warned, "{told}");
    }
    assert_eq!(marks_in(&image), 0);
}

#[test]
fn bad_evidence_is_named_and_refused() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let result = &station.json(0, &["wipe", text(&image), "--yes"])[0];
    let good = std::fs::read_to_string(result["certificate"].as_str().unwrap()).unwrap();
    let file = station.path("c.json");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("not JSON", b"%PDF-1.7".to_vec()),
        ("trailing bytes", format!("{good} x").into_bytes()),
        ("doubled member", good.replacen("\"payload\"", "\"payload\":\"e30\",\"payload\"", 1).into_bytes()),
        ("cut", good.as_bytes()[..good.len() / 2].to_vec()),
        ("flipped", good.replacen("\"payload\":\"e", "\"payload\":\"f", 1).into_bytes()),
        ("no UTF-8", vec![0xff, 0xfe, 0x00]),
    ];
    for (name, bytes) in cases {
        std::fs::write(&file, bytes).unwrap();
        let told = both(&station.expect(5, &["certificate", "verify", text(&file)]));
        assert!(!told.trim().is_empty(), "{name}");
        station.expect(5, &["verify-media", text(&image), "--certificate", text(&file)]);
    }
    // A stranger's trust store does not know the key.
    let other = Station::new();
    std::fs::write(&file, &good).unwrap();
    let told = both(&other.expect(5, &["certificate", "verify", text(&file)]));
    assert!(told.contains("known"), "{told}");
    station.ok(&["certificate", "verify", text(&file)]);
}

#[test]
fn an_edited_log_is_found_and_nothing_is_appended_to_it() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    station.ok(&["wipe", text(&image), "--yes"]);
    station.ok(&["custody", "audit"]);
    let log = station.state().join("custody/log.jsonl");
    let good = std::fs::read_to_string(&log).unwrap();
    let first_line = good.lines().next().unwrap();
    for bad in [good.replacen("payload\":\"e", "payload\":\"f", 1), format!("{first_line}\n"), String::new()] {
        std::fs::write(&log, &bad).unwrap();
        let told = both(&station.expect(5, &["custody", "audit"]));
        assert!(told.contains("entry") || told.contains("entries"), "{told}");
        station.image("disk.img", 4096);
        let code = station.run(&["wipe", text(&image), "--yes"]).status.code();
        assert!(code == Some(5) || code == Some(1), "{code:?}");
        assert_eq!(marks_in(&image), 8, "nothing may be wiped that cannot be logged");
    }
    std::fs::write(&log, &good).unwrap();
    for journal in station.files("journal") {
        let _ = std::fs::remove_file(journal);
    }
    station.ok(&["custody", "audit"]);
}

#[test]
fn a_corrupt_journal_is_shown_and_left_alone() {
    let station = Station::new();
    let path = station.state().join("journal/00112233445566778899aabbccddeeff.jsonl");
    std::fs::write(&path, "garbage\nmore garbage\n").unwrap();
    let told = station.ok(&["resume"]);
    assert!(told.contains("cannot be believed"), "{told}");
    station.expect(5, &["resume", "00112233445566778899aabbccddeeff"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "garbage\nmore garbage\n");
    // Given up, it is kept aside as it was.
    let abandon = ["resume", "--abandon", "00112233445566778899aabbccddeeff", "--reason", "disk error"];
    let told = station.json(0, &abandon);
    assert_eq!((told.len(), &told[0]["outcome"], &told[0]["run_id"]), (1, &"abandoned".into(), &abandon[2].into()));
    assert!(station.json(0, &["resume"]).is_empty(), "{told:?}");
    let aside = station.state().join("journal/corrupt/00112233445566778899aabbccddeeff.jsonl");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "garbage\nmore garbage\n");
}

#[test]
fn a_path_that_no_evidence_can_name_is_refused_before_anything() {
    use std::os::unix::ffi::OsStrExt;
    let station = Station::new();
    let image = station.path("").join(std::ffi::OsStr::from_bytes(b"disk-\xff.img"));
    std::fs::write(&image, common::station::marked(4096)).unwrap();
    for args in [&["wipe", "--yes"][..], &["plan"], &["--json", "wipe", "--yes"], &["--json", "plan"]] {
        let output = station.command(args).arg(&image).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", both(&output));
        assert!(both(&output).contains("UTF-8"), "{}", both(&output));
    }
    assert_eq!(marks_in(&image), 8);
    assert!(station.files("journal").is_empty());
}

#[test]
fn what_a_name_says_cannot_steer_the_terminal() {
    let station = Station::new();
    let image = station.image("disk\u{1b}[2K.img", 4096);
    let told =
        both(&station.expect(0, &["plan", text(&image)])) + &both(&station.expect(0, &["wipe", text(&image), "--yes"]));
    assert!(told.contains("disk") && !told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn what_cannot_be_written_in_the_end_is_refused_at_the_start() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let file = station.image("file", 1);
    station.expect(1, &["wipe", text(&image), "--yes", "--out", text(&file)]);
    let lot = station.path("lot.csv");
    std::fs::write(&lot, format!("target\n{}\n", text(&image))).unwrap();
    station.expect(2, &["wipe", "--yes", "--manifest", text(&lot), "--results", text(&file)]);
    let nowhere = station.path("nowhere/results.csv");
    let told = both(&station.expect(1, &["wipe", "--yes", "--manifest", text(&lot), "--results", text(&nowhere)]));
    assert!(told.contains("nothing was touched") && told.contains("--results"), "{told}");
    station.expect(2, &["wipe", text(&image), "--yes", "--checkpoint", "nan"]);
    assert_eq!(marks_in(&image), 8);
}

#[test]
fn a_row_with_the_token_of_another_medium_is_refused() {
    let station = Station::new();
    let (a, b) = (station.image("a.img", 4096), station.image("b.img", 4096));
    let token = |image| station.json(0, &["plan", text(image)])[0]["confirm_token"].as_str().unwrap().to_owned();
    let lot = station.path("lot.csv");
    std::fs::write(&lot, format!("target,confirm_token\n{},{}\n", text(&a), token(&b))).unwrap();
    station.expect(3, &["wipe", "--yes", "--confirm", &token(&a), "--manifest", text(&lot)]);
    assert_eq!((marks_in(&a), marks_in(&b)), (8, 8));
}

//! Two namespaces of one NVM subsystem: what a command erases beside the one that it is sent through. Each has to be
//! free and confirmed, and one that no device of this host shows has to be named.

use serde_json::Value;

use super::bench::{Bench, case};
use super::hidden::document_of;
use super::table::Truth::Honest;
use crate::models::nvme::{Nvme, Second};
use crate::models::nvme_bus::NvmeDrive;
use crate::rig::Medium;
use crate::rig::guest::Ran;
use crate::rig::plug::{Drive, Plug, Socket};

const KIND: &str = "NVMe SSD with two namespaces";
const SANITIZE: [&str; 2] = ["--technique", "nvme-sanitize-block"];
const FORMAT: [&str; 2] = ["--technique", "nvme-format-user"];

/// 2 MiB and 3 MiB, so that their sizes tell them apart.
fn drive(serial: &str, change: impl FnOnce(&mut Nvme, &mut Second)) -> NvmeDrive {
    let mut model = Nvme::new(serial, 2);
    let mut second = Second { medium: Medium::new(3), attached: true };
    model.oacs = 0b1010;
    model.erase_time = std::time::Duration::from_millis(300);
    change(&mut model, &mut second);
    model.second = Some(second);
    NvmeDrive::new(model)
}

/// The cells of both namespaces.
struct Both<'a>(&'a NvmeDrive);

impl Plug for Both<'_> {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        self.0.plug(sockets)
    }
}

impl Drive for Both<'_> {
    fn left(&self) -> (usize, usize) {
        let drive = self.0.lock();
        let second = &drive.second.as_ref().unwrap().medium;
        (drive.medium.left() + second.left(), drive.medium.all() + second.all())
    }
}

fn second_left(drive: &NvmeDrive) -> usize {
    drive.lock().second.as_ref().unwrap().medium.left()
}

/// Path and confirm token of each namespace that this host shows, the smaller one first.
fn shown(bench: &mut Bench, serial: &str, count: usize) -> Vec<(String, String)> {
    let of = |all: &[Value]| -> Vec<Value> {
        all.iter().filter(|drive| drive["identity"]["serial"] == serial).cloned().collect()
    };
    let mut found = of(&bench.guest.drives_with(|all| of(all).len() == count));
    assert_eq!(found.len(), count, "{found:#?}\n{}", bench.guest.console());
    found.sort_by_key(|drive| drive["identity"]["size"].as_str().unwrap().parse::<u64>().unwrap());
    let word = |drive: &Value, name: &str| drive[name].as_str().unwrap().to_owned();
    found.iter().map(|drive| (word(drive, "path"), word(drive, "confirm_token"))).collect()
}

/// Wipes `path`; the last JSON line is its result.
fn wipe(bench: &mut Bench, path: &str, tokens: &[&String], words: &[&str]) -> (Ran, Value) {
    let mut all = vec!["--json", "wipe", path];
    tokens.iter().for_each(|token| all.extend(["--confirm", token.as_str()]));
    all.extend(words);
    let ran = bench.guest.lastwrite(&all);
    let last = ran.json().pop().unwrap_or(Value::Null);
    (ran, last)
}

/// Refused in these words, nothing sent, and everything is where it was.
#[track_caller]
fn refused(drive: &NvmeDrive, (ran, result): &(Ran, Value), words: &[&str]) {
    assert_eq!((ran.code, &result["outcome"]), (3, &"refused".into()), "{result:#}\n{}", ran.stderr);
    let message = result["message"].as_str().unwrap();
    assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
    assert_eq!(drive.lock().seen, [], "nothing was sent: {message}");
    assert_eq!(drive.left().0, drive.left().1, "{message}");
}

#[test]
fn what_a_command_erases_along_is_free_and_confirmed_or_nothing_is_sent() {
    let sanitized = drive("N-SANITIZE", |_, _| {});
    let formatted = drive("N-FORMAT", |_, _| {});
    let all_at_once = drive("N-FNA", |drive, _| drive.fna = 6);
    let shared = drive("N-SHARED", |_, second| second.attached = false);
    let Some(mut bench) = Bench::start("nvme-namespaces", &[&sanitized, &formatted, &all_at_once, &shared]) else {
        return;
    };
    sanitize_reaches_both(&mut bench, &sanitized);
    format_reaches_what_fna_says(&mut bench, &formatted, &all_at_once);
    another_hosts_namespace_is_named_or_left_alone(&mut bench, &shared);
    bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    bench.end();
}

fn sanitize_reaches_both(bench: &mut Bench, drive: &NvmeDrive) {
    let (serial, asked) = ("N-SANITIZE", "`nvme-sanitize-block`");
    let shown = shown(bench, serial, 2);
    let [(one, own), (two, other)] = &shown[..] else { panic!("{shown:?}") };
    let plan = bench.guest.lastwrite(&[&["plan", one][..], &SANITIZE].concat()).expect(0);
    assert!(plan.stdout.contains(&format!("the command erases {two}")), "{}", plan.stdout);

    let alone = wipe(bench, one, &[own], &SANITIZE);
    let words = format!("{two} along with it, and that was not confirmed; its token is {other}");
    refused(drive, &alone, &[&words]);
    assert_eq!(second_left(drive), 6144);
    bench.put_down(
        &case(&Both(drive), serial, KIND, Honest, "has another namespace, which was not confirmed"),
        asked,
        "refused",
    );

    // Of two targets that one command erases the first is meant.
    let ran = bench.guest.lastwrite(&[&["--json", "plan", one, two][..], &SANITIZE].concat()).expect(3);
    let [first, second] = &ran.json()[..] else { panic!("{}", ran.stdout) };
    assert_eq!((&first["outcome"], &first["also"][0]["path"]), (&"planned".into(), &two.as_str().into()));
    assert_eq!(second["message"], format!("{two} is erased along with {one}: one command reaches both"));

    let mounted = format!("mke2fs {two} >/dev/null && mkdir /tmp/two && mount -t ext4 {two} /tmp/two");
    bench.guest.run(&mounted).expect(0);
    let used = wipe(bench, one, &[own, other], &SANITIZE);
    refused(drive, &used, &[two, "must not be wiped", "mounted"]);
    bench.put_down(&case(drive, serial, KIND, Honest, "has another namespace, which is mounted"), asked, "refused");
    bench.guest.run("umount /tmp/two").expect(0);

    let (ran, result) = wipe(bench, one, &[own, other], &SANITIZE);
    assert_eq!(ran.code, 0, "{result:#}\n{}", ran.stderr);
    bench.judge(
        &case(&Both(drive), serial, KIND, Honest, "is honest, and both namespaces are confirmed"),
        asked,
        &result,
    );
    let seen = drive.lock().seen.clone();
    assert!(matches!(&seen[..], [sent] if (sent.opcode, sent.namespace, sent.dword10) == (0x84, 0, 2)), "{seen:?}");
    certificate_names_the_other(bench, &result);
}

/// As a medium that was erased along, and not read.
fn certificate_names_the_other(bench: &Bench, result: &Value) {
    let says = document_of(bench, "certificates", result);
    let firmware = &says["facts"]["firmware"];
    assert_eq!(says["facts"]["medium"]["identity"]["unit"], "nsid 1", "{says:#}");
    assert_eq!((&firmware["reach"], firmware["also"].as_array().map(Vec::len)), (&"subsystem".into(), Some(1)));
    assert_eq!(firmware["also"][0]["identity"]["unit"], "nsid 2", "{firmware:#}");
    assert!(firmware["unattached"].is_null(), "{firmware:#}");
    let statement = says["statement"].to_string();
    assert!(statement.contains("(nsid 2) as well, which was not read afterwards"), "{statement}");
    assert_eq!(bench.documents("certificates").iter().filter(|d| d["facts"]["run_id"] == result["run_id"]).count(), 1);
}

fn format_reaches_what_fna_says(bench: &mut Bench, one_alone: &NvmeDrive, all_at_once: &NvmeDrive) {
    let asked = "`nvme-format-user`";
    let shown_one = shown(bench, "N-FORMAT", 2);
    let (ran, result) = wipe(bench, &shown_one[0].0, &[&shown_one[0].1], &FORMAT);
    assert_eq!(ran.code, 0, "{result:#}\n{}", ran.stderr);
    bench.judge(&case(one_alone, "N-FORMAT", KIND, Honest, "is honest; one namespace is meant"), asked, &result);
    assert_eq!(second_left(one_alone), 6144, "the other namespace is whole");
    let firmware = &document_of(bench, "certificates", &result)["facts"]["firmware"];
    assert_eq!((&firmware["reach"], &firmware["also"]), (&"unit".into(), &Value::Array(Vec::new())), "{firmware:#}");

    let serial = "N-FNA";
    let both = shown(bench, serial, 2);
    let [(one, own), (two, other)] = &both[..] else { panic!("{both:?}") };
    let alone = wipe(bench, one, &[own], &FORMAT);
    refused(all_at_once, &alone, &[two, "was not confirmed", other]);
    assert_eq!(second_left(all_at_once), 6144);
    let behaviour = "formats all namespaces at once (FNA bit 1), and the other was not confirmed";
    bench.put_down(&case(&Both(all_at_once), serial, KIND, Honest, behaviour), asked, "refused");
    let (ran, result) = wipe(bench, one, &[own, other], &FORMAT);
    assert_eq!(ran.code, 0, "{result:#}\n{}", ran.stderr);
    let behaviour = "is honest, and formats all namespaces at once (FNA bit 1); both are confirmed";
    bench.judge(&case(&Both(all_at_once), serial, KIND, Honest, behaviour), asked, &result);
    let seen = all_at_once.lock().seen.clone();
    assert!(matches!(&seen[..], [sent] if (sent.opcode, sent.namespace) == (0x80, 1)), "{seen:?}");
    certificate_names_the_other(bench, &result);
}

fn another_hosts_namespace_is_named_or_left_alone(bench: &mut Bench, drive: &NvmeDrive) {
    let (serial, asked) = ("N-SHARED", "`nvme-sanitize-block`");
    let shown = shown(bench, serial, 1);
    let (path, token) = &shown[0];
    let unnamed = wipe(bench, path, &[token], &SANITIZE);
    refused(
        drive,
        &unnamed,
        &["erase namespace 2 of the drive as well", "--also-unattached 2", "Use nvme-format-user"],
    );
    assert_eq!(second_left(drive), 6144);
    let behaviour = "has a namespace of another host, which was not named";
    bench.put_down(&case(&Both(drive), serial, KIND, Honest, behaviour), asked, "refused");
    for (wrong, words) in [("3", "names namespace 3, and it"), ("2,3", "names namespaces 2, 3, and it")] {
        let wrong = wipe(bench, path, &[token], &[&SANITIZE[..], &["--also-unattached", wrong]].concat());
        refused(drive, &wrong, &[words, "would erase namespace 2"]);
    }
    // A ladder goes on below it.
    let words = ["--json", "plan", path, "--method", "auto", "--step-down", "lower-method"];
    let plan = bench.guest.lastwrite(&words).expect(0).json().remove(0);
    assert_eq!(plan["technique"], "nvme-format-user", "{plan:#}");
    let passed_over = plan["passed_over"].as_array().unwrap();
    assert!(passed_over.iter().any(|p| p.to_string().contains("--also-unattached 2")), "{plan:#}");
    assert!(!plan["techniques"].to_string().contains("sanitize"), "{plan:#}");
    // A format that is one of all namespaces is no better.
    drive.lock().fna = 6;
    let format = wipe(bench, path, &[token], &FORMAT);
    refused(drive, &format, &["erase namespace 2 of the drive as well"]);
    drive.lock().fna = 4;

    let named = ["--also-unattached", "2"];
    let plan = bench.guest.lastwrite(&[&["plan", path][..], &SANITIZE, &named].concat()).expect(0);
    assert!(plan.stdout.contains("nvme-sanitize-block erases namespace 2 of the drive as well"), "{}", plan.stdout);
    let (ran, result) = wipe(bench, path, &[token], &[&SANITIZE[..], &named].concat());
    assert_eq!(ran.code, 0, "{result:#}\n{}", ran.stderr);
    let behaviour = "is honest, and a namespace of another host was named (`--also-unattached`)";
    bench.judge(&case(&Both(drive), serial, KIND, Honest, behaviour), asked, &result);
    let says = document_of(bench, "certificates", &result);
    assert_eq!(says["facts"]["firmware"]["unattached"], serde_json::json!([2]), "{:#}", says["facts"]["firmware"]);
    let area = &says["facts"]["hidden_areas"]["areas"][0];
    assert_eq!((&area["kind"], &area["outcome"]), (&"unattached_namespaces".into(), &"reached".into()), "{area:#}");
    let statement = says["statement"].to_string();
    assert!(statement.contains("erased namespace 2 of the drive as well, which no device of the host"), "{statement}");
}

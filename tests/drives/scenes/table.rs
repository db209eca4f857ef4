//! The table of docs/hardware.md: what drives did, what was reported, what was on the medium. Each
//! scene owns its rows and compares them; `scripts/test-drives --table` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// How a drive stands to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Nothing is wrong with it: anything but a pass is a false failure.
    Honest,
    /// Something is wrong with it: a pass while old content is left is a false pass.
    Faulty,
    /// No host can find out. Stands in a part of the table of its own.
    BeyondAnyHost,
    /// It hides a part of itself, and nobody asked to have it back: the certificate says what was excluded.
    Excluded,
}

/// What the certificate of such a run says, and the page.
pub const BEYOND_ANY_HOST: &str =
    "A drive that only unmaps its blocks and reads zeros back cannot be told from one that erases them, by any host.";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub truth: Truth,
    pub drive: String,
    pub behaviour: String,
    pub asked: String,
    pub reported: String,
    pub left: String,
}

impl Row {
    fn line(&self, scene: &str) -> String {
        let Row { drive, behaviour, asked, reported, left, .. } = self;
        format!("| {scene} | {drive} | {behaviour} | {asked} | {reported} | {left} |")
    }
}

type Belongs = fn(Truth) -> bool;

const PARTS: [(&str, Belongs); 3] = [
    ("<!-- drives -->", |truth| matches!(truth, Truth::Honest | Truth::Faulty)),
    ("<!-- excluded -->", |truth| truth == Truth::Excluded),
    ("<!-- beyond any host -->", |truth| truth == Truth::BeyondAnyHost),
];
const END: &str = "<!-- end -->";
const HEAD: &str = "| Scene | Drive | What it does | Asked for | What `lastwrite` reports | Old content on the medium |\n\
                    |---|---|---|---|---|---|\n";

/// Every scene that owns rows.
pub const SCENES: &[&str] = &[
    "overwrite-nvme",
    "overwrite-sata",
    "overwrite-usb",
    "overwrite-sas",
    "overwrite-stock",
    "power-overwrite",
    "identity",
    "names",
    "hidden",
    "hidden-scsi",
    "hidden-nvme",
    "nvme-sanitize",
    "nvme-format",
    "nvme-namespaces",
    "scsi-sanitize",
    "scsi-format",
    "ata-sanitize",
    "ata-security-erase",
    "usb-sat",
    "power-nvme",
    "power-scsi",
    "power-ata",
    "power-hidden",
    "emmc",
    "emmc-firmware",
    "power-emmc",
    "opal",
    "power-opal",
    "suspend",
];

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/hardware.md")
}

/// What is left, in words that are the same in every run.
pub fn words((left, all): (usize, usize)) -> String {
    match left {
        0 => "none".into(),
        n if n == all => "all".into(),
        1 => "1 sector".into(),
        n if n <= 16 => format!("{n} sectors"),
        n if n * 5 >= all * 4 => "nearly all".into(),
        n if (all * 2..=all * 3).contains(&(n * 5)) => "about half".into(),
        _ => "a part".into(),
    }
}

/// Compares a scene's rows with the page, or writes them into it (`LASTWRITE_TABLE=write`).
#[track_caller]
pub fn settle(scene: &str, rows: &[Row]) {
    assert!(SCENES.contains(&scene), "{scene} is not in the list of scenes");
    if std::env::var("LASTWRITE_TABLE").as_deref() == Ok("write") {
        let lock = std::fs::File::create(std::env::temp_dir().join("lastwrite-table.lock")).unwrap();
        let _held = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
        std::fs::write(page(), with(&std::fs::read_to_string(page()).unwrap(), scene, rows)).unwrap();
        return;
    }
    let text = std::fs::read_to_string(page()).unwrap();
    let wanted = with(&text, scene, rows);
    if wanted != text {
        let ours = |text: &str| -> BTreeSet<String> {
            text.lines().filter(|l| l.starts_with(&format!("| {scene} |"))).map(str::to_owned).collect()
        };
        let (page, run) = (ours(&text), ours(&wanted));
        let mut difference = String::new();
        page.difference(&run).for_each(|l| writeln!(difference, "- {l}").unwrap());
        run.difference(&page).for_each(|l| writeln!(difference, "+ {l}").unwrap());
        panic!("docs/hardware.md says otherwise; `scripts/test-drives --table` writes it anew\n{difference}");
    }
}

/// The page with this scene's rows in the place of those it has.
fn with(page: &str, scene: &str, rows: &[Row]) -> String {
    let mut text = page.to_owned();
    for (marker, belongs) in PARTS {
        let start = text.find(marker).expect("the page has both tables") + marker.len() + 1;
        let end = start + text[start..].find(END).expect("the table ends");
        let others = text[start..end].lines().skip(2).filter(|line| !line.starts_with(&format!("| {scene} |")));
        let mut lines: Vec<(usize, String)> = others.map(|line| (place(scene_of(line)), line.to_owned())).collect();
        lines.extend(rows.iter().filter(|r| belongs(r.truth)).map(|r| (place(scene), r.line(scene))));
        lines.sort_by_key(|(place, _)| *place); // stable: the order within a scene is its own
        let body: String = lines.into_iter().map(|(_, line)| line + "\n").collect();
        text.replace_range(start..end, &format!("{HEAD}{body}"));
    }
    text
}

fn scene_of(line: &str) -> &str {
    line.trim_start_matches("| ").split(" |").next().unwrap_or_default()
}

fn place(scene: &str) -> usize {
    SCENES.iter().position(|s| *s == scene).unwrap_or(usize::MAX)
}

/// The rows of a part as the page has them: scene, drive, behaviour, asked, reported, left.
fn read(part: usize) -> Vec<[String; 6]> {
    let text = std::fs::read_to_string(page()).unwrap();
    let (marker, _) = PARTS[part];
    let start = text.find(marker).unwrap() + marker.len() + 1;
    let end = start + text[start..].find(END).unwrap();
    let cells = |line: &str| -> [String; 6] {
        let cells: Vec<String> = line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|c| panic!("not six cells: {c:?}"))
    };
    text[start..end].lines().skip(2).map(cells).collect()
}

#[test]
fn the_table_has_no_false_pass_and_at_least_forty_behaviours() {
    let rows = read(0);
    for [scene, _, behaviour, _, reported, left] in &rows {
        assert!(SCENES.contains(&scene.as_str()), "{scene} is no scene any more");
        assert!(!reported.starts_with("pass") || left == "none", "false pass: {behaviour}");
        assert!(!behaviour.starts_with("is honest") || reported.starts_with("pass"), "false failure: {behaviour}");
    }
    let behaviours: BTreeSet<_> = rows.iter().map(|[_, drive, behaviour, ..]| (drive, behaviour)).collect();
    assert!(behaviours.len() >= 40, "{} behaviours", behaviours.len());
    assert!(std::fs::read_to_string(page()).unwrap().contains(BEYOND_ANY_HOST));
    assert!(read(2).iter().all(|[.., reported, _]| reported.starts_with("pass")));
}

#[test]
fn rows_take_the_place_of_those_of_their_scene() {
    let page = format!(
        "a\n<!-- drives -->\n{HEAD}| x | old |\n{END}\n<!-- not looked at -->\n{HEAD}{END}\n\
         <!-- excluded -->\n{HEAD}{END}\n\
         <!-- beyond any host -->\n{HEAD}{END}\nb\n"
    );
    let row = |truth, drive: &str| Row {
        truth,
        drive: drive.into(),
        behaviour: "b".into(),
        asked: "c".into(),
        reported: "d".into(),
        left: "e".into(),
    };
    let rows = [row(Truth::Faulty, "new"), row(Truth::Excluded, "hidden"), row(Truth::BeyondAnyHost, "far")];
    let text = with(&page, "x", &rows);
    assert!(text.contains("<!-- drives -->\n| Scene") && !text.contains("old"), "{text}");
    let (near, rest) = text.split_once("<!-- excluded").unwrap();
    let (middle, far) = rest.split_once("<!-- beyond").unwrap();
    for (part, drive) in [(near, "new"), (middle, "hidden"), (far, "far")] {
        assert!(part.contains(&format!("| x | {drive} | b | c | d | e |\n")), "{text}");
    }
    assert_eq!(with(&text, "x", &rows), text);
}

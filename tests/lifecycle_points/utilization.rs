//! Points 11, 12, 28, 49, 57: maintenance, help desk, calendar, licences in use.

use crate::org::Org;

#[test]
fn point_11_patches_diagnostics_and_cleanings() {
    let org = Org::new();
    org.in_use("L-1");
    org.by(
        "Tom",
        0,
        &["asset", "schedule", "L-1", "dust", "--kind", "cleaning", "--every", "180", "--first", "2026-01-10"],
    );
    for (number, kind) in [("W-1", "patch"), ("W-2", "diagnostics")] {
        org.by("Tom", 0, &["work", "open", "L-1", kind, "as planned", "--number", number, "--due", "2099-01-01"]);
    }
    org.by(
        "Tom",
        0,
        &["work", "open", "L-1", "cleaning", "dust", "--number", "W-3", "--schedule", "dust", "--due", "2020-01-01"],
    );
    org.refused("Tom", "stands in the register already", &["work", "open", "L-1", "patch", "x", "--number", "w-1"]);
    org.by(
        "Tom",
        0,
        &[
            "work",
            "done",
            "W-1",
            "January updates",
            "--cost",
            "15 EUR",
            "--planned",
            "2026-01-10T20:00:00Z/2026-01-10T21:30:00Z",
        ],
    );
    org.by("Tom", 0, &["work", "done", "W-3", "cleaned"]);
    org.refused("Tom", "is done already", &["work", "done", "W-1", "again"]);
    org.refused("Tom", "in the future", &["work", "done", "W-2", "soon", "--at", "2099-01-01"]);
    // Downtime and cost stand on the asset, tied to the work order; the schedule counts on.
    let history = org.json("Mia", 0, &["asset", "show", "L-1", "--history"]);
    let events = history[0]["events"].as_array().unwrap();
    let settled: Vec<_> = events.iter().filter(|e| e["act"]["type"] == "work_settled").collect();
    assert_eq!(settled[0]["act"]["downtime"][0]["planned"], true);
    assert!(events.iter().any(|e| e["act"]["type"] == "cost_booked" && e["act"]["reference"] == "work order W-1"));
    let asset = &history[0]["asset"];
    assert_ne!(asset["life"]["schedules"]["dust"]["next"], "2026-01-10");
    assert_eq!(asset["life"]["work"].as_object().unwrap().len(), 1);
    let open = org.json("Tom", 0, &["work", "list", "--status", "open"]);
    assert_eq!((open.len(), &open[0]["work"]["facts"]["number"]), (1, &"W-2".into()));
    org.by("Tom", 0, &["work", "cancel", "W-2", "--reason", "not needed"]);
    org.sound();
}

#[test]
fn point_12_help_desk() {
    let org = Org::new();
    org.in_use("L-1");
    let made = org.json("Tom", 0, &["work", "open", "L-1", "helpdesk", "The screen flickers", "--reporter", "Anna"]);
    let number = made[0]["work"]["facts"]["number"].as_str().unwrap().to_owned();
    assert!(number.starts_with("WO-"), "{number}");
    org.by("Tom", 0, &["work", "note", &number, "cable looks fine"]);
    org.by("Tom", 0, &["work", "down", &number, "--outage", "2026-01-10T10:00:00Z/2026-01-10T12:00:00Z"]);
    org.by("Tom", 2, &["work", "down", &number, "--outage", "2026-01-10T12:00:00Z/2026-01-10T10:00:00Z"]);
    let told = org.by("Tom", 0, &["work", "done", &number, "new cable"]);
    for words in ["Anna", "cable looks fine", "outage", "new cable"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    org.sound();
}

#[test]
fn point_28_tracked_patched_and_accounted_for() {
    let org = Org::new();
    org.in_use("L-1");
    org.by("Tom", 0, &["asset", "assign", "L-1", "--to", "Anna", "--location", "Berlin/2"]);
    org.by("Tom", 0, &["asset", "schedule", "L-1", "updates", "--kind", "patch", "--every", "30"]);
    // What the plan asks for becomes a work order, once.
    org.by(
        "Tom",
        0,
        &["asset", "schedule", "L-1", "dust", "--kind", "cleaning", "--every", "90", "--first", "2026-01-10"],
    );
    let due = |args: &[&str]| org.json("Tom", 0, &[&["work", "due"], args].concat());
    assert_eq!((due(&["--by", "2026-01-09"]).len(), due(&[])[0]["number"].is_null()), (0, true));
    let ordered = due(&["--order"]);
    assert_eq!((ordered.len(), &ordered[0]["what"], &ordered[0]["day"]), (1, &"dust".into(), &"2026-01-10".into()));
    let number = ordered[0]["number"].as_str().unwrap().to_owned();
    assert_eq!(due(&["--order"]), ordered);
    assert!(org.by("Tom", 0, &["work", "due"]).contains("overdue"));
    org.by("Tom", 0, &["work", "done", &number, "cleaned"]);
    assert!(due(&[]).is_empty());
    org.by("Tom", 0, &["work", "open", "L-1", "patch", "updates", "--number", "W-1", "--schedule", "updates"]);
    org.by("Tom", 0, &["work", "done", "W-1", "all updates"]);
    let row = &org.json("Mia", 0, &["asset", "list"])[0];
    assert_eq!((&row["location"], &row["custodian"]), (&"Berlin/2".into(), &"Anna".into()));
    let done = org.json("Mia", 0, &["work", "list", "--status", "done"]);
    assert_eq!((&done[1]["work"]["facts"]["kind"], &done[1]["work"]["facts"]["tag"]), (&"patch".into(), &"L-1".into()));
    org.sound();
    assert!(org.mia(&["asset", "show", "L-1"]).contains("updates (patch) every 30 days"));
}

#[test]
fn point_49_calendar_reminders() {
    let org = Org::new();
    org.in_use("L-1");
    org.by(
        "Tom",
        0,
        &["asset", "schedule", "L-1", "dust", "--kind", "cleaning", "--every", "90", "--first", "2030-05-01"],
    );
    org.by("Tom", 0, &["work", "open", "L-1", "repair", "hinge", "--number", "W-1", "--due", "2030-04-01T12:00:00Z"]);
    org.mia(&["licence", "set", "Office", "--seats", "5", "--expires", "2030-12-31"]);
    org.mia(&["vendor", "set", "GreenCo", "--kind", "recycler"]);
    org.by("Cora", 0, &["vendor", "certify", "GreenCo", "R2v3", "--number", "7", "--until", "2030-06-30"]);
    let feed = org.mia(&["work", "calendar"]);
    assert!(feed.starts_with("BEGIN:VCALENDAR") && feed.trim_end().ends_with("END:VCALENDAR"), "{feed}");
    for words in [
        "RRULE:FREQ=DAILY;INTERVAL=90",
        "DTSTART;VALUE=DATE:20300501",
        "SUMMARY:L-1 cleaning: dust",
        "DUE:20300401T120000Z",
        "SUMMARY:licence Office ends",
        "DTSTART;VALUE=DATE:20301231",
        "GreenCo: certification R2v3 7 ends",
        "BEGIN:VALARM",
        "TRIGGER:-P",
    ] {
        assert!(feed.contains(words), "{words}: {feed}");
    }
    // The same thing keeps its UID; what is done leaves the feed.
    let uids = |feed: &str| feed.lines().filter(|l| l.starts_with("UID:")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(uids(&feed), uids(&org.mia(&["work", "calendar"])));
    org.by("Tom", 0, &["work", "done", "W-1", "new hinge"]);
    assert!(!org.mia(&["work", "calendar"]).contains("hinge"));
}

#[test]
fn point_57_licences_and_usage() {
    let org = Org::new();
    for tag in ["L-1", "L-2", "L-3"] {
        org.in_use(tag);
    }
    org.refused(
        "Mia",
        "looks like the key itself",
        &["licence", "set", "Office", "--seats", "2", "--key-ref", "key:VK7JG-NPHTM-C97JM-9MPGT-3V66T"],
    );
    org.mia(&["licence", "set", "Office", "--seats", "2", "--key-ref", "vault:office/2024", "--cost", "240 EUR"]);
    org.by("Tom", 0, &["licence", "assign", "office", "L-1"]);
    org.by("Tom", 0, &["asset", "licence", "L-2", "Office"]);
    org.refused("Tom", "has a seat of Office already", &["licence", "assign", "Office", "L-2"]);
    org.refused("Tom", "all 2 seats of Office are in use", &["licence", "assign", "Office", "L-3"]);
    assert_eq!(org.record("licence", "Office")["status"], "0 free");
    // What is found in use is over-use, and shows.
    org.by("Tom", 0, &["licence", "found", "Office", "L-3"]);
    let over = org.json("Mia", 0, &["licence", "list", "--status", "over"]);
    assert_eq!((over.len(), &over[0]["status"]), (1, &"over by 1".into()));
    assert_eq!(org.asset("L-1")["licences"]["Office"], "vault:office/2024");
    org.by("Tom", 0, &["licence", "release", "Office", "L-1"]);
    assert_eq!(org.record("licence", "Office")["status"], "0 free");
    assert!(org.json("Mia", 0, &["licence", "list", "--status", "over"]).is_empty());
    org.sound();
}

//! Figures, reports, ghosts and journal lines through the real binary, on SQLite; the same on a real
//! PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::postgres::Postgres;
use common::station::{Station, both, json_lines, text};
use serde_json::Value;

/// A register with a fleet whose figures are known.
struct Fleet {
    station: Station,
    database: Option<String>,
}

impl Fleet {
    fn run(&self, code: i32, args: &[&str]) -> String {
        let mut command = self.station.command(args);
        if let Some(url) = &self.database {
            command.env("LASTWRITE_DATABASE", url);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", both(&output));
        if code == 0 { String::from_utf8_lossy(&output.stdout).into_owned() } else { both(&output) }
    }

    fn ok(&self, args: &[&str]) -> String {
        self.run(0, args)
    }

    fn json(&self, args: &[&str]) -> Vec<Value> {
        json_lines(self.ok(&[&["--json"], args].concat()).as_bytes())
    }

    /// The one row whose first column is `key`.
    fn row(&self, key: &str, args: &[&str]) -> Value {
        let lines = self.json(&[&["report"], args].concat());
        let rows: Vec<&Value> = lines.iter().map(|l| &l["row"]).filter(|row| row.is_object()).collect();
        let found: Vec<_> =
            rows.iter().filter(|row| row.as_object().unwrap().values().next().unwrap() == key).collect();
        assert_eq!(found.len(), 1, "{key} in {args:?}: {rows:?}");
        (**found[0]).clone()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.station.path(name);
        std::fs::write(&path, content).unwrap();
        text(&path).to_owned()
    }
}

fn fleet(database: Option<String>) -> Fleet {
    let fleet = Fleet { station: Station::new(), database };
    let roles = ["asset_manager", "technician", "finance", "compliance"];
    fleet.ok(&[&["register", "init", "--organization", "Example Org", "--name", "Mia Manager", "--role"][..], &roles]
        .concat());
    let sheet = fleet.file(
        "fleet.csv",
        "asset_tag,serial,manufacturer,asset_model,category,status,location,full_name,purchase_date,purchase_cost,mac_address,weight_kg\n\
         L-1,SER-1,Maker,Book 5,laptop,Deployed,Berlin/2,Anna,2024-01-15,1200.00 EUR,00-11-22-AA-BB-01,1.5\n\
         L-2,SER-2,Maker,Book 5,laptop,Deployed,Berlin/3,Bert,2024-01-15,1200.00 EUR,00-11-22-AA-BB-02,1.5\n\
         S-1,SER-3,Maker,Rack 9,server,Deployed,Bonn,Ops,2023-01-01,24000.00 EUR,,20\n\
         S-2,SER-3,Maker,Rack 9,server,Deployed,Bonn,Ops,2023-01-01,500.00 USD,,\n",
    );
    fleet.ok(&["asset", "import", &sheet, "--data-class", "internal"]);
    fleet.ok(&["asset", "cost", "L-1", "operational", "300.00 EUR", "--on", "2024-05-01"]);
    let amounts = "asset_tag,category,amount,on,reference\n\
                   L-1,maintenance,150.00 EUR,2025-02-01,R-1\nL-1,benefit,3000.00 EUR,2025-12-31,\n\
                   L-2,acquisition,1250.00 EUR,2024-01-20,\nL-2,disposition,20.00 USD,2025-06-01,\n";
    let wrong = fleet.file("wrong.csv", &format!("{amounts}L-1,maintenance,1.234,2025-02-01,\n"));
    assert!(fleet.run(2, &["books", "import", &wrong]).contains("line 6"));
    fleet.ok(&["books", "import", &fleet.file("amounts.csv", amounts)]);
    fleet.ok(&["books", "depreciation", "--method", "straight_line", "--life", "36"]);
    fleet.ok(&[
        "books",
        "depreciation",
        "--category",
        "server",
        "--method",
        "declining_balance",
        "--life",
        "60",
        "--rate",
        "50",
    ]);
    fleet.ok(&["books", "holding", "--tax", "1.5", "--insurance", "0.5"]);
    fleet.ok(&["books", "licence", "Office", "120.00 EUR"]);
    fleet
}

/// The same on both databases.
fn on_both(story: impl Fn(&Fleet)) {
    story(&fleet(None));
    if let Some(postgres) = Postgres::start() {
        story(&fleet(Some(postgres.database("reports"))));
    }
}

#[test]
fn money_time_and_value_come_out_as_the_formulas_say_on_both_databases() {
    on_both(|fleet| {
        // Costs: what was booked as acquisition counts instead of the price; currencies stay apart.
        let row = fleet.row("L-1", &["tco", "--by", "asset"]);
        assert_eq!(
            (&row["acquisition"], &row["tco"], &row["net"]),
            (&"1200.00".into(), &"1650.00".into(), &"1650.00".into())
        );
        let laptops = fleet.json(&["report", "tco", "--by", "category", "--category", "laptop"]);
        let rows: Vec<_> = laptops.iter().filter(|l| l["row"].is_object()).map(|l| l["row"].clone()).collect();
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(
            (&rows[0]["currency"], &rows[0]["acquisition"], &rows[0]["assets"]),
            (&"EUR".into(), &"2450.00".into(), &2.into())
        );
        assert_eq!((&rows[1]["currency"], &rows[1]["disposition"]), (&"USD".into(), &"20.00".into()));
        let years = fleet.json(&["report", "tco", "--by", "year", "--location", "Berlin"]);
        let in_2025: Vec<_> = years.iter().filter(|l| l["row"]["year"] == "2025").collect();
        assert_eq!(in_2025.len(), 2, "{years:?}");

        // Value: 24 months of 36 are over; half of what is left, and again.
        let at = ["--from", "2025-01-01", "--to", "2025-12-31"];
        let row = fleet.row("L-1", &[&["depreciation", "--by", "asset"], &at[..]].concat());
        let got = (&row["depreciation"], &row["accumulated"], &row["book_value"]);
        assert_eq!(got, (&"400.00".into(), &"800.00".into(), &"400.00".into()));
        let row = fleet.row("S-1", &[&["depreciation", "--by", "asset"], &at[..]].concat());
        assert_eq!((&row["depreciation"], &row["book_value"]), (&"3000.00".into(), &"3000.00".into()));
        // What somebody says that it is worth stands beside it, where it was said in time and in its currency.
        for (tag, basis, amount, on) in [
            ("L-1", "market", "500.00 EUR", "2025-03-01"),
            ("L-1", "appraisal", "450.00 EUR", "2025-06-30"),
            ("L-1", "market", "90.00 EUR", "2026-01-01"),
            ("L-2", "quote", "400.00 USD", "2025-06-30"),
            ("S-1", "book", "7.00 EUR", "2025-06-30"),
        ] {
            fleet.ok(&["cost", "value", tag, basis, amount, "--source", "Expert Ltd", "--on", on]);
        }
        let row = fleet.row("L-1", &[&["depreciation", "--by", "asset"], &at[..]].concat());
        assert_eq!((&row["valuation"], &row["against_book"]), (&"450.00".into(), &"50.00".into()), "{row}");
        for tag in ["L-2", "S-1"] {
            let row = fleet.row(tag, &[&["depreciation", "--by", "asset"], &at[..]].concat());
            assert_eq!((&row["valued"], &row["valuation"]), (&0.into(), &Value::Null), "{row}");
        }
        let told = fleet.ok(&[&["report", "depreciation", "--by", "category"], &at[..]].concat());
        assert!(told.contains("not in the figures: 1."), "{told}");
        let row = fleet.row("L-1", &[&["returns", "--by", "asset"], &at[..]].concat());
        // Benefit 3000 - maintenance 150 - depreciation 400 = 2450 on 400.
        assert_eq!((&row["net_income"], &row["roa_percent"]), (&"2450.00".into(), &"612.50".into()));
        let row = fleet.row("L-1", &["returns", "--by", "asset"]);
        // (3000 + 0 - 1650) / 1650
        assert_eq!(row["roi_percent"], "81.82");

        // Time: a year with 35 hours down in three entries, two of which are one outage.
        let times = fleet.file(
            "times.csv",
            "asset_tag,kind,from,to\n\
             L-1,planned_down,2025-03-01T00:00:00Z,2025-03-01T15:00:00Z\n\
             L-1,unplanned_down,2025-05-01T10:00:00Z,2025-05-01T12:00:00Z\n\
             L-1,unplanned_down,2025-05-01T11:30:00Z,2025-05-01T22:00:00Z\n\
             L-1,unplanned_down,2025-07-01T00:00:00Z,2025-07-01T08:00:00Z\n\
             L-1,available,2025-01-01,2025-01-11\nL-1,active,2025-01-01,2025-01-07\n",
        );
        fleet.ok(&["observe", "times", &times, "--source", "monitor"]);
        let row = fleet.row("L-1", &[&["utilization", "--by", "asset"], &at[..]].concat());
        assert_eq!((&row["mtbf_h"], &row["mttr_h"], &row["outages"]), (&"4362.50".into(), &"10.00".into(), &2.into()));
        assert_eq!((&row["utilization_percent"], &row["availability_percent"]), (&"60.00".into(), &"99.77".into()));
        let row = fleet.row("L-2", &[&["utilization", "--by", "asset"], &at[..]].concat());
        assert_eq!(
            (&row["utilization_percent"], &row["mtbf_h"]),
            (&Value::Null, &Value::Null),
            "not available, never 0"
        );

        // Samples.
        for (value, day) in [("12.5", "2025-02-01"), ("37.5", "2025-02-02")] {
            fleet.ok(&["observe", "sample", "L-1", "cpu_percent", value, "--at", day]);
        }
        let row = fleet.row("L-1", &[&["samples", "--by", "asset"], &at[..]].concat());
        assert_eq!((&row["mean"], &row["most"], &row["count"]), (&"25".into(), &"37.5".into(), &2.into()));

        // A bad row, and nothing is recorded.
        let bad = fleet
            .file("bad.csv", "asset_tag,name,at,value\nL-1,cpu_percent,2025-03-01,1\nL-1,cpu_percent,2025-03-01,one\n");
        let told = fleet.run(2, &["observe", "samples", &bad]);
        assert!(told.contains("line 3") && told.contains("nothing was recorded"), "{told}");
        let gone = fleet.file(
            "gone.csv",
            "asset_tag,name,at,value\nL-1,cpu_percent,2025-03-01,1\nNOBODY,cpu_percent,2025-03-01,1\n",
        );
        let told = fleet.run(2, &["observe", "samples", &gone]);
        assert!(
            told.contains("line 3: there is no asset \"NOBODY\"") && told.contains("nothing was recorded"),
            "{told}"
        );
        let ends = fleet.file("ends.csv", "asset_tag,kind,from,to\r\nL-1,active,2025-03-02,2025-03-01\r\n");
        assert!(fleet.run(2, &["observe", "times", &ends]).contains("line 2: it ends before it begins"));
        assert_eq!(fleet.row("L-1", &[&["samples", "--by", "asset"], &at[..]].concat())["count"], 2);

        // Budget: laptops are due after 36 months, servers after 60.
        let lines =
            fleet.json(&["report", "refresh", "--by", "category", "--from", "2027-01-01", "--to", "2028-12-31"]);
        let rows: Vec<_> = lines.iter().filter(|l| l["row"].is_object()).map(|l| &l["row"]).collect();
        let told =
            |row: &Value| (row["quarter"].as_str().unwrap().to_owned(), row["budget"].as_str().unwrap().to_owned());
        assert_eq!(
            rows.iter().map(|r| told(r)).collect::<Vec<_>>(),
            [
                ("2027-Q1".to_owned(), "2400.00".to_owned()),
                ("2028-Q1".to_owned(), "24000.00".to_owned()),
                ("2028-Q1".to_owned(), "500.00".to_owned()),
            ]
        );

        // What the tables say follows from the events.
        fleet.ok(&["register", "audit"]);
        let before = fleet.ok(&["report", "tco", "--by", "asset", "--format", "csv"]);
        fleet.ok(&["register", "rebuild"]);
        assert_eq!(fleet.ok(&["report", "tco", "--by", "asset", "--format", "csv"]), before);
        fleet.ok(&["register", "audit"]);
    });
}

#[test]
fn ghosts_are_found_resolved_and_priced_on_both_databases() {
    on_both(|fleet| {
        fleet.ok(&["asset", "licence", "L-2", "Office"]);
        let list = fleet.file("berlin.txt", "L-1\nL-1\nX-99\n");
        fleet.ok(&["observe", "stock-take", &list, "--place", "Berlin/2"]);
        let scan = fleet.file(
            "scan.xml",
            r#"<?xml version="1.0"?><nmaprun scanner="nmap"><host><status state="up"/><address addr="10.0.0.9" addrtype="ipv4"/><address addr="DE:AD:BE:EF:00:01" addrtype="mac"/></host>
               <host><status state="up"/><address addr="00:11:22:AA:BB:01" addrtype="mac"/></host><runstats><finished time="1"/></runstats></nmaprun>"#,
        );
        fleet.ok(&["observe", "scan", &scan]);
        let agents = fleet.file("agents.csv", "serial,location,full_name\nSER-1,Bonn,Somebody\n");
        fleet.ok(&["observe", "agent", &agents]);
        let ledger = fleet.file("ledger.csv", "asset_tag\nL-2\nOLD-7\n");
        fleet.ok(&["observe", "ledger", &ledger]);

        let dry = &fleet.json(&["asset", "reconcile", "--dry-run"])[0];
        assert_eq!(fleet.ok(&["asset", "findings"]).trim(), "No findings.");
        let found = &fleet.json(&["asset", "reconcile"])[0];
        assert_eq!(found["new"], dry["new"], "a dry run finds the same");
        let mut kinds: Vec<String> = found["new"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| format!("{} {}", f[0].as_str().unwrap(), f[1].as_str().unwrap_or("-")))
            .collect();
        kinds.sort();
        assert_eq!(
            kinds,
            [
                "custodian_mismatch L-1",
                "duplicate_serial S-1",
                "ghost_on_books L-2",
                "ghost_on_books OLD-7",
                "ghost_on_books S-1",
                "ghost_on_books S-2",
                "location_mismatch L-1",
                "unknown_device -",
                "unknown_device X-99",
            ]
        );
        // Twice changes nothing.
        let again = &fleet.json(&["asset", "reconcile"])[0];
        assert_eq!((again["new"].as_array().unwrap().len(), &again["known"]), (0, &9.into()), "{again}");

        // 1200 EUR: the book value pays tax, the price insurance, and the licence is wasted too.
        let row = fleet.row("L-2", &["ghosts", "--to", "2025-12-31"]);
        assert_eq!(
            (&row["taxes"], &row["insurance"], &row["licences"]),
            (&"6.00".into(), &"6.00".into(), &"120.00".into()),
            "{row}"
        );
        assert_eq!(row["waste"], "132.00");

        // It turns up: the next reconciliation says so by itself.
        let list = fleet.file("second.txt", "L-2\n");
        fleet.ok(&["observe", "stock-take", &list, "--place", "Berlin/3"]);
        let found = &fleet.json(&["asset", "reconcile"])[0];
        assert_eq!(found["seen_again"].as_array().unwrap().len(), 1, "{found}");
        let open = fleet.json(&["asset", "findings"]);
        assert!(open.iter().all(|f| f["tag"] != "L-2"), "{open:?}");

        // The other is gone. It is missing now, and is not closed by that.
        let id = open.iter().find(|f| f["tag"] == "S-2").unwrap()["id"].as_str().unwrap().to_owned();
        let told = fleet.run(3, &["asset", "resolve", &id, "registered", "--reason", "x"]);
        assert!(told.contains("found, written_off"), "{told}");
        fleet.ok(&["asset", "resolve", &id, "written_off", "--reason", "searched twice, Bonn"]);
        let asset = &fleet.json(&["asset", "show", "S-2"])[0]["asset"];
        assert_eq!((&asset["condition"], &asset["stage"]), (&"missing".into(), &"utilization".into()));
        fleet.run(3, &["asset", "resolve", &id, "found", "--reason", "x"]);
        fleet.ok(&["register", "audit"]);
        let before = fleet.json(&["asset", "findings", "--all"]);
        fleet.ok(&["register", "rebuild"]);
        assert_eq!(fleet.json(&["asset", "findings", "--all"]), before);

        // A scan that broke off would make ghosts of what it did not reach.
        let cut = fleet.file("cut.xml", "<nmaprun><host><status state=\"up\"/></host></nmaprun>");
        assert!(fleet.run(2, &["observe", "scan", &cut]).contains("did not come to its end"));
    });
}

#[test]
fn journal_lines_balance_and_go_to_the_mapped_accounts() {
    let fleet = fleet(None);
    let map = fleet.file(
        "accounts.toml",
        "[accounts]\nasset = \"0400\"\naccumulated_depreciation = \"0499\"\ndepreciation = \"6220\"\nclearing = \"1370\"\ngain = \"4845\"\nloss = \"6895\"\n\
         [category.server]\ndepreciation = \"6230\"\ncost_center = \"IT\"\n",
    );
    let sheet = fleet.ok(&["report", "journal", "--month", "2025-03", "--accounts", &map, "--format", "csv"]);
    let lines: Vec<&str> = sheet.lines().collect();
    assert_eq!(lines[0], "date,document,account,debit,credit,currency,cost_center,asset_tag,text");
    assert!(
        lines.contains(&"2025-03-31,DEP-202503-L-1,6220,33.33,,EUR,Berlin/2,L-1,depreciation of the month")
            || lines.contains(&"2025-03-31,DEP-202503-L-1,6220,33.34,,EUR,Berlin/2,L-1,depreciation of the month"),
        "{sheet}"
    );
    assert!(sheet.contains(",6230,250.00,,EUR,IT,S-1,"), "{sheet}");
    let cents = |text: &str| text.replace('.', "").parse::<i64>().unwrap_or(0);
    let (mut debit, mut credit) = (0, 0);
    for line in &lines[1..] {
        let cells: Vec<&str> = line.split(',').collect();
        debit += cents(cells[3]);
        credit += cents(cells[4]);
    }
    assert!(debit > 0 && debit == credit, "{debit} {credit}");
    // Twelve months are a year.
    let year: i64 = (1..=12)
        .map(|month| {
            let month = format!("2025-{month:02}");
            let sheet = fleet.ok(&["report", "journal", "--month", &month, "--format", "csv"]);
            let line = sheet.lines().find(|l| l.contains("-L-1,depreciation,")).unwrap().to_owned();
            cents(line.split(',').nth(3).unwrap())
        })
        .sum();
    assert_eq!(year, 40_000);
    let told = fleet.run(2, &["report", "journal", "--month", "2025-13"]);
    assert!(told.contains("no month"), "{told}");
    let wrong = fleet.file("wrong.toml", "[accounts]\nassets = \"1\"\n");
    assert!(fleet.run(2, &["report", "journal", "--month", "2025-03", "--accounts", &wrong]).contains("unknown field"));
}

#[test]
fn a_closed_asset_is_in_the_disposal_report_the_journal_and_the_retention_list() {
    let fleet = fleet(None);
    let tag = "V-1";
    let image = fleet.station.image("disk.img", 1 << 20);
    let add = ["asset", "add", tag, "--class", "virtual", "--data-class", "none", "--stage", "decommissioning"];
    fleet.ok(&[&add[..], &["--category", "laptop", "--cost", "1000.00 EUR", "--purchased", "2020-01-01"]].concat());
    fleet.ok(&["media", "add", tag, "--drive", text(&image)]);
    fleet.ok(&["asset", "count", tag, "1"]);
    for step in [
        "data_backup",
        "licence_removal",
        "network_disconnect",
        "credential_revoke",
        "mdm_release",
        "asset_label_removed",
    ] {
        fleet.ok(&["asset", "check", tag, step]);
    }
    fleet.ok(&["asset", "route", tag, "resale", "--order", "LOT-1"]);
    fleet.ok(&["asset", "move", tag, "disposition"]);
    fleet.ok(&["asset", "cost", tag, "recovery", "120.00 EUR"]);
    fleet.ok(&["asset", "cost", tag, "disposition", "20.00 EUR"]);
    // What somebody offered counts, the last of it; not what the books say, nor what was paid.
    for (basis, amount, on) in [
        ("market", "300.00 EUR", "2021-01-01"),
        ("quote", "160.00 EUR", "2022-01-01"),
        ("appraisal", "500.00 EUR", "2021-06-01"),
        ("book", "1.00 EUR", "2023-01-01"),
        ("sale", "120.00 EUR", "2023-01-01"),
    ] {
        fleet.ok(&["cost", "value", tag, basis, amount, "--source", "Buyer & Sons", "--on", on]);
    }
    fleet.ok(&["asset", "outcome", tag, "sold"]);
    fleet.ok(&["wipe", text(&image), "--yes"]);
    let state = fleet.station.state();
    let result = &fleet.json(&["register", "ingest", text(&state)])[0];
    assert_eq!(result["closed"], true, "{result}");

    let row = fleet.row("resale", &["disposal"]);
    // Written off to 0 after 36 months: 120 - 20 - 0.
    assert_eq!(
        (&row["proceeds"], &row["book_value"], &row["gain_or_loss"]),
        (&"120.00".into(), &"0.00".into(), &"100.00".into()),
        "{row}"
    );
    assert_eq!(row["diversion_percent"], Value::Null, "no mass on record: not available");
    let got = (&row["valued"], &row["valuation"], &row["recovered_percent"]);
    assert_eq!(got, (&1.into(), &"160.00".into(), &"75.00".into()), "{row}");
    let day = &fleet.json(&["asset", "show", tag])[0]["asset"]["closed"].as_str().unwrap()[..7].to_owned();
    let sheet = fleet.ok(&["report", "journal", "--month", day, "--format", "csv"]);
    let of: Vec<&str> = sheet.lines().filter(|l| l.contains("DIS-") && l.contains(tag)).collect();
    assert_eq!(of.len(), 4, "{sheet}");
    assert!(
        of.iter().any(|l| l.contains(",gain,,100.00,EUR,")) && of.iter().any(|l| l.contains(",clearing,100.00,,")),
        "{of:?}"
    );
    let row = fleet.row(tag, &["retention", "--regime", "hipaa,sox"]);
    assert_eq!((&row["regime"], &row["status"]), (&"SOX".into(), &"keep".into()));
    assert!(
        !fleet.ok(&["report", "depreciation", "--by", "asset", "--format", "csv"]).contains("V-1"),
        "what is closed is off the books"
    );

    // The card has all of it, as JSON and on one page.
    let card = &fleet.json(&["report", "card", tag])[0];
    assert!(
        card["history"].as_array().unwrap().len() > 12 && card["media"][0]["medium"]["state"] == "sanitized",
        "{card}"
    );
    let told = fleet.ok(&["report", "card", tag]);
    for words in ["asset_closed", "160.00 EUR (quote, 2022-01-01, Buyer & Sons)", "gain or loss 100.00", "route resale"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn what_a_spreadsheet_would_run_is_harmless_in_every_format() {
    let fleet = fleet(None);
    let sheet = fleet
        .file("bad.csv", "asset_tag,category,purchase_date,purchase_cost\nQ-1,=cmd|' /C calc'!A0,2024-01-01,10 EUR\n");
    fleet.ok(&["asset", "import", &sheet]);
    let csv = fleet.ok(&["report", "tco", "--by", "category", "--format", "csv"]);
    assert!(csv.contains("'=cmd|") && !csv.contains("\n=cmd") && !csv.contains("\n\"=cmd"), "{csv}");
    let book = fleet.station.path("tco.xlsx");
    fleet.ok(&["report", "tco", "--by", "category", "--out", text(&book)]);
    let mut read: calamine::Xlsx<_> = calamine::open_workbook(&book).unwrap();
    use calamine::Reader as _;
    let range = read.worksheet_range("tco").unwrap();
    let words: Vec<String> = range.rows().map(|row| row[0].to_string()).collect();
    assert!(words.contains(&"=cmd|' /C calc'!A0".to_owned()), "{words:?}");
    assert!(read.worksheet_formula("tco").unwrap().used_cells().next().is_none(), "no formula at all");
    let cost = range.rows().find(|row| row[0] == "server" && row[2] == "EUR").unwrap()[3].clone();
    assert_eq!(cost, calamine::Data::Float(24000.0));
}

#[cfg(feature = "pdf")]
#[test]
fn reports_and_cards_are_pdf_with_charts_and_their_data_inside() {
    let fleet = fleet(None);
    for (name, args) in [
        ("tco.pdf", &["report", "tco", "--by", "model"][..]),
        ("value.pdf", &["report", "depreciation", "--by", "category"]),
        ("card.pdf", &["report", "card", "L-1"]),
        ("none.pdf", &["report", "retention"]),
    ] {
        let path = fleet.station.path(name);
        let at = ["--at", "2026-01-01T00:00:00Z", "--out", text(&path)];
        fleet.ok(&[args, &at[..]].concat());
        let bytes = std::fs::read(&path).unwrap();
        let read = lopdf::Document::load_mem(&bytes).unwrap();
        let pages: Vec<u32> = read.get_pages().keys().copied().collect();
        assert_eq!(pages.len(), 1, "{name}");
        let words = read.extract_text(&pages).unwrap();
        assert!(words.contains("Example Org"), "{name}: {words}");
        if name == "tco.pdf" {
            assert!(words.contains("TCO in EUR") && words.contains("24000.00"), "{words}");
        }
        fleet.ok(&[args, &at[..]].concat());
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name}: the same again");
    }
}

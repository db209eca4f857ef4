//! Points 10, 24 to 27, 31, 35, 37 to 43, 52, 53, 59: measured, counted, reported.

use serde_json::Value;

use crate::common::station::text;
use crate::disposition::vendor;
use crate::org::Org;

/// A laptop in use since the first day of 2024, with its price.
fn laptop(org: &Org, tag: &str, location: &str) {
    let sheet = org.file(
        "one.csv",
        &format!(
            "asset_tag,serial,manufacturer,asset_model,category,status,location,full_name,purchase_date,purchase_cost,mac_address\n\
             {tag},SER-{tag},Maker,Book 5,laptop,Deployed,{location},Anna,2024-01-01,1200.00 EUR,00:11:22:33:44:01\n"
        ),
    );
    org.mia(&["asset", "import", text(&sheet), "--data-class", "internal"]);
}

/// The row of a report whose first cell is `key`.
fn row(org: &Org, key: &str, args: &[&str]) -> Value {
    let lines = org.json("Mia", 0, &[&["report"], args].concat());
    let rows = lines.iter().map(|line| &line["row"]);
    let found: Vec<&Value> =
        rows.filter(|row| row.as_object().is_some_and(|o| o.values().next().is_some_and(|v| v == key))).collect();
    assert_eq!(found.len(), 1, "{key}: {lines:?}");
    found[0].clone()
}

fn book(org: &Org, tag: &str, category: &str, amount: &str, day: &str) {
    org.by("Fin", 0, &["asset", "cost", tag, category, amount, "--on", day]);
}

const YEAR: [&str; 4] = ["--from", "2025-01-01", "--to", "2025-12-31"];

#[test]
fn point_10_uptime_cpu_and_network_lag_samples() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    let samples = org.file(
        "samples.csv",
        "asset_tag,name,at,value\nL-1,uptime_h,2025-02-01,700\nL-1,cpu_percent,2025-02-01,12.5\nL-1,cpu_percent,2025-02-02,37.5\nL-1,network_lag_ms,2025-02-02,8.125\n",
    );
    org.by("Tom", 0, &["observe", "samples", text(&samples), "--source", "monitor"]);
    let lines = org.json("Mia", 0, &[&["report", "samples", "--by", "asset"], &YEAR[..]].concat());
    let cpu = lines.iter().find(|l| l["row"]["sample"] == "cpu_percent").unwrap()["row"].clone();
    assert_eq!((&cpu["least"], &cpu["mean"], &cpu["most"]), (&"12.5".into(), &"25".into(), &"37.5".into()));
    assert_eq!(lines.iter().filter(|l| l["row"].is_object()).count(), 3);
    org.refused("Cora", "may not work", &["observe", "sample", "L-1", "cpu_percent", "1"]);
    org.sound();
}

#[test]
fn point_24_ghost_assets() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin/2");
    laptop(&org, "L-2", "Berlin/2");
    let list = org.file("scanned.txt", "L-1\n");
    org.by("Tom", 0, &["observe", "stock-take", text(&list), "--place", "Berlin/2"]);
    org.by("Tom", 0, &["asset", "reconcile"]);
    let open = org.json("Mia", 0, &["asset", "findings"]);
    let ghosts: Vec<&Value> = open.iter().filter(|f| f["kind"] == "ghost_on_books").collect();
    assert_eq!((ghosts.len(), &ghosts[0]["tag"]), (1, &"L-2".into()), "{open:?}");
    let id = ghosts[0]["id"].as_str().unwrap();
    org.refused("Tom", "may not manage", &["asset", "resolve", id, "written_off", "--reason", "gone"]);
    org.mia(&["asset", "resolve", id, "written_off", "--reason", "searched twice"]);
    let asset = org.asset("L-2");
    assert_eq!((&asset["condition"], &asset["stage"]), (&"missing".into(), &"utilization".into()));
    org.sound();
}

#[test]
fn point_25_unknown_devices() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    let seen = org.file("seen.csv", "mac,host\n00-11-22-33-44-01,laptop-1\nde:ad:be:ef:00:01,printer?\n");
    org.by("Tom", 0, &["observe", "scan", text(&seen)]);
    let found = &org.json("Tom", 0, &["asset", "reconcile"])[0];
    let new = found["new"].as_array().unwrap();
    assert_eq!((new.len(), &new[0][0]), (1, &"unknown_device".into()), "{found}");
    assert!(new[0][2].as_str().unwrap().contains("de:ad:be:ef:00:01"), "{found}");
}

#[test]
fn point_26_taxes_insurance_and_licences_wasted_on_ghosts() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    org.by("Fin", 0, &["books", "depreciation", "--method", "straight_line", "--life", "36"]);
    org.by("Fin", 0, &["books", "holding", "--tax", "1.5", "--insurance", "0.5"]);
    org.refused("Tom", "may not book", &["books", "holding", "--tax", "0"]);
    org.by("Tom", 0, &["asset", "reconcile"]);
    let row = row(&org, "L-1", &["ghosts", "--to", "2025-12-31"]);
    // 400 left of 1200: 1.5 % of it, and 0.5 % of the price.
    assert_eq!(
        (&row["book_value"], &row["taxes"], &row["insurance"]),
        (&"400.00".into(), &"6.00".into(), &"6.00".into())
    );
}

#[test]
fn point_27_real_time_inventory() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    let seen = |name: &str, rows: &str| {
        let list = org.file(name, &format!("serial,location,full_name,host,at\n{rows}\n"));
        org.by("Tom", 0, &["observe", "agent", text(&list)])
    };
    let card = || org.json("Mia", 0, &["report", "card", "L-1"])[0]["last_seen"].clone();
    assert_eq!(card(), Value::Null, "nobody saw it: that is said, and no place is made up");
    // What was seen last counts, in whatever order the lists come in.
    let ago = |days: i64| {
        let at = chrono::Utc::now() - chrono::TimeDelta::days(days);
        at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let at = ago(2);
    seen("agents.csv", &format!("ser-l-1,Hamburg,Bert,laptop-1,{at}"));
    seen("older.csv", &format!("SER-L-1,Bonn,Carl,old-name,{}", ago(3)));
    let last = card();
    for (name, value) in
        [("at", at.as_str()), ("source", "agent"), ("location", "Hamburg"), ("custodian", "Bert"), ("host", "laptop-1")]
    {
        assert_eq!(last[name], value, "{name}: {last}");
    }
    // The record stays what somebody signed; the difference is a finding with both sides of it.
    let asset = org.asset("L-1");
    assert_eq!((&asset["location"], &asset["custodian"]), (&"Berlin".into(), &"Anna".into()));
    let found = &org.json("Tom", 0, &["asset", "reconcile"])[0];
    let new = found["new"].as_array().unwrap();
    assert_eq!((new.len(), &new[0][0], &new[1][0]), (2, &"location_mismatch".into(), &"custodian_mismatch".into()));
    for (finding, sides) in new.iter().zip([["Berlin", "Hamburg"], ["Anna", "Bert"]]) {
        let detail = finding[2].as_str().unwrap();
        assert!(sides.iter().all(|side| detail.contains(side)), "{sides:?}: {detail}");
    }
    // Seen where it should be there is nothing new; what was found stays until a person says what it was.
    seen("back.csv", &format!("SER-L-1,Berlin,Anna,laptop-1,{}", ago(1)));
    assert_eq!(org.json("Tom", 0, &["asset", "reconcile"])[0]["new"].as_array().unwrap().len(), 0);
    let open = org.json("Mia", 0, &["asset", "findings"]);
    assert_eq!(open.len(), 2, "{open:?}");
    for finding in &open {
        let id = finding["id"].as_str().unwrap();
        let ends = format!("written_off is not how {} ends", finding["kind"].as_str().unwrap());
        org.refused("Mia", &ends, &["asset", "resolve", id, "written_off", "--reason", "gone"]);
        org.refused("Mia", "is resolved with a reason", &["asset", "resolve", id, "corrected", "--reason", " "]);
        org.refused("Tom", "may not manage", &["asset", "resolve", id, "corrected", "--reason", "it was on loan"]);
        org.mia(&["asset", "resolve", id, "corrected", "--reason", "it was on loan"]);
        org.refused("Mia", "resolved already: corrected", &["asset", "resolve", id, "corrected", "--reason", "again"]);
    }
    assert!(org.json("Mia", 0, &["asset", "findings"]).is_empty());
    // Who may look may not tell what was seen; a list that names nothing is no observation.
    let list = org.file("list.csv", "serial,location\nSER-L-1,Bonn\n");
    org.refused("Cora", "may not work", &["observe", "agent", text(&list)]);
    let colours = org.file("colours.csv", "colour\nred\n");
    assert!(org.by("Tom", 2, &["observe", "agent", text(&colours)]).contains("none of the columns asset_tag, serial"));
    let nameless = org.file("nameless.csv", "serial,location\nSER-L-1,Bonn\n,Bonn\n");
    assert!(org.by("Tom", 2, &["observe", "agent", text(&nameless)]).contains("line 3: it names nothing"));
    assert_eq!(card()["location"], "Berlin");
    org.sound();
}

#[test]
fn point_37_tco_by_its_categories() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    for (category, amount) in [
        ("operational", "300.00 EUR"),
        ("maintenance", "150.00 EUR"),
        ("disposition", "50.00 EUR"),
        ("recovery", "200.00 EUR"),
    ] {
        book(&org, "L-1", category, amount, "2025-06-01");
    }
    let row = row(&org, "L-1", &["tco", "--by", "asset"]);
    let got: Vec<&str> = ["acquisition", "operational", "maintenance", "disposition", "tco", "recovery", "net"]
        .iter()
        .map(|name| row[*name].as_str().unwrap())
        .collect();
    assert_eq!(got, ["1200.00", "300.00", "150.00", "50.00", "1700.00", "200.00", "1500.00"]);
}

#[test]
fn point_38_return_on_assets() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    book(&org, "L-1", "benefit", "900.00 EUR", "2025-06-01");
    let row = row(&org, "L-1", &[&["returns", "--by", "asset"], &YEAR[..]].concat());
    // 900 - 400 of depreciation, on a book value of 400.
    assert_eq!((&row["net_income"], &row["roa_percent"]), (&"500.00".into(), &"125.00".into()), "{row}");
}

fn times(org: &Org) {
    let times = org.file(
        "times.csv",
        "asset_tag,kind,from,to\n\
         L-1,planned_down,2025-03-01T00:00:00Z,2025-03-01T15:00:00Z\n\
         L-1,unplanned_down,2025-05-01T10:00:00Z,2025-05-01T12:00:00Z\n\
         L-1,unplanned_down,2025-05-01T11:30:00Z,2025-05-01T22:00:00Z\n\
         L-1,unplanned_down,2025-07-01T00:00:00Z,2025-07-01T08:00:00Z\n\
         L-1,available,2025-01-01,2025-01-11\nL-1,active,2025-01-01,2025-01-07\n",
    );
    org.by("Tom", 0, &["observe", "times", text(&times), "--source", "monitor"]);
}

#[test]
fn point_39_utilization() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    let ask = [&["utilization", "--by", "asset"], &YEAR[..]].concat();
    assert_eq!(row(&org, "L-1", &ask)["utilization_percent"], Value::Null, "not available, never 0");
    times(&org);
    assert_eq!(row(&org, "L-1", &ask)["utilization_percent"], "60.00");
}

#[test]
fn point_40_mean_time_between_failures() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    times(&org);
    // (8760 - 35) / 2
    assert_eq!(row(&org, "L-1", &[&["utilization", "--by", "asset"], &YEAR[..]].concat())["mtbf_h"], "4362.50");
}

#[test]
fn point_41_mean_time_to_repair() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    times(&org);
    let row = row(&org, "L-1", &[&["utilization", "--by", "asset"], &YEAR[..]].concat());
    assert_eq!((&row["mttr_h"], &row["outages"]), (&"10.00".into(), &2.into()), "overlapping outages are one");
}

#[test]
fn point_43_return_on_investment_of_an_asset() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    book(&org, "L-1", "benefit", "1600.00 EUR", "2025-06-01");
    book(&org, "L-1", "recovery", "200.00 EUR", "2025-12-01");
    // (1600 + 200 - 1200) / 1200
    assert_eq!(row(&org, "L-1", &["returns", "--by", "asset"])["roi_percent"], "50.00");
}

#[test]
fn point_52_erp_link_depreciation_and_budget() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    org.by("Fin", 0, &["books", "depreciation", "--method", "straight_line", "--life", "36"]);
    let map = org.file("accounts.toml", "[accounts]\ndepreciation = \"6220\"\naccumulated_depreciation = \"0499\"\n");
    let sheet = org.mia(&["report", "journal", "--month", "2025-03", "--accounts", text(&map), "--format", "csv"]);
    assert!(sheet.contains(",6220,33.3") && sheet.contains(",0499,,33.3"), "{sheet}");
    let lines =
        org.json("Mia", 0, &["report", "refresh", "--by", "category", "--from", "2026-01-01", "--to", "2027-12-31"]);
    assert_eq!((&lines[1]["row"]["quarter"], &lines[1]["row"]["budget"]), (&"2027-Q1".into(), &"1200.00".into()));
}

#[test]
fn point_53_discovery_by_network_scan_results() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    let scan = org.file(
        "scan.xml",
        "<?xml version=\"1.0\"?><nmaprun scanner=\"nmap\"><host><status state=\"up\"/><address addr=\"00:11:22:33:44:01\" addrtype=\"mac\"/></host>\
         <host><status state=\"up\"/><address addr=\"10.0.0.9\" addrtype=\"ipv4\"/></host><runstats><finished time=\"1\"/></runstats></nmaprun>",
    );
    org.by("Tom", 0, &["observe", "scan", text(&scan)]);
    let found = &org.json("Tom", 0, &["asset", "reconcile"])[0];
    assert_eq!(found["new"].as_array().unwrap().len(), 1, "the laptop was seen by its MAC: {found}");
    assert_eq!(found["new"][0][0], "unknown_device");
    let cut = org.file("cut.xml", "<nmaprun><host><status state=\"up\"/></host></nmaprun>");
    assert!(org.by("Tom", 2, &["observe", "scan", text(&cut)]).contains("did not come to its end"));
}

#[test]
fn point_59_measured_and_not_guessed() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    org.mia(&["asset", "add", "L-2", "--stage", "utilization", "--category", "laptop"]);
    // Nobody knows what it cost, since when it serves, how long it was used: that is said, not made up.
    let lines = org.json("Mia", 0, &["report", "depreciation", "--by", "asset"]);
    assert!(lines.iter().all(|line| line["row"]["asset"] != "L-2"), "{lines:?}");
    let notes = lines.last().unwrap()["notes"].to_string();
    assert!(notes.contains("1 without a price"), "{notes}");
    let lines = org.json("Mia", 0, &["report", "utilization", "--by", "asset"]);
    assert!(lines.last().unwrap()["notes"].to_string().contains("nobody knows since when"), "{lines:?}");
    org.sound();
}

/// Sold, paid for, wiped: closed by its certificate.
fn closed(org: &Org, tag: &str, image: &std::path::Path) {
    org.by("Fin", 0, &["cost", "book", tag, "recovery", "90 EUR"]);
    org.by("Ida", 0, &["asset", "outcome", tag, "sold"]);
    let told = org.wiped(image);
    assert_eq!(told["closed"], true, "{told}");
}

#[test]
fn point_31_gdpr_hipaa_and_sox() {
    let org = Org::new();
    let image = org.on_lot("A-1", "none", "resale", "LOT-1");
    assert!(org.json("Mia", 0, &["report", "retention"]).iter().all(|line| !line["row"].is_object()), "it is open");
    closed(&org, "A-1", &image);
    let day: chrono::NaiveDate =
        row(&org, "A-1", &["retention"])["closed"].as_str().and_then(|day| day.parse().ok()).unwrap();
    let until = |years: u32| (day + chrono::Months::new(12 * years)).to_string();
    for (asked, regime, years) in [
        ("hipaa", "HIPAA", 6),
        ("sox", "SOX", 7),
        ("hipaa,sox", "SOX", 7),
        ("hipaa,sox,10", "10 years", 10),
        ("hipaa,2", "HIPAA", 6),
    ] {
        let row = row(&org, "A-1", &["retention", "--regime", asked]);
        assert_eq!((&row["regime"], &row["keep_until"]), (&regime.into(), &until(years).into()), "{asked}: {row}");
        assert_eq!(
            (&row["data_class"], &row["media"], &row["status"]),
            (&"none".into(), &1.into(), &"keep".into()),
            "{asked}: {row}"
        );
    }
    // The last day of the term still counts; on the next it is over, and nothing is deleted for that.
    for (at, status) in
        [(until(7), "keep"), ((day + chrono::Months::new(84)).succ_opt().unwrap().to_string(), "term is over")]
    {
        let at = format!("{at}T12:00:00Z");
        let row = row(&org, "A-1", &["retention", "--regime", "sox", "--at", &at]);
        assert_eq!(row["status"], status, "{at}: {row}");
    }
    let notes = org.json("Mia", 0, &["report", "retention"]).last().unwrap()["notes"].to_string();
    for words in ["1 to keep, 0 whose term is over", "deletes nothing", "45 CFR 164.316", "The GDPR names no term"] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    // The GDPR has no number of years, so it is no regime to ask for.
    for regime in ["gdpr", "0", "101"] {
        let told = org.by("Mia", 2, &["report", "retention", "--regime", regime]);
        assert!(told.contains("hipaa, sox"), "{regime}: {told}");
    }
    // What these laws protect closes on no less than destruction that somebody else accepted.
    let image = org.on_lot("A-2", "regulated", "resale", "LOT-2");
    let told = org.wiped(&image)["blockers"].to_string();
    assert!(told.contains("attained Clear, Destroy is needed"), "{told}");
    assert!(org.json("Mia", 0, &["report", "retention"]).iter().all(|line| line["row"]["asset"] != "A-2"));
    org.sound();
}

#[test]
fn point_35_remarketing_and_recycling_reported() {
    let org = Org::new();
    // Sold for 90 of 1200, with 10 of costs.
    let image = org.on_lot("A-1", "none", "resale", "LOT-1");
    book(&org, "A-1", "acquisition", "1200.00 EUR", "2020-01-01");
    book(&org, "A-1", "disposition", "10.00 EUR", "2026-01-01");
    closed(&org, "A-1", &image);
    let sold = row(&org, "resale", &["disposal"]);
    for (name, value) in [
        ("assets", Value::from(1)),
        ("weighed", 0.into()),
        ("proceeds", "90.00".into()),
        ("selling_costs", "10.00".into()),
    ] {
        assert_eq!(sold[name], value, "{name}: {sold}");
    }
    for name in ["kg", "landfill_kg", "diversion_percent"] {
        assert_eq!(sold[name], Value::Null, "no mass on record: {name} is not available: {sold}");
    }
    assert_eq!(sold["gain_or_loss"], Value::Null, "nobody knows since when it served: {sold}");

    // Two on a lot that the recycler weighs as one: 10 kg, of which 1 kg to landfill, shared 3 to 1.
    vendor(&org, "GreenCo", "2090-12-31");
    org.by("Ida", 0, &["dispose", "open", "LOT-2", "recycling", "--vendor", "GreenCo"]);
    let mut images = Vec::new();
    for (tag, mass) in [("B-1", "6kg"), ("B-2", "2kg")] {
        let image = org.station.image(&format!("{tag}.img"), 1 << 16);
        org.mia(&["asset", "add", tag, "--class", "virtual", "--data-class", "none", "--stage", "decommissioning"]);
        org.by("Tom", 0, &["media", "add", tag, "--drive", text(&image)]);
        org.by("Tom", 0, &["asset", "count", tag, "1"]);
        org.ticked(tag);
        org.by("Ida", 0, &["dispose", "add", "LOT-2", tag, "--weight", mass]);
        org.by("Ida", 0, &["asset", "move", tag, "disposition"]);
        images.push(image);
    }
    org.by("Ida", 0, &["dispose", "schedule", "LOT-2", "2090-01-01"]);
    org.by("Ida", 0, &["dispose", "dispatch", "LOT-2", "--seal", "S-1"]);
    org.by("Ida", 0, &["dispose", "receive", "LOT-2", "--count", "2", "--by", "R. Cycler"]);
    org.by("Ida", 0, &["dispose", "weigh", "LOT-2", "--recycled", "9kg", "--landfill", "1kg"]);
    let document = org.file("final.pdf", "recycled");
    org.by("Ida", 0, &["dispose", "document", "LOT-2", text(&document)]);
    assert_eq!(org.wiped(&images[0])["closed"], true);
    // One of the two is closed: the report has its share, not the lot's mass.
    let half = row(&org, "recycling", &["disposal"]);
    assert_eq!(
        (&half["assets"], &half["kg"], &half["landfill_kg"], &half["diversion_percent"]),
        (&1.into(), &"7.5".into(), &"0.75".into(), &"90.00".into()),
        "{half}"
    );
    assert_eq!(org.wiped(&images[1])["closed"], true);
    let all = row(&org, "recycling", &["disposal"]);
    assert_eq!(
        (&all["assets"], &all["weighed"], &all["kg"], &all["landfill_kg"], &all["diversion_percent"], &all["vendor"]),
        (&2.into(), &2.into(), &"10".into(), &"1".into(), &"90.00".into(), &"GreenCo".into()),
        "{all}"
    );
    let last = org.json("Mia", 0, &["report", "disposal"]).pop().unwrap();
    assert_eq!((&last["totals"][0]["assets"], &last["totals"][0]["kg"]), (&3.into(), &"10".into()), "{last}");
    assert!(last["notes"].to_string().contains("1 of 3 assets have no mass on record"), "{last}");
    org.sound();
}

#[test]
fn point_42_maintenance_compliance() {
    let org = Org::new();
    laptop(&org, "L-1", "Berlin");
    let ask = ["maintenance", "--by", "asset"];
    assert!(org.json("Mia", 0, &[&["report"], &ask[..]].concat()).iter().all(|line| !line["row"].is_object()));
    org.by("Tom", 0, &["work", "open", "L-1", "cleaning", "the fan", "--number", "W-1", "--due", "2024-03-01"]);
    org.by("Tom", 0, &["work", "open", "L-1", "cleaning", "the fan", "--number", "W-2", "--due", "2024-09-01"]);
    org.by("Tom", 0, &["work", "done", "W-1", "cleaned", "--at", "2024-02-28"]);
    let late = row(&org, "L-1", &ask);
    assert_eq!(
        (&late["on_time"], &late["missed"], &late["compliance_percent"]),
        (&1.into(), &1.into(), &"50.00".into())
    );
    org.by("Tom", 0, &["work", "done", "W-2", "cleaned", "--at", "2024-09-03"]);
    assert_eq!(row(&org, "L-1", &ask)["late"], 1);
    assert_eq!(row(&org, "L-1", &[&ask[..], &["--grace", "5"]].concat())["compliance_percent"], "100.00");
    org.sound();
}

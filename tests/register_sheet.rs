//! Spreadsheets in and out, through the real binary.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::station::{Station, both, text};

fn register() -> Station {
    let station = Station::new();
    station.ok(&["register", "init", "--organization", "O", "--name", "Mia", "--role", "asset_manager"]);
    station
}

fn import(station: &Station, code: i32, sheet: &[u8]) -> String {
    let file = station.path("sheet.csv");
    std::fs::write(&file, sheet).unwrap();
    both(&station.expect(code, &["asset", "import", text(&file)]))
}

#[test]
fn what_was_imported_is_exported_again_and_formulas_are_made_harmless() {
    let station = register();
    let sheet = "\u{feff}Asset Tag,serial,Status,purchase_cost,purchase_date,Location,Full Name,Cost Centre,asset_notes\r\n\
                 L-1,S1,Deployed,\"1,200.50 EUR\",2024-03-01,Berlin/2,Anna Ö,CC 7,=cmd|' /C calc'!A0\r\n\
                 L-2,,Archived,,,,,,\"two\nlines\"\r\n";
    let told = import(&station, 0, sheet.as_bytes());
    assert!(
        told.contains("2 assets added") && told.contains("line 3, status: closed is reached on evidence"),
        "{told}"
    );
    let exported = station.ok(&["asset", "export"]);
    assert!(exported.contains("'=cmd|") && !exported.contains(",=cmd"), "{exported}");
    assert!(exported.contains("1200.50 EUR") && exported.contains("cost_centre"), "{exported}");
    // Into another register and out again: the same sheet.
    let second = register();
    import(&second, 0, exported.as_bytes());
    assert_eq!(second.ok(&["asset", "export"]), exported);
    assert_eq!(second.json(0, &["asset", "show", "L-1"])[0]["asset"]["details"]["notes"], "=cmd|' /C calc'!A0");
    assert_eq!(second.json(0, &["asset", "show", "L-2"])[0]["asset"]["stage"], "decommissioning");
    second.ok(&["register", "audit"]);
}

#[test]
fn one_bad_row_and_nothing_is_added() {
    let station = register();
    import(&station, 0, b"asset_tag\nTAKEN\n");
    let big = format!("asset_tag,asset_notes\nA,{}\n", "x".repeat(1 << 20));
    for (sheet, place) in [
        (&b"asset_tag,status\nA,Deployed\nB,Vanished\n"[..], "line 3, status"),
        (b"asset_tag\nA\nA\n", "line 3, asset_tag: \"A\" stands on line 2"),
        (b"asset_tag\nA\nTAKEN\n", "line 3, asset_tag: \"TAKEN\" stands in the register"),
        (b"asset_tag,purchase_cost\nA,12.345\n", "line 2, purchase_cost"),
        (b"asset_tag,purchase_date\nA,01.03.2024\n", "line 2, purchase_date"),
        (b"asset_tag,location\nA,M\xfcnchen\n", "line 2: the line is not UTF-8"),
        (b"asset_tag,location\nA\n", "line 2: the line has 1 cells"),
        (b"asset_tag,location\n,Berlin\n", "line 2, asset_tag"),
        (b"asset_tag,asset_tag\nA,B\n", "stands twice"),
        (b"serial\nA\n", "line 1, asset_tag"),
        (b"asset_tag,location\nA,a\x00b\n", "control characters"),
        (big.as_bytes(), "line 2, asset_notes: the cell has 1048576 bytes"),
    ] {
        let told = import(&station, 3, sheet);
        assert!(told.contains(place) && told.contains("nothing was added"), "{place}: {told}");
        assert_eq!(station.json(0, &["asset", "list"]).len(), 1);
    }
    let dry = station.path("dry.csv");
    std::fs::write(&dry, "asset_tag;serial\nD-1;x\n").unwrap();
    station.ok(&["asset", "import", text(&dry), "--dry-run"]);
    assert_eq!(station.json(0, &["asset", "list"]).len(), 1);
    station.ok(&["asset", "import", text(&dry)]);
    assert_eq!(station.json(0, &["asset", "list"]).len(), 2);
}

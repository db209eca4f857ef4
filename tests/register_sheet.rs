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

#[test]
fn a_workbook_goes_in_and_out_as_csv_does() {
    let station = register();
    let file = station.path("fleet.xlsx");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in
        ["Asset Tag", "serial", "purchase_date", "purchase_cost", "warranty_months", "notes"].iter().enumerate()
    {
        sheet.write_string(0, column as u16, *name).unwrap();
    }
    let day = rust_xlsxwriter::ExcelDateTime::from_ymd(2024, 3, 1).unwrap();
    let format = rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd");
    sheet.write_string(1, 0, "X-1").unwrap();
    sheet.write_string(1, 1, "00123").unwrap();
    sheet.write_datetime_with_format(1, 2, &day, &format).unwrap();
    sheet.write_number(1, 3, 1200.5).unwrap();
    sheet.write_number(1, 4, 36.0).unwrap();
    sheet.write_string(1, 5, "=1+1").unwrap();
    sheet.write_string(3, 0, "X-2").unwrap(); // an empty row before it
    book.save(&file).unwrap();
    station.ok(&["asset", "import", text(&file)]);
    let details = &station.json(0, &["asset", "show", "X-1"])[0]["asset"]["details"];
    assert_eq!((&details["serial"], &details["purchase_date"]), (&"00123".into(), &"2024-03-01".into()));
    assert_eq!((&details["purchase_cost"]["minor"], &details["notes"]), (&"120050".into(), &"=1+1".into()));

    let out = station.path("out.xlsx");
    station.ok(&["asset", "export", "--out", text(&out)]);
    let second = register();
    second.ok(&["asset", "import", text(&out)]);
    assert_eq!(second.ok(&["asset", "export"]), station.ok(&["asset", "export"]));
    let again = second.path("again.csv");
    second.ok(&["asset", "export", "--out", text(&again)]);
    assert_eq!(std::fs::read_to_string(&again).unwrap(), second.ok(&["asset", "export"]));

    // Digits that the workbook has lost, an error, a tag that stands twice: none of it is taken.
    for (row, place) in [
        (&["B-1", "9007199254740993123", ""][..], "has lost digits"),
        (&["X-1", "", ""], "line 2, asset_tag: \"X-1\" stands in the register"),
    ] {
        let file = station.path("bad.xlsx");
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write_string(0, 0, "asset_tag").unwrap();
        sheet.write_string(0, 1, "serial").unwrap();
        sheet.write_string(1, 0, row[0]).unwrap();
        if let Ok(number) = row[1].parse::<f64>() {
            sheet.write_number(1, 1, number).unwrap();
        }
        book.save(&file).unwrap();
        let told = both(&station.expect(3, &["asset", "import", text(&file)]));
        assert!(told.contains(place) && told.contains("nothing was added"), "{place}: {told}");
    }
    std::fs::write(station.path("broken.xlsx"), b"PK\x03\x04 nothing of the kind").unwrap();
    let told = both(&station.expect(3, &["asset", "import", text(&station.path("broken.xlsx"))]));
    assert!(told.contains("cannot be read"), "{told}");
    assert_eq!(station.json(0, &["asset", "list"]).len(), 2);
}

#[test]
fn a_sheet_of_another_system_is_read_by_its_mapping_and_encoding() {
    let station = register();
    let mapping = station.path("map.toml");
    std::fs::write(
        &mapping,
        "currency = \"EUR\"\ndecimal_comma = true\nday = \"%d.%m.%Y\"\nignore = [\"Lfd. Nr.\"]\n\
         [columns]\n\"Inventarnummer\" = \"asset_tag\"\n\"Standort\" = \"location\"\n\"Preis\" = \"purchase_cost\"\n\"Kauf\" = \"purchase_date\"\n\"Zustand\" = \"status\"\n\
         [status]\n\"im Einsatz\" = \"utilization\"\n",
    )
    .unwrap();
    let sheet = "Lfd. Nr.;Inventarnummer;Standort;Preis;Kauf;Zustand\n1;D-1;München;1.234,50;31.12.2024;Im Einsatz\n";
    let latin: Vec<u8> = sheet.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let utf16: Vec<u8> =
        [0xfeff_u16].into_iter().chain(sheet.replace("D-1", "D-2").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (first, second) = (station.path("latin.csv"), station.path("wide.csv"));
    std::fs::write(&first, latin).unwrap();
    std::fs::write(&second, utf16).unwrap();
    let told = both(&station.expect(3, &["asset", "import", text(&first), "--mapping", text(&mapping)]));
    assert!(told.contains("line 2: the line is not UTF-8") && told.contains("--encoding"), "{told}");
    station.ok(&["asset", "import", text(&first), "--mapping", text(&mapping), "--encoding", "windows-1252"]);
    station.ok(&["asset", "import", text(&second), "--mapping", text(&mapping)]);
    for tag in ["D-1", "D-2"] {
        let asset = &station.json(0, &["asset", "show", tag])[0]["asset"];
        assert_eq!((&asset["location"], &asset["stage"]), (&"München".into(), &"utilization".into()), "{asset}");
        let details = &asset["details"];
        assert_eq!(
            (&details["purchase_cost"]["minor"], &details["purchase_date"]),
            (&"123450".into(), &"2024-12-31".into())
        );
        assert_eq!(details["custom"], serde_json::json!({}));
    }
    std::fs::write(&mapping, "[status]\nx = \"gone\"\n").unwrap();
    let told = both(&station.expect(3, &["asset", "import", text(&first), "--mapping", text(&mapping)]));
    assert!(told.contains("there is no stage"), "{told}");
}

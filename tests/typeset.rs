//! A template becomes a PDF/A-3 that carries its files unchanged, and the same bytes each time.
#![allow(clippy::unwrap_used, clippy::panic)]

use chrono::{DateTime, Utc};
use lastwrite::typeset::{Attached, Document, Relationship, TypesetError};
use lopdf::{Document as Read, Object};
use serde_json::{Value, json};

const TEMPLATE: &str = r#"#let d = json("/data.json")
#set page(paper: "a4")
= #d.heading
#d.words
#image("/logo.svg", alt: "a square", width: 1cm)
"#;
const LOGO: &[u8] =
    br##"<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10" fill="#123456"/></svg>"##;

fn at() -> DateTime<Utc> {
    "2026-03-01T12:30:45Z".parse().unwrap()
}

fn document<'a>(template: &'a str, data: &'a Value, attached: &'a [Attached<'a>]) -> Document<'a> {
    Document {
        title: "A test",
        author: "Example Org",
        language: "en",
        at: at(),
        ident: "test-1",
        template,
        data,
        files: &[("logo.svg", LOGO)],
        attached,
    }
}

fn text_of(read: &Read) -> String {
    let pages: Vec<u32> = read.get_pages().keys().copied().collect();
    read.extract_text(&pages).unwrap()
}

#[test]
fn what_is_attached_comes_out_byte_for_byte_and_the_pdf_says_what_it_is() {
    let data = json!({ "heading": "Heading", "words": "Größe 5 µm — Ελλάδα, Київ" });
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let attached = [Attached {
        name: "evidence.jws.json",
        media_type: "application/jose+json",
        description: "the signed document",
        relationship: Relationship::Source,
        bytes: &bytes,
    }];
    let pdf = document(TEMPLATE, &data, &attached).pdf().unwrap();
    assert_eq!(pdf.conformance, "PDF/A-3a");
    assert_eq!(document(TEMPLATE, &data, &attached).pdf().unwrap(), pdf, "the same input, the same bytes");

    let read = Read::load_mem(&pdf.bytes).unwrap();
    assert_eq!(read.get_pages().len(), 1);
    let words = text_of(&read);
    assert!(words.contains("Heading") && words.contains("Größe 5 µm"), "{words}");
    let catalog = read.catalog().unwrap();
    let metadata = read.dereference(catalog.get(b"Metadata").unwrap()).unwrap().1.as_stream().unwrap();
    let xmp = String::from_utf8(metadata.get_plain_content().unwrap_or_else(|_| metadata.content.clone())).unwrap();
    assert!(xmp.contains("<pdfaid:part>3</pdfaid:part>") && xmp.contains("2026-03-01T12:30:45+00:00"), "{xmp}");
    let files: Vec<&Object> =
        catalog.get(b"AF").and_then(|o| read.dereference(o)).unwrap().1.as_array().unwrap().iter().collect();
    assert_eq!(files.len(), 1);
    let file = read.dereference(files[0]).unwrap().1.as_dict().unwrap();
    assert_eq!(file.get(b"AFRelationship").unwrap().as_name().unwrap(), b"Source");
    let stream = file.get(b"EF").unwrap().as_dict().unwrap().get(b"F").unwrap();
    let stream = read.dereference(stream).unwrap().1.as_stream().unwrap();
    assert_eq!(stream.get_plain_content().unwrap(), bytes);
}

#[test]
fn characters_without_a_font_and_tricks_with_direction_are_spelt_out() {
    let data = json!({ "heading": "a\u{202e}b\u{0}c\u{e000}", "words": "plain" });
    let pdf = document(TEMPLATE, &data, &[]).pdf().unwrap();
    let words = text_of(&Read::load_mem(&pdf.bytes).unwrap());
    for spelt in ["<U+202E>", "<U+0000>", "<U+E000>"] {
        assert!(words.contains(spelt), "{spelt}: {words}");
    }
    // A script that the embedded fonts lack is taken from the machine or spelt out; never an error.
    let data = json!({ "heading": "中文 عربى 🦀", "words": "plain" });
    document(TEMPLATE, &data, &[]).pdf().unwrap();
}

#[test]
fn data_is_text_and_never_runs() {
    let data = json!({ "heading": "#panic(\"x\") $x$ *b* \\", "words": "#read(\"/etc/passwd\")" });
    let pdf = document(TEMPLATE, &data, &[]).pdf().unwrap();
    let words = text_of(&Read::load_mem(&pdf.bytes).unwrap());
    assert!(words.contains("#panic") && words.contains("*b*") && words.contains("/etc/passwd"), "{words}");
}

#[test]
fn a_wrong_template_names_its_line_and_reads_nothing_of_the_machine() {
    let data = json!({ "heading": "H" });
    match document(TEMPLATE, &data, &[]).pdf() {
        Err(TypesetError::Template(told)) => assert!(told[0].starts_with("line 4: "), "{told:?}"),
        other => panic!("{other:?}"),
    }
    for hostile in
        ["#read(\"/etc/hostname\")", "#read(\"/../../etc/hostname\")", "#import \"@preview/cetz:0.3.0\": canvas"]
    {
        let refused = document(hostile, &data, &[]).pdf();
        assert!(matches!(refused, Err(TypesetError::Template(_))), "{hostile}: {refused:?}");
    }
    let twice = [("logo.svg", LOGO), ("logo.svg", LOGO)];
    let two = Document { files: &twice, ..document("x", &data, &[]) };
    assert!(matches!(two.pdf(), Err(TypesetError::Input(_))));
}

#[test]
fn pages_are_pictures() {
    let data = json!({ "heading": "H", "words": "W" });
    let two = format!("{TEMPLATE}\n#pagebreak()\nsecond");
    let pages = document(&two, &data, &[]).pages().unwrap();
    assert_eq!(pages.len(), 2);
    assert!(pages.iter().all(|page| page.starts_with("<svg") && page.trim_end().ends_with("</svg>")));
}

//! Bundles that speak of media without proving them, on the page and in the program.

use lastwrite::certificate::document::*;
use lastwrite::sanitize::record::RunFacts;

use super::bundles::{Case, World, compare};
use super::*;

/// A case by its verdict: the program comes to it, and the page to the same.
fn agree(cases: Vec<(&str, Case)>) {
    let trust = trusted();
    for (expected, case) in &cases {
        let verified = case.by_program(&trust);
        let verdict = verified.as_ref().map_or("refused", |verified| word(verified.verdict));
        assert_eq!(verdict, *expected, "{}: {verified:#?}", case.name);
    }
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let cases: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
    let (differ, _) = compare(&browser, &page, &trust, &cases);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

fn of_sort(kind: DocumentType, document: &impl serde::Serialize, signers: &[(u8, Role)]) -> Vec<u8> {
    signed(&serde_json::to_vec(document).unwrap(), kind.typ(), signers)
}

/// Handed over and received.
fn received(media: Vec<HandedOver>) -> Vec<u8> {
    let signers = [(SENDER, Role::Transferor), (RECEIVER, Role::Receiver)];
    of_sort(DocumentType::Transfer, &Transfer { media, ..transfer() }, &signers)
}

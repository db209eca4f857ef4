//! Documents besides the certificate: good, contradicting, hostile, and what they say of each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod content;
mod gathered;
mod hostile;
#[path = "../common/places.rs"]
mod places;
mod related;
mod samples;

use lastwrite::certificate::Verdict;
use lastwrite::certificate::document::*;
use samples::*;

#[test]
fn a_good_document_of_each_sort_is_valid_and_can_be_shown() {
    for (kind, payload, signers) in all() {
        let bytes = signed(&payload, kind.typ(), &signers);
        let name = format!("{}.json", id(&bytes));
        let verified = verify_any(&bytes, Some(&name), Some(&trust()));
        assert_eq!(verified.verdict, Verdict::Valid, "{kind}: {:#?}", verified.failed().collect::<Vec<_>>());
        assert_eq!(verified.kind, Some(kind));
        assert_eq!(verify_any(&bytes, Some(&name), None).verdict, Verdict::ConsistentSignerUnknown, "{kind}");
        let text = show_document(&bytes).unwrap();
        assert!(text.starts_with(&kind.name().to_uppercase()) && text.contains(&id(&bytes)), "{text}");
        assert!(show_verified(&verified).contains("VALID: this"), "{kind}");
        insta::assert_snapshot!(format!("show_{}", kind.name().replace(' ', "_")), text);
    }
}

#[test]
fn the_run_documents_go_through_the_same_door() {
    let certificate = verify_any(&certificate(), None, Some(&trust()));
    assert_eq!((certificate.verdict, certificate.certifies()), (Verdict::Valid, true));
    let report = verify_any(&failure_report(), None, Some(&trust()));
    assert_eq!((report.verdict, report.certifies()), (Verdict::Valid, false));
    assert_eq!(verify_any(b"nonsense", None, Some(&trust())).verdict, Verdict::Invalid);
}

#[test]
fn only_what_says_that_media_are_empty_or_gone_certifies() {
    let certifies: Vec<_> = all()
        .into_iter()
        .filter(|(kind, payload, signers)| verify_any(&signed(payload, kind.typ(), signers), None, None).certifies())
        .map(|(kind, _, _)| kind)
        .collect();
    use DocumentType as T;
    assert_eq!(certifies, [T::Destruction, T::ComputerCertificate, T::LotCertificate]);
}

#[test]
fn the_program_signs_what_it_would_accept_and_the_same_twice() {
    use lastwrite::signed::Role;
    let first = seal(&revocation(), &[(&key(VALIDATOR), Role::Validator)], at(20)).unwrap();
    assert_eq!(seal(&revocation(), &[(&key(VALIDATOR), Role::Validator)], at(20)).unwrap(), first);
    assert_eq!(verify_any(&first.bytes, Some(&format!("{}.json", first.id)), Some(&trust())).verdict, Verdict::Valid);
    // Somebody else than the one who is named, another role, nobody.
    assert!(seal(&revocation(), &[(&key(OPERATOR), Role::Validator)], at(20)).is_err());
    assert!(seal(&revocation(), &[(&key(VALIDATOR), Role::Operator)], at(20)).is_err());
    assert!(matches!(seal(&revocation(), &[], at(20)), Err(SealError::Nobody)));
}

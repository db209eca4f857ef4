//! What documents say of media: which is proof, which ends another, what a list makes of them.

use lastwrite::certificate::Verdict;
use lastwrite::certificate::document::*;
use lastwrite::media::{AreaOutcome, CommandSet, Exchange, HiddenArea, Identity, Reply};
use lastwrite::sanitize::record::{HiddenAreas, Otherwise, Restored, RunFacts};
use lastwrite::signed::Role;
use lastwrite::units::Bytes;

use crate::related::judged;
use crate::samples::*;

#[test]
fn a_run_that_precedes_destruction_is_no_proof() {
    let trust = trust();
    let before = certificate_of(&before_destruction());
    let verified = verify_any(&before, None, Some(&trust));
    assert_eq!((verified.verdict, verified.certifies()), (Verdict::Valid, false));
    let related = Related::new([before.as_slice()], Some(&trust));
    let media = gather(&related, &[], &|_| true);
    assert_eq!((media.len(), media[0].standing), (1, Standing::WithoutProof));
    // It takes nothing from what is one.
    let (certificate, record) = (certificate(), destruction());
    let signers = [(OPERATOR, Role::Operator), (WITNESS, Role::Witness)];
    let record = signed(&serde_json::to_vec(&record).unwrap(), DocumentType::Destruction.typ(), &signers);
    for (proof, standing) in [(certificate, Standing::Sanitized), (record, Standing::Destroyed)] {
        let media = gather(&Related::new([before.as_slice(), &proof], Some(&trust)), &[], &|_| true);
        assert_eq!((media.len(), media[0].standing), (1, standing));
    }
}

/// The facts of a run on the drive with this many bytes, so many hours after the first; `before`, where it gave
/// hidden areas back first.
fn run(bytes: u64, hours: i64, before: Option<u64>) -> RunFacts {
    let mut facts = facts();
    let medium = &mut facts.medium;
    (medium.identity.size, medium.geometry.size) = (Bytes(bytes), Bytes(bytes));
    medium.identity_digest = medium.identity.digest();
    (facts.passes[0].written, facts.verification.matched, facts.verification.wanted) =
        (Bytes(bytes), Bytes(bytes), Bytes(bytes));
    facts.run_id = format!("{hours:032x}");
    facts.ended += chrono::TimeDelta::hours(hours);
    if let Some(before) = before {
        let area = HiddenArea {
            kind: "host_protected_area".into(),
            size: Some(Bytes(bytes - before)),
            note: "given back".into(),
            outcome: Some(AreaOutcome::GivenBack),
        };
        let exchange = Exchange {
            set: CommandSet::Ata,
            name: "SET MAX ADDRESS EXT".into(),
            command: String::new(),
            data_out: None,
            reply: Reply::NoRegisters,
            data_in: None,
            sent: facts.started,
            answered: facts.started,
        };
        let before = Identity { size: Bytes(before), ..facts.medium.identity.clone() };
        let restored = Restored { before, otherwise: Otherwise::Refuse, at: facts.started };
        facts.hidden_areas = HiddenAreas::Examined {
            by: "READ NATIVE MAX ADDRESS EXT".into(),
            areas: vec![area],
            exchanges: vec![exchange],
            restored: Some(Box::new(restored)),
        };
    }
    facts
}

fn of_another_drive(mut facts: RunFacts) -> RunFacts {
    let medium = &mut facts.medium;
    (medium.identity.serial, medium.identity.wwn) = (Some("ANOTHER".into()), None);
    medium.identity_digest = medium.identity.digest();
    facts
}

/// Everything about a drive that grew, in every order.
#[test]
fn a_drive_that_grew_is_one_medium_and_one_with_another_name_is_another() {
    const SMALL: u64 = 900 << 20;
    const MIDDLE: u64 = 950 << 20;
    const LARGE: u64 = 1000 << 20;
    let trust = trust();
    let gathered = |files: &[&Vec<u8>], expected: &[MediumName]| {
        let related = Related::new(files.iter().map(|file| file.as_slice()), Some(&trust));
        assert!(related.documents().iter().all(|v| v.verdict == Verdict::Valid));
        gather(&related, expected, &|_| true)
    };
    let (old, grown, later) = (
        certificate_of(&run(SMALL, 0, None)),
        certificate_of(&run(LARGE, 1, Some(SMALL))),
        certificate_of(&run(LARGE, 2, None)),
    );
    let media = gathered(&[&old, &grown, &later], &[]);
    assert_eq!((media.len(), media[0].standing), (1, Standing::Sanitized));
    assert_eq!(media[0].document.as_ref().unwrap().id, id(&later));
    assert_eq!(media[0].medium.size, Some(Bytes(LARGE)));
    assert_eq!(media[0].medium.digest, Some(run(LARGE, 2, None).medium.identity_digest));
    // Nothing says that these two are one.
    assert_eq!(gathered(&[&old, &later], &[]).len(), 2);
    // In two steps.
    let (first, second) = (certificate_of(&run(MIDDLE, 3, Some(SMALL))), certificate_of(&run(LARGE, 4, Some(MIDDLE))));
    for files in [[&old, &first, &second, &later], [&later, &second, &first, &old]] {
        let media = gathered(&files, &[]);
        assert_eq!((media.len(), media[0].document.as_ref().unwrap().id.clone()), (1, id(&second)));
    }
    // The list has the drive as its label does.
    let label = MediumName { digest: None, ..MediumName::of(&run(SMALL, 0, None).medium.identity, Some("A-1")) };
    let media = gathered(&[&grown], std::slice::from_ref(&label));
    assert_eq!((media.len(), media[0].standing), (1, Standing::Sanitized));
    assert_eq!((media[0].medium.size, media[0].medium.asset_tag.as_deref()), (Some(Bytes(LARGE)), Some("A-1")));
    // Another drive of the series with the serial number repeated.
    let mut other = run(SMALL, 5, None);
    other.medium.identity.wwn = Some("0x5002538f00000002".into());
    other.medium.identity_digest = other.medium.identity.digest();
    assert_eq!(gathered(&[&grown, &certificate_of(&other)], &[]).len(), 2);
}

#[test]
fn a_certificate_meets_the_later_failure_of_a_run_that_made_the_medium_larger_first() {
    const SMALL: u64 = 900 << 20;
    let old = certificate_of(&run(SMALL, 0, None));
    let failed = |before| failure_report_of(run(1000 << 20, 1, before));
    assert_eq!(judged(&old, &[failed(Some(SMALL))]), (Verdict::Invalid, vec!["later run"]));
    assert_eq!(judged(&old, &[failed(None)]).0, Verdict::Valid, "nothing says that it is the same drive");
    assert_eq!(judged(&old, &[failed(Some(SMALL - 512))]).0, Verdict::Valid);
}

/// Another dock, another vendor's name: the digest is another one, and the drive the same.
#[test]
fn a_failure_ends_what_certificates_before_it_say_whatever_the_dock_calls_the_drive() {
    let trust = trust();
    let docked = |hours: i64| {
        let mut facts = facts();
        facts.medium.identity.vendor = Some("Dock".into());
        facts.medium.identity_digest = facts.medium.identity.digest();
        facts.ended += chrono::TimeDelta::hours(hours);
        facts
    };
    let certificate = certificate();
    let failed = |hours| failure_report_of(docked(hours));
    let standing = |files: &[&Vec<u8>], counts: &dyn Fn(&str) -> bool| {
        let related = Related::new(files.iter().map(|file| file.as_slice()), Some(&trust));
        assert!(related.documents().iter().all(|v| v.verdict == Verdict::Valid));
        gather(&related, &[], counts).into_iter().map(|m| (m.standing, m.document.map(|d| d.id))).collect::<Vec<_>>()
    };
    let own = id(&certificate);
    let proven = vec![(Standing::Sanitized, Some(own.clone()))];
    assert_eq!(standing(&[&certificate, &failed(-1)], &|_| true), proven);
    // In the same second nobody knows which was first.
    for hours in [0, 1] {
        let failed = failed(hours);
        let told = vec![(Standing::Failed, Some(id(&failed)))];
        assert_eq!(standing(&[&certificate, &failed], &|_| true), told);
        // Also where it only lies beside; and of itself it is about no medium of the list.
        assert_eq!(standing(&[&certificate, &failed], &|id| id == own), told);
        assert!(standing(&[&failed], &|id| id == own).is_empty());
        let again = certificate_of(&docked(2));
        assert_eq!(standing(&[&certificate, &failed, &again], &|_| true), [(Standing::Sanitized, Some(id(&again)))]);
    }
}

/// Nothing is proven while it is not established whether somebody rejects it; who judges that apart is told of the rest.
#[test]
fn a_list_that_is_signed_has_no_proof_that_is_in_doubt() {
    let certificate = certificate();
    let rejected = validated(|v| v.decision = Decision::Rejected);
    let mut doubt = trust();
    doubt.find_mut(key(VALIDATOR).kid()).unwrap().revoked_at = Some(at(22));
    for (trust, firm, apart) in
        [(trust(), Standing::Rejected, Standing::Rejected), (doubt, Standing::WithoutProof, Standing::Sanitized)]
    {
        let related = Related::new([certificate.as_slice(), &rejected], Some(&trust));
        let own = id(&certificate);
        let counting: [&dyn Fn(&str) -> bool; 2] = [&|_| true, &|id| id == own];
        for counts in counting {
            assert_eq!(gather(&related, &[], counts)[0].standing, firm);
            assert_eq!(gather_from(&related, counts)[0].standing, apart);
        }
    }
}

/// The drive was used again before the second run: what somebody says against that is not made good by the first.
#[test]
fn an_older_certificate_does_not_cover_up_what_speaks_against_a_newer_one() {
    let trust = trust();
    let size = facts().medium.identity.size.0;
    let of_run = |hours| certificate_of(&run(size, hours, None));
    // Before and after the sample's reading.
    let (old, new, before, after) = (of_run(0), of_run(1), of_run(2), of_run(28));
    let about = |of: &Vec<u8>, decision| validated(|v| (v.document, v.decision) = (reference(of), decision));
    let rejected = about(&new, Decision::Rejected);
    let accepted = validated(|v| (v.document, v.replaces) = (reference(&new), Some(id(&rejected))));
    let revoked_by = |replaced_by| revoked(|r| (r.document, r.replaced_by) = (reference(&new), replaced_by));
    let (revoked, superseded) = (revoked_by(None), revoked_by(Some(reference(&old))));
    // What is of another drive takes no place of it.
    let other = certificate_of(&of_another_drive(run(size, 3, None)));
    let covered = revoked_by(Some(reference(&other)));
    let differs = read_again(|v| {
        (v.certificate, v.run_id) = (reference(&new), run(size, 1, None).run_id);
        v.matched.0 -= 512;
        v.result = VerificationResult::Mismatched;
    });
    let cases = [
        (vec![&old, &new], Standing::Sanitized, &new),
        (vec![&old, &new, &rejected], Standing::Rejected, &new),
        (vec![&old, &new, &rejected, &accepted], Standing::Sanitized, &new),
        (vec![&old, &new, &revoked], Standing::Revoked, &new),
        (vec![&old, &new, &superseded], Standing::Sanitized, &old),
        (vec![&old, &new, &covered, &other], Standing::Revoked, &new),
        (vec![&old, &new, &differs], Standing::Rejected, &new),
        (vec![&old, &new, &differs, &before], Standing::Rejected, &new),
        (vec![&old, &new, &differs, &after], Standing::Sanitized, &after),
    ];
    for (number, (files, standing, document)) in cases.into_iter().enumerate() {
        let related = Related::new(files.iter().map(|file| file.as_slice()), Some(&trust));
        assert!(related.documents().iter().all(|v| v.verdict == Verdict::Valid), "{number}");
        for media in [gather(&related, &[], &|_| true), gather_from(&related, &|_| true)] {
            let of_it = media.iter().find(|medium| medium.medium.serial == facts().medium.identity.serial).unwrap();
            let told = of_it.document.as_ref().map(|document| document.id.clone());
            assert_eq!((of_it.standing, told), (standing, Some(id(document))), "{number}");
        }
    }
    // It is enough that the rejection lies beside.
    let related = Related::new([&old, &new, &rejected].map(Vec::as_slice), Some(&trust));
    let own = id(&old);
    assert_eq!(gather_from(&related, &|id| id == own)[0].standing, Standing::WithoutProof);
}

#[test]
fn a_medium_on_which_a_run_fails_after_its_destruction_was_not_destroyed() {
    let trust = trust();
    let size = facts().medium.identity.size.0;
    // Before and after the sample's destruction; the third began before, and was given up afterwards.
    let begun = |hours| failure_report_of(later(run(size, 0, None), hours));
    let (before, after, given_up) = (begun(28), begun(32), failure_report_of(run(size, 29, None)));
    let last = begun(33);
    for (failures, because, standing) in [
        (vec![&before], None, Standing::Destroyed),
        (vec![&after], None, Standing::Failed),
        (vec![&given_up], None, Standing::Destroyed),
        // The clocks differ: nobody destroys it for what came later, nor for what came before that.
        (vec![&after], Some(reference(&after)), Standing::Destroyed),
        (vec![&after, &last], Some(reference(&last)), Standing::Destroyed),
        (vec![&after, &last], Some(reference(&after)), Standing::Failed),
    ] {
        let record = Destruction { because, ..destruction() };
        let signers = [(OPERATOR, Role::Operator), (WITNESS, Role::Witness)];
        let record = signed(&serde_json::to_vec(&record).unwrap(), DocumentType::Destruction.typ(), &signers);
        let files = failures.into_iter().chain([&record]).map(Vec::as_slice);
        let related = Related::new(files, Some(&trust));
        assert!(related.documents().iter().all(|v| v.verdict == Verdict::Valid));
        let media = gather(&related, &[], &|_| true);
        assert_eq!((media.len(), media[0].standing), (1, standing));
    }
}

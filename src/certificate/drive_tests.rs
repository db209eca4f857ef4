use super::*;
use crate::certificate::semantics::tests::facts;
use crate::media::Reach;
use crate::policy::Method;
use crate::sanitize::record::{Failure, FoundFacts, KnownContent, PathFacts, ReachedReading, StepTaken};
use crate::units::Sectors;

const SANITIZE: &str = "840000000000000002000000000000000000000000000000000000000000";
/// SPROG FFFFh, SSTAT 0101h, SCDW10 2.
const LOG: &str = "ffff010102";

fn exchange(name: &str, command: &str, data_in: Option<&str>) -> Exchange {
    let at = facts().started;
    Exchange {
        set: CommandSet::Nvme,
        name: name.to_owned(),
        command: command.to_owned(),
        data_out: None,
        reply: Reply::Nvme { status: "0".into(), result: "00000000".into() },
        data_in: data_in.map(str::to_owned),
        sent: at,
        answered: at,
    }
}

fn status(log: &str) -> Exchange {
    exchange("Get Log Page (Sanitize Status)", "02ffffffff007f0081", Some(log))
}

/// The facts of a run in which an NVMe drive erased itself.
pub fn erased() -> RunFacts {
    let mut facts = facts();
    facts.technique = "nvme-sanitize-block".into();
    facts.scheme.name = facts.technique.clone();
    (facts.attained, facts.requested) = (Some(Method::Purge), Method::Purge);
    facts.proven = Proven::ErasedFullRead;
    facts.passes.clear();
    facts.policy = None;
    let gone = |n| KnownContent { known: n, gone: n };
    facts.firmware = Some(FirmwareFacts {
        path: PathFacts { set: CommandSet::Nvme, identity_agrees: Some(true), returns_status: true, notes: Vec::new() },
        reach: Reach::Subsystem,
        also: Vec::new(),
        unattached: Vec::new(),
        exchanges: vec![status("ffff"), exchange("Sanitize", SANITIZE, None), status("1234020002"), status(LOG)],
        sent: Some(facts.started),
        ended: Some(facts.ended),
        estimate_seconds: Some(60),
        status: Some("SSTAT 0101h, SCDW10 00000002h".into()),
        canaries: gone(256),
        samples: gone(100),
        blank_samples: 156,
        found: Some(FoundFacts { zeros: Sectors(1_953_525_168), ones: Sectors(0), other: Sectors(0) }),
        cleaned_up: None,
    });
    facts
}

fn refused(change: impl FnOnce(&mut RunFacts)) -> String {
    let mut facts = erased();
    change(&mut facts);
    check(&facts).expect_err("a contradiction that was not found")
}

fn drive(facts: &mut RunFacts) -> &mut FirmwareFacts {
    facts.firmware.as_mut().expect("they are there")
}

#[test]
fn true_facts_pass_and_every_contradiction_is_found() {
    assert!(check(&erased()).is_ok(), "{:?}", check(&erased()));
    assert!(check(&facts()).is_ok());
    let has = |words: &str, change: fn(&mut RunFacts)| {
        let why = refused(change);
        assert!(why.contains(words), "{words:?}: {why}");
    };
    has("without a word", |f| f.firmware = None);
    has("passes are listed", |f| f.passes = facts().passes);
    has("no technique of the drive's own", |f| f.technique = "overwrite".into());
    has("no technique of the drive's own", |f| f.proven = Proven::FullReadback);
    has("scheme is another one", |f| f.scheme.name = "random".into());
    has("did not return the drive's status", |f| drive(f).path.returns_status = false);
    has("another serial number", |f| drive(f).path.identity_agrees = Some(false));
    has("last word", |f| drive(f).status = None);
    has("when the command was sent", |f| drive(f).sent = None);
    has("no known content", |f| drive(f).canaries = KnownContent::default());
    has("255 of 256", |f| drive(f).canaries.gone = 255);
    has("samples are gone", |f| drive(f).samples.gone = 99);
    has("blocks are told of", |f| {
        drive(f).found = Some(FoundFacts { zeros: Sectors(1), ones: Sectors(0), other: Sectors(0) })
    });
    has("no command of nvme-sanitize-block", |f| {
        drive(f).exchanges.remove(1);
    });
    has("no command of nvme-sanitize-crypto", |f| {
        f.technique = "nvme-sanitize-crypto".into();
        f.scheme.name = f.technique.clone();
    });
    has("rejected Sanitize", |f| {
        drive(f).exchanges[1].reply = Reply::Nvme { status: "4002".into(), result: "00000000".into() };
    });
    // What the host answered for it, and what was broken off: the log says what became of it, and nothing else does.
    for status in ["370", "4371", "5", "7", "8", "401d"] {
        let mut facts = erased();
        drive(&mut facts).exchanges[1].reply = Reply::Nvme { status: status.into(), result: "00000000".into() };
        assert!(check(&facts).is_ok(), "{status}: {:?}", check(&facts));
        drive(&mut facts).exchanges.pop();
        assert!(check(&facts).is_err(), "{status}");
    }
    has("SSTAT 0002h", |f| {
        drive(f).exchanges.pop();
    });
    has("of another Sanitize", |f| drive(f).exchanges[3] = status("ffff010104"));
    has("log is missing", |f| drive(f).exchanges.truncate(2));
    has("the command reaches one", |f| (drive(f).unattached, drive(f).reach) = (vec![2], Reach::Unit));
    has("not in order", |f| drive(f).unattached = vec![3, 2]);
    has("not in order", |f| drive(f).unattached = vec![0]);
    let mut named = erased();
    drive(&mut named).unattached = vec![2, 3];
    assert!(check(&named).is_ok());
}

#[test]
fn what_was_erased_along_was_not_read_or_all_of_it_was() {
    let along = |change: fn(&mut ReachedReading)| {
        let mut facts = erased();
        let mut identity = facts.medium.identity.clone();
        (identity.unit, identity.size) = (Some("boot0".into()), crate::units::Bytes(4096));
        let known = |n| KnownContent { known: n, gone: n };
        let found = FoundFacts { zeros: Sectors(8), ones: Sectors(0), other: Sectors(0) };
        let mut read = ReachedReading { canaries: known(16), samples: known(0), found };
        change(&mut read);
        let identity_digest = identity.digest();
        drive(&mut facts).also =
            vec![ReachedFacts { identity, identity_digest, path: "/dev/mmcblk0boot0".into(), read: Some(read) }];
        facts
    };
    let good = along(|_| {});
    assert_eq!(check(&good).map(|_| ()), Ok(()));
    let says = crate::certificate::statement::statement(crate::certificate::payload::DocumentKind::Certificate, &good);
    assert!(says.join(" ").contains("(boot0) as well, of which known content is gone"), "{says:?}");
    for (facts, why) in [
        (along(|read| read.canaries.gone = 15), "15 of 16 blocks of known content of /dev/mmcblk0boot0"),
        (along(|read| read.samples.known = 1), "0 of 1 samples"),
        (along(|read| read.canaries = KnownContent::default()), "no known content was written to"),
        (along(|read| read.found.zeros = Sectors(7)), "7 blocks of /dev/mmcblk0boot0"),
    ] {
        let found = check(&facts).unwrap_err();
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn the_answer_may_only_be_lost_in_an_interruption() {
    let mut facts = erased();
    drive(&mut facts).exchanges.remove(1);
    assert!(check(&facts).is_err());
    let at = facts.started;
    facts.resumed.push(crate::sanitize::record::ResumeFacts {
        at,
        path: "/dev/nvme0n1".into(),
        pass: 0,
        stage: "nvme-sanitize-block".into(),
        offset: crate::units::Bytes(0),
    });
    assert!(check(&facts).is_ok());
}

#[test]
fn steps_down_lead_from_one_to_the_next_and_end_here() {
    let step = |from: &str, to: &str| StepTaken {
        from: from.into(),
        to: to.into(),
        failure: Failure { code: "rejected".into(), message: "m".into(), advice: "a".into() },
        at: facts().started,
        exchanges: Vec::new(),
    };
    let with = |steps: Vec<StepTaken>| check(&RunFacts { steps_down: steps, ..erased() });
    assert!(
        with(vec![
            step("nvme-format-user", "nvme-sanitize-crypto"),
            step("nvme-sanitize-crypto", "nvme-sanitize-block")
        ])
        .is_ok()
    );
    assert!(with(vec![step("nvme-sanitize-crypto", "overwrite")]).is_err());
    assert!(
        with(vec![step("nvme-format-user", "overwrite"), step("nvme-sanitize-crypto", "nvme-sanitize-block")]).is_err()
    );
}

/// As the kernel's driver answers: the status flags before, the revert, the status flags after it.
#[test]
fn a_revert_is_told_by_its_name_and_locking_is_off_after_it() {
    let opal = |name: &str, code: &str| Exchange {
        set: CommandSet::Opal,
        reply: Reply::Opal { code: code.to_owned() },
        ..exchange(name, "", None)
    };
    let reverted = |change: fn(&mut Vec<Exchange>)| {
        let mut facts = erased();
        facts.technique = "opal-psid-revert".into();
        facts.scheme.name = facts.technique.clone();
        drive(&mut facts).path.set = CommandSet::Opal;
        let exchanges = &mut drive(&mut facts).exchanges;
        *exchanges = vec![opal(OPAL_STATUS, "7"), opal(PSID_REVERT, "0"), opal(OPAL_STATUS, "3")];
        change(exchanges);
        check(&facts)
    };
    assert_eq!(
        reverted(|_| ()),
        Ok("IOC_OPAL_PSID_REVERT_TPR was sent; 256 blocks of known content and 100 samples are gone".into())
    );
    for (change, why) in [
        (
            (|e| e[1].reply = Reply::Opal { code: "1".into() }) as fn(&mut Vec<Exchange>),
            "rejected IOC_OPAL_PSID_REVERT_TPR",
        ),
        (|e| drop(e.remove(1)), "no command of opal-psid-revert"),
        (|e| drop(e.pop()), "Opal status after the revert is missing"),
        (|e| e[2].reply = Reply::Failed { error: "gone".into() }, "Opal status after the revert is missing"),
        (|e| e[2].reply = Reply::Opal { code: "7".into() }, "does not say that locking is off"),
        (|e| e[2].reply = Reply::Opal { code: "b".into() }, "does not say that locking is off"),
        (|e| e[2].reply = Reply::Opal { code: "+3".into() }, "does not say that locking is off"),
        (|e| e[2].reply = Reply::Opal { code: "000000003".into() }, "does not say that locking is off"),
    ] {
        let found = reverted(change).unwrap_err();
        assert!(found.contains(why), "{why:?}: {found}");
    }
}

#[test]
fn only_the_techniques_own_command_erases() {
    let erases = |technique, command: &str| erases(technique, &exchange("x", command, None));
    let sanitize = "840000000000000002000000000000000000000000000000000000000000";
    assert!(erases(Technique::NvmeSanitizeBlock, sanitize));
    assert!(!erases(Technique::NvmeSanitizeCrypto, sanitize));
    // With an NSID it is no Sanitize of the subsystem.
    assert!(!erases(Technique::NvmeSanitizeBlock, "84000000010000000200"));
    assert!(erases(Technique::NvmeFormatUser, "80000000010000020000"));
    assert!(!erases(Technique::NvmeFormatUser, "80000000010000000000"), "SES 0 erases nothing");
    assert!(erases(Technique::AtaSanitizeBlock, "001200000000426b457240b4"));
    assert!(!erases(Technique::AtaSanitizeCrypto, "001200000000426b457240b4"));
    assert!(erases(Technique::ScsiSanitizeOverwrite, "48810000000000000800"));
    assert!(!erases(Technique::Overwrite, sanitize) && !erases(Technique::NvmeSanitizeBlock, ""));
}

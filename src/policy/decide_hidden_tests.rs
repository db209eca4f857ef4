//! What a policy takes that wants nothing left hidden.

use super::*;

#[test]
fn a_policy_that_takes_nothing_hidden_takes_what_is_given_back_first() {
    let mut policy = InForce::builtin().unwrap();
    policy.policy.hidden_areas.rule = HiddenAreaRule::Refused;
    let with =
        |hidden_areas| plan(&PolicyRequest { policy: &policy, hidden_areas, ..request("random", Full, Kind::Hdd) });
    assert!(with(HiddenAreaState::GivenBackFirst).is_ok());
    assert!(with(HiddenAreaState::Open).is_ok());
    let refused = with(HiddenAreaState::Closed("an HPA, 5 MB".to_owned())).unwrap_err().to_string();
    assert!(refused.contains("an HPA, 5 MB") && refused.contains("--restore-hidden"), "{refused}");
}

/// Only what reaches all of the medium is left, also further down the ladder.
#[test]
fn a_policy_that_takes_nothing_hidden_takes_what_reaches_it() {
    let mut policy = InForce::builtin().unwrap();
    policy.policy.hidden_areas.rule = HiddenAreaRule::Refused;
    policy.policy.techniques.step_down = StepDown::LowerMethod;
    let offer = |technique| Offer { technique, obstacle: None, reaches_closed: false };
    use Technique as T;
    let nvme = [T::NvmeFormatUser, T::NvmeSanitizeBlock, T::NvmeSanitizeCrypto, T::Overwrite].map(offer);
    let closed = || HiddenAreaState::Closed("unallocated capacity, 5 MB".to_owned());
    let base = PolicyRequest {
        policy: &policy,
        hidden_areas: closed(),
        offers: &nvme,
        step_down: StepDown::LowerMethod,
        wanted: Wanted::Strongest,
        ..request("random", Full, Kind::Nvme)
    };
    for hidden_areas in [closed(), HiddenAreaState::NotExamined("no TNVMCAP".to_owned())] {
        let decision = plan(&PolicyRequest { hidden_areas, ..base.clone() }).unwrap();
        let ladder: Vec<_> = decision.ladder.iter().map(|rung| rung.technique).collect();
        assert_eq!(ladder, [T::NvmeSanitizeBlock, T::NvmeSanitizeCrypto]);
        assert!(decision.passed_over.iter().any(|p| p.technique == T::Overwrite && p.why.contains("does not reach")));
    }
    // With nothing hidden all of them are there.
    let open = plan(&PolicyRequest { hidden_areas: HiddenAreaState::Open, ..base.clone() }).unwrap();
    assert!(open.ladder.len() > 2);
    // What does not reach it is refused, and what would is named.
    for technique in [T::Overwrite, T::NvmeFormatUser] {
        let refused = plan(&PolicyRequest { wanted: Wanted::Technique(technique), ..base.clone() }).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("unallocated capacity, 5 MB. Use nvme-sanitize-block or nvme-sanitize-crypto"), "{text}");
    }
    // A sanitize that is not possible now reaches nothing.
    let frozen = [
        Offer { technique: T::NvmeSanitizeBlock, obstacle: Some("in use".to_owned()), reaches_closed: false },
        offer(T::Overwrite),
    ];
    let refused = plan(&PolicyRequest { offers: &frozen, ..base.clone() }).unwrap_err().to_string();
    assert!(refused.contains("--restore-hidden"), "{refused}");
    // ACS and SBC do not say that SANITIZE reaches an HPA, or what a block descriptor took.
    for technique in [T::AtaSanitizeBlock, T::ScsiSanitizeBlock] {
        let offers = [offer(technique)];
        let kind = if technique.way() == Way::Ata { Kind::SataSsd } else { Kind::SasSsd };
        let storage = Storage::of(kind, MediumClass::Physical, Some(false));
        assert!(plan(&PolicyRequest { offers: &offers, kind, storage, ..base.clone() }).is_err(), "{technique}");
    }
}

/// What a technique reaches is said by the medium as well: a card erases its boot partitions with the rest, or they
/// were to be left out.
#[test]
fn a_policy_that_takes_nothing_hidden_takes_a_card_that_erases_its_boot_partitions() {
    let mut policy = InForce::builtin().unwrap();
    policy.policy.hidden_areas.rule = HiddenAreaRule::Refused;
    use Technique as T;
    let with = |reaches_closed| {
        let offers = [(T::MmcSecureErase, reaches_closed), (T::Overwrite, false)]
            .map(|(technique, reaches_closed)| Offer { technique, obstacle: None, reaches_closed });
        plan(&PolicyRequest {
            policy: &policy,
            hidden_areas: HiddenAreaState::Closed("boot partitions, 8 MB".to_owned()),
            offers: &offers,
            wanted: Wanted::Strongest,
            storage: Storage::of(Kind::Emmc, MediumClass::Physical, Some(false)),
            ..request("random", Full, Kind::Emmc)
        })
    };
    let decision = with(true).unwrap();
    assert_eq!(decision.ladder.iter().map(|rung| rung.technique).collect::<Vec<_>>(), [T::MmcSecureErase]);
    assert!(with(false).unwrap_err().to_string().contains("boot partitions, 8 MB"));
}

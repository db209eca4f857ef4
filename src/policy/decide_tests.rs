use std::sync::LazyLock;

use super::*;
use crate::policy::{READY, Ready};
use crate::scheme::{catalogue, find};

static POLICIES: LazyLock<Vec<InForce>> =
    LazyLock::new(|| READY.iter().map(|ready| InForce::ready(ready.id).unwrap()).collect());
static HOST: LazyLock<Vec<Offer>> = LazyLock::new(host_writing);

fn request(scheme: &str, verification: VerificationLevel, kind: Kind) -> PolicyRequest<'static> {
    PolicyRequest {
        policy: &POLICIES[0],
        category: None,
        route: None,
        wanted: Wanted::Method(Method::Clear),
        scheme: find(scheme).unwrap(),
        verification,
        kind,
        class: MediumClass::Physical,
        storage: Storage::of(kind, MediumClass::Physical, None),
        scope: Scope::WholeMedium,
        offers: &HOST,
        hidden_areas: HiddenAreaState::NotExamined("HPA, DCO were not examined".to_owned()),
        step_down: StepDown::Never,
        operator: OperatorStanding::Claimed,
        before_destruction: false,
    }
}

use VerificationLevel::{Full, None as Nothing, Quick, Sample};

const KINDS: [Kind; 11] = [
    Kind::Hdd,
    Kind::SataSsd,
    Kind::SasSsd,
    Kind::Nvme,
    Kind::Usb,
    Kind::Emmc,
    Kind::Sd,
    Kind::Ufs,
    Kind::Virtual,
    Kind::Image,
    Kind::Unknown,
];

#[test]
fn an_overwrite_attains_clear_and_nothing_more_whatever_the_medium() {
    for kind in KINDS {
        for scheme in catalogue() {
            let decision = plan(&request(scheme.name, Full, kind)).unwrap();
            assert_eq!((decision.requested, decision.attainable), (Method::Clear, Method::Clear));
            let purge = PolicyRequest { wanted: Wanted::Method(Method::Purge), ..request(scheme.name, Full, kind) };
            let refusal = plan(&purge).unwrap_err();
            assert!(matches!(refusal, Refusal::MethodNotAttainable { method: Method::Purge, demanded: None, .. }));
            let destroy = PolicyRequest { wanted: Wanted::Method(Method::Destroy), ..purge };
            assert_eq!(plan(&destroy).unwrap_err(), Refusal::DestroyBySoftware);
        }
    }
}

#[test]
fn the_scheme_has_a_say_in_verification() {
    let level = |scheme: &str, asked| plan(&request(scheme, asked, Kind::Hdd)).map(|d| d.verification).ok();
    for (scheme, none, sample, full) in [
        ("random", Some(Nothing), Some(Sample), Some(Full)),
        ("dod-e", Some(Nothing), Some(Sample), Some(Full)),
        ("is5-baseline", Some(Nothing), Some(Sample), Some(Full)),
        ("is5-enhanced", None, Some(Full), Some(Full)),
        ("ops-ii", None, Some(Full), Some(Full)),
        ("afssi-5020", None, Some(Sample), Some(Full)),
        ("ncsc-tg-025", None, Some(Sample), Some(Full)),
        ("badblocks", None, Some(Sample), Some(Full)),
    ] {
        assert_eq!(
            [level(scheme, Nothing), level(scheme, Sample), level(scheme, Full)],
            [none, sample, full],
            "{scheme}"
        );
    }
}

#[test]
fn a_level_is_never_lowered() {
    for scheme in catalogue() {
        for asked in [Nothing, Quick, Sample, Full] {
            if let Ok(decision) = plan(&request(scheme.name, asked, Kind::Nvme)) {
                assert!(decision.verification >= asked, "{}", scheme.name);
            }
        }
    }
}

#[test]
fn refusals_name_the_rule_and_the_way_out() {
    let refusal = plan(&request("is5-enhanced", Nothing, Kind::Hdd)).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "refused: HMG Infosec Standard 5, Enhanced demands verification (every byte of the last pass, mandatory), and \
         `none` was requested. Use `--verify full`, or a scheme without that rule"
    );
    let purge = PolicyRequest { wanted: Wanted::Method(Method::Purge), ..request("zero", Full, Kind::SataSsd) };
    let text = plan(&purge).unwrap_err().to_string();
    assert!(text.contains("Purge was requested") && text.contains("attains only Clear"), "{text}");
    assert!(text.contains("on a SATA SSD") && text.contains("request clear"), "{text}");
}

#[test]
fn a_raised_level_says_so() {
    let decision = plan(&request("ops-ii", Sample, Kind::Hdd)).unwrap();
    assert!(decision.reasons.iter().any(|r| r.contains("raised from sample to full")), "{:?}", decision.reasons);
}

#[test]
fn warnings_fit_the_medium() {
    let warned = |request: PolicyRequest<'_>, of: &str| {
        let warnings = plan(&request).unwrap().warnings;
        warnings.iter().any(|w| w.contains(of))
    };
    assert!(warned(request("gutmann", Full, Kind::Nvme), "35 passes on flash"));
    assert!(warned(request("dod-e", Full, Kind::Hdd), "one pass suffices"));
    assert!(plan(&request("random", Full, Kind::Hdd)).unwrap().warnings.is_empty(), "the ordinary case is quiet");
    assert!(warned(request("random", Nothing, Kind::Hdd), "completion only"));
    assert!(warned(request("dod-e", Nothing, Kind::Hdd), "expects the last pass to be verified"));
    assert!(warned(request("random", Full, Kind::SataSsd), "A SATA SSD keeps spare"));
    assert!(warned(request("random", Full, Kind::Sd), "nist-clear-flash"));
    assert!(!warned(request("nist-clear-flash", Full, Kind::Sd), "passes on flash"));
    assert!(warned(request("zero", Quick, Kind::Hdd), "no representative sampling"));
    assert!(warned(request("zero", Full, Kind::Usb), "USB bridge"));
    assert!(warned(PolicyRequest { scope: Scope::Partition, ..request("zero", Full, Kind::Hdd) }, "one partition"));
    let image = PolicyRequest { class: MediumClass::Image, ..request("zero", Full, Kind::Image) };
    assert!(warned(image, "closes no physical asset"));
}

fn offers(kind: Kind) -> Vec<Vec<Offer>> {
    let free = |techniques: &[Technique]| -> Vec<Offer> {
        techniques.iter().map(|t| Offer { technique: *t, obstacle: None, reaches_closed: false }).collect()
    };
    use Technique as T;
    let mut sets = vec![host_writing(), Vec::new()];
    sets.push(match kind {
        Kind::Nvme => free(&[T::NvmeSanitizeBlock, T::NvmeSanitizeCrypto, T::NvmeFormatUser, T::Overwrite]),
        Kind::Emmc => free(&[T::MmcSecureErase, T::MmcSanitize, T::Overwrite]),
        Kind::SasSsd => free(&[T::ScsiSanitizeBlock, T::ScsiSanitizeOverwrite, T::ScsiFormat, T::Overwrite]),
        _ => free(&[T::AtaSanitizeOverwrite, T::AtaSanitizeCrypto, T::AtaSecurityEraseEnhanced, T::Overwrite]),
    });
    let mut frozen = sets[2].clone();
    for offer in &mut frozen {
        if offer.technique != T::Overwrite {
            offer.obstacle = Some("the drive is frozen; suspend and wake the machine".to_owned());
        }
    }
    sets.push(frozen);
    sets
}

/// Among the techniques those that are offered, one that is not, and one for a machine.
fn wishes(offers: &[Offer]) -> Vec<Wanted> {
    let mut all = vec![
        Wanted::Least,
        Wanted::Strongest,
        Wanted::Method(Method::Clear),
        Wanted::Method(Method::Purge),
        Wanted::Method(Method::Destroy),
    ];
    all.extend(offers.iter().map(|offer| Wanted::Technique(offer.technique)));
    all.extend([Technique::OpalPsidRevert, Technique::Degauss].map(Wanted::Technique));
    all
}

/// Every policy x category x route x wish x kind x offers x level x step down x operator x hidden areas x
/// destruction: what comes out keeps the policy's rules, or is a refusal that names rule and way out.
#[test]
fn the_whole_decision_space() {
    let some = |all: &[Category]| std::iter::once(None).chain(all.iter().copied().map(Some)).collect::<Vec<_>>();
    let routes: Vec<Option<Route>> = std::iter::once(None).chain(Route::ALL.map(Some)).collect();
    let (mut plans, mut refusals) = (0u64, 0u64);
    let mut texts = std::collections::BTreeSet::new();
    for policy in POLICIES.iter() {
        for kind in [Kind::Hdd, Kind::SasSsd, Kind::Nvme, Kind::Emmc, Kind::Usb, Kind::Image] {
            let class = if kind == Kind::Image { MediumClass::Image } else { MediumClass::Physical };
            for offers in &offers(kind) {
                for category in some(&Category::ALL) {
                    for route in &routes {
                        for wanted in wishes(offers) {
                            for (verification, step_down, operator, hidden, before) in settings() {
                                let request = PolicyRequest {
                                    policy,
                                    category,
                                    route: *route,
                                    wanted,
                                    verification,
                                    class,
                                    storage: Storage::of(kind, class, None),
                                    offers,
                                    hidden_areas: hidden,
                                    step_down,
                                    operator,
                                    before_destruction: before,
                                    ..request("random", Full, kind)
                                };
                                match plan(&request) {
                                    Ok(decision) => {
                                        plans += 1;
                                        holds(&request, &decision);
                                    }
                                    Err(refusal) => {
                                        refusals += 1;
                                        let text = refusal.to_string();
                                        if !texts.contains(&text) {
                                            reads_well(&request, &refusal, &text);
                                            texts.insert(text);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(plans > 20_000 && refusals > 100_000, "{plans} plans, {refusals} refusals");
}

type Setting = (VerificationLevel, StepDown, OperatorStanding, HiddenAreaState, bool);

/// Each setting with the others as usual, and some together.
fn settings() -> Vec<Setting> {
    use OperatorStanding::{Claimed, Nobody, OwnKey};
    let open = HiddenAreaState::Open;
    let closed = || HiddenAreaState::Closed("4 GiB behind a locked DCO cannot be opened".to_owned());
    vec![
        (Full, StepDown::Never, Claimed, open.clone(), false),
        (Full, StepDown::Never, OwnKey, open.clone(), false),
        (Full, StepDown::Never, Nobody, open.clone(), false),
        (Full, StepDown::SameMethod, Claimed, open.clone(), false),
        (Full, StepDown::LowerMethod, OwnKey, open.clone(), false),
        (Sample, StepDown::LowerMethod, Claimed, open.clone(), false),
        (Quick, StepDown::Never, OwnKey, open.clone(), false),
        (Nothing, StepDown::Never, OwnKey, open.clone(), false),
        (Full, StepDown::Never, OwnKey, closed(), false),
        (Full, StepDown::Never, OwnKey, open, true),
        (Nothing, StepDown::LowerMethod, OwnKey, closed(), true),
    ]
}

fn holds(request: &PolicyRequest<'_>, decision: &Decision) {
    let policy = &request.policy.policy;
    let applied = &decision.applied;
    let told = || format!("{request:?} -> {decision:?}");
    assert_eq!(applied.contradiction(request.storage), None, "{}", told());
    assert_eq!(decision.attainable, decision.ladder[0].method);
    let category = request.category.or(policy.assume.category);
    let route = request.route.or(policy.assume.route);
    let minimum = category.zip(route).map(|(c, r)| policy.minimum(c, r));
    assert_eq!(applied.minimum, minimum, "{}", told());
    assert!(!policy.assume.nothing || minimum.is_some(), "{}", told());
    for rung in &decision.ladder {
        assert!(request.offers.iter().any(|o| o.technique == rung.technique && o.obstacle.is_none()), "{}", told());
        assert!(!rung.technique.is_physical() && rung.method < Method::Destroy, "{}", told());
        assert!(!policy.techniques.forbidden.contains(&rung.technique), "{}", told());
        assert_eq!(Some(rung.method), rated(policy, rung.technique, request.storage, category).method, "{}", told());
        if !request.before_destruction {
            assert!(Some(rung.method) >= minimum, "{}", told());
        }
        if request.step_down != StepDown::LowerMethod {
            assert!(rung.method >= decision.requested, "{}", told());
        }
    }
    assert!(request.step_down != StepDown::Never || decision.ladder.len() == 1, "{}", told());
    assert!(decision.attainable >= decision.requested, "{}", told());
    if let Wanted::Method(method) = request.wanted {
        assert!(decision.requested >= method, "{}", told());
    }
    if let Wanted::Technique(technique) = request.wanted {
        assert_eq!(decision.ladder.iter().map(|r| r.technique).collect::<Vec<_>>(), [technique]);
    }
    assert!(decision.verification >= request.verification, "{}", told());
    if minimum.is_some() && !request.before_destruction {
        assert!(minimum < Some(Method::Destroy), "{}", told());
        assert!(decision.verification >= policy.verification(decision.attainable), "{}", told());
    }
    let hidden = matches!(request.hidden_areas, HiddenAreaState::Open)
        || policy.hidden_areas.rule != HiddenAreaRule::Refused
        || decision.ladder.iter().all(|rung| rung.technique.answers_for_hidden());
    assert!(hidden, "{}", told());
    let named = match policy.operator.rule {
        OperatorRule::Anybody => true,
        OperatorRule::Named => request.operator != OperatorStanding::Nobody,
        OperatorRule::OwnKey => request.operator == OperatorStanding::OwnKey,
    };
    assert!(named, "{}", told());
}

fn reads_well(request: &PolicyRequest<'_>, refusal: &Refusal, text: &str) {
    assert!(text.starts_with("refused: "), "{text}");
    assert!(!text.contains("  ") && !text.contains("..") && !text.ends_with('.'), "{text}");
    let sentences: Vec<&str> = text.split(". ").collect();
    assert!(sentences.len() >= 2, "a rule and a way out: {text}");
    assert!(sentences.iter().skip(1).all(|s| s.starts_with(char::is_uppercase)), "{text}");
    let way_out =
        ["Destroy", "Request", "Say", "Use", "Ask", "Attach", "Undo", "Name", "Have", "Nothing else", "A host"];
    assert!(sentences.iter().any(|s| way_out.iter().any(|w| s.starts_with(w))), "no way out: {text}");
    let general = matches!(
        refusal,
        Refusal::DestroyBySoftware
            | Refusal::PhysicalTechnique { .. }
            | Refusal::MethodNotAttainable { .. }
            | Refusal::TechniqueUnusable { .. }
            | Refusal::PartitionReleasesNothing { .. }
            | Refusal::VerificationDemanded { .. }
    );
    assert!(general || text.contains(&request.policy.policy.label()), "which policy? {text}");
}

/// SP 800-88r1 figure 4-1, cell by cell.
#[test]
fn the_default_is_figure_4_1() {
    let policy = Ready::find("nist-800-88r2").unwrap().policy().unwrap();
    use Method::{Clear, Destroy, Purge};
    let row = |category| Route::ALL.map(|route| policy.minimum(category, route));
    //                                    inside resale donation lease  recycling destruction
    assert_eq!(row(Category::None), [Clear, Clear, Clear, Clear, Clear, Destroy]);
    assert_eq!(row(Category::Low), [Clear, Purge, Purge, Purge, Purge, Destroy]);
    assert_eq!(row(Category::Moderate), [Clear, Purge, Purge, Purge, Destroy, Destroy]);
    assert_eq!(row(Category::High), [Purge, Destroy, Destroy, Destroy, Destroy, Destroy]);
}

#[test]
fn the_ladder_is_block_then_crypto_then_enhanced_then_overwrite() {
    use Technique as T;
    let all: Vec<Offer> = [T::Overwrite, T::AtaSecurityEraseEnhanced, T::AtaSanitizeCrypto, T::AtaSanitizeBlock]
        .map(|technique| Offer { technique, obstacle: None, reaches_closed: false })
        .into();
    let ladder = |wanted, step_down, kind: Kind| {
        let request = PolicyRequest {
            wanted,
            step_down,
            offers: &all,
            storage: Storage::of(kind, MediumClass::Physical, None),
            ..request("random", Full, kind)
        };
        let decision = plan(&request).unwrap();
        decision.ladder.iter().map(|rung| (rung.technique, rung.method)).collect::<Vec<_>>()
    };
    use Method::{Clear, Purge};
    let strongest = |step_down| ladder(Wanted::Strongest, step_down, Kind::SataSsd);
    assert_eq!(strongest(StepDown::Never), [(T::AtaSanitizeBlock, Purge)]);
    assert_eq!(strongest(StepDown::SameMethod), [(T::AtaSanitizeBlock, Purge), (T::AtaSanitizeCrypto, Purge)]);
    let far = [
        (T::AtaSanitizeBlock, Purge),
        (T::AtaSanitizeCrypto, Purge),
        (T::AtaSecurityEraseEnhanced, Clear),
        (T::Overwrite, Clear),
    ];
    assert_eq!(strongest(StepDown::LowerMethod), far, "the enhanced erase counts only for Clear on flash");
    let clear = ladder(Wanted::Method(Clear), StepDown::Never, Kind::SataSsd);
    assert_eq!(clear, [(T::Overwrite, Clear)], "what is known byte for byte comes first when Clear is enough");
    let magnetic = ladder(Wanted::Method(Purge), StepDown::SameMethod, Kind::Hdd);
    assert!(magnetic.contains(&(T::AtaSecurityEraseEnhanced, Purge)));
}

#[test]
fn a_frozen_drive_is_a_refusal_and_never_a_silent_step_down() {
    let frozen = Offer {
        technique: Technique::AtaSanitizeBlock,
        obstacle: Some("the drive is frozen".to_owned()),
        reaches_closed: false,
    };
    let all = [frozen, Offer { technique: Technique::Overwrite, obstacle: None, reaches_closed: false }];
    let purge = PolicyRequest {
        wanted: Wanted::Method(Method::Purge),
        offers: &all,
        step_down: StepDown::LowerMethod,
        ..request("random", Full, Kind::SataSsd)
    };
    let text = plan(&purge).unwrap_err().to_string();
    assert!(text.contains("ata-sanitize-block: the drive is frozen"), "{text}");
    let auto = plan(&PolicyRequest { wanted: Wanted::Strongest, ..purge }).unwrap();
    assert_eq!(auto.requested, Method::Clear);
    assert!(auto.passed_over.iter().any(|p| p.why.contains("frozen")), "and the plan says why");
}

/// Each refusal once, to be read.
#[test]
fn refusals_read_well() {
    let of = |id: &str| POLICIES.iter().find(|p| p.policy.id == id).unwrap();
    let nvme = offers(Kind::Nvme).remove(2);
    let frozen = offers(Kind::Hdd).remove(3);
    let base = request("random", Full, Kind::Nvme);
    let base = PolicyRequest { wanted: Wanted::Least, offers: &nvme, ..base };
    let known = |category, route| PolicyRequest { category: Some(category), route: Some(route), ..base.clone() };
    let cases = [
        PolicyRequest { wanted: Wanted::Method(Method::Destroy), ..base.clone() },
        PolicyRequest { wanted: Wanted::Technique(Technique::Shred), ..base.clone() },
        known(Category::Moderate, Route::Recycling),
        known(Category::High, Route::Destruction),
        PolicyRequest {
            policy: of("government-high"),
            operator: OperatorStanding::OwnKey,
            ..known(Category::High, Route::Resale)
        },
        PolicyRequest { wanted: Wanted::Method(Method::Clear), ..known(Category::Low, Route::Resale) },
        PolicyRequest { offers: &HOST, ..known(Category::Low, Route::Donation) },
        PolicyRequest { offers: &HOST, wanted: Wanted::Method(Method::Purge), ..base.clone() },
        PolicyRequest {
            offers: &frozen,
            kind: Kind::Hdd,
            storage: Storage::Magnetic,
            ..known(Category::Moderate, Route::LeaseReturn)
        },
        PolicyRequest { wanted: Wanted::Technique(Technique::AtaSanitizeBlock), ..base.clone() },
        PolicyRequest {
            wanted: Wanted::Technique(Technique::NvmeFormatUser),
            ..known(Category::Moderate, Route::Resale)
        },
        PolicyRequest {
            policy: of("government-high"),
            operator: OperatorStanding::OwnKey,
            hidden_areas: HiddenAreaState::Open,
            wanted: Wanted::Technique(Technique::NvmeSanitizeCrypto),
            ..known(Category::Low, Route::InternalReuse)
        },
        PolicyRequest { policy: of("r2v3"), ..base.clone() },
        PolicyRequest { policy: of("r2v3"), category: Some(Category::Low), ..base.clone() },
        PolicyRequest { scheme: find("is5-enhanced").unwrap(), verification: Nothing, offers: &HOST, ..base.clone() },
        PolicyRequest { verification: Quick, ..known(Category::Low, Route::Resale) },
        PolicyRequest { policy: of("gdpr"), step_down: StepDown::LowerMethod, ..known(Category::Low, Route::Resale) },
        PolicyRequest {
            policy: of("government-high"),
            operator: OperatorStanding::OwnKey,
            offers: &frozen,
            kind: Kind::Hdd,
            storage: Storage::Magnetic,
            ..known(Category::Low, Route::InternalReuse)
        },
        PolicyRequest {
            policy: of("hipaa"),
            operator: OperatorStanding::Nobody,
            ..known(Category::Low, Route::InternalReuse)
        },
        PolicyRequest { policy: of("government-high"), ..known(Category::Low, Route::InternalReuse) },
        PolicyRequest { scope: Scope::Partition, ..known(Category::None, Route::Resale) },
        PolicyRequest { policy: of("hipaa"), scope: Scope::Partition, ..base.clone() },
    ];
    let mut page = String::new();
    for case in &cases {
        page.push_str(&plan(case).unwrap_err().to_string());
        page.push_str("\n\n");
    }
    page.push_str(&Refusal::from(POLICIES[0].policy.category("secret").unwrap_err()).to_string());
    insta::assert_snapshot!(page);
}

/// A category alone, said or assumed, decides no minimum: under every policy that came with rules of its own nothing is
/// done then.
#[test]
fn only_the_default_does_anything_without_a_route() {
    for policy in POLICIES.iter() {
        for category in std::iter::once(None).chain(Category::ALL.map(Some)) {
            for before_destruction in [false, true] {
                let operator = OperatorStanding::OwnKey;
                let hidden_areas = HiddenAreaState::Open;
                let base = request("random", Nothing, Kind::Hdd);
                let asked = PolicyRequest { policy, category, operator, hidden_areas, before_destruction, ..base };
                let decided = plan(&asked).map(|decision| decision.applied.minimum);
                let id = policy.policy.id.as_str();
                match decided {
                    Ok(minimum) => assert_eq!((id, minimum), ("nist-800-88r2", None)),
                    Err(Refusal::SituationUnknown { category: missing, route, .. }) => {
                        assert_ne!(id, "nist-800-88r2");
                        assert_eq!((missing, route), (id == "r2v3" && category.is_none(), true), "{id} {category:?}");
                    }
                    Err(other) => panic!("{id}: {other}"),
                }
            }
        }
    }
}

#[test]
fn what_a_category_is_called_is_the_policys_business() {
    let hipaa = &POLICIES.iter().find(|p| p.policy.id == "hipaa").unwrap().policy;
    assert_eq!(hipaa.category(" Patient Data "), Ok(Category::Moderate));
    assert_eq!(hipaa.category("HIGH"), Ok(Category::High));
    assert!(hipaa.category("cardholder data").is_err());
}

#[path = "decide_hidden_tests.rs"]
mod hidden;

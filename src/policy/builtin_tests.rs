use super::*;
use crate::scheme::{catalogue, find};

fn request(scheme: &str, verification: VerificationLevel, kind: Kind) -> PolicyRequest<'static> {
    PolicyRequest {
        method: Method::Clear,
        scheme: find(scheme).unwrap(),
        verification,
        kind,
        class: MediumClass::Physical,
        scope: Scope::WholeMedium,
    }
}

use VerificationLevel::{Full, None as Nothing, Sample};

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
            let purge = PolicyRequest { method: Method::Purge, ..request(scheme.name, Full, kind) };
            let refusal = plan(&purge).unwrap_err();
            assert_eq!(refusal, Refusal::MethodNotAttainable { requested: Method::Purge, kind });
            let destroy = PolicyRequest { method: Method::Destroy, ..purge };
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
        for asked in [Nothing, Sample, Full] {
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
    let purge = PolicyRequest { method: Method::Purge, ..request("zero", Full, Kind::SataSsd) };
    let text = plan(&purge).unwrap_err().to_string();
    assert!(text.contains("Purge was requested") && text.contains("only Clear on a SATA SSD"), "{text}");
    assert!(text.contains("Request clear"), "{text}");
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
    assert!(warned(request("zero", Full, Kind::Usb), "USB bridge"));
    assert!(warned(PolicyRequest { scope: Scope::Partition, ..request("zero", Full, Kind::Hdd) }, "one partition"));
    let image = PolicyRequest { class: MediumClass::Image, ..request("zero", Full, Kind::Image) };
    assert!(warned(image, "closes no physical asset"));
}

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::scheme::{listing, listing_text};

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Typed by hand from the reference table, apart from the code: R a random stream, r1/~r1 drawn
/// bytes, else the bytes themselves.
const EXPECTED: &[(&str, usize, &str)] = &[
    ("zero", 1, "00"),
    ("one", 1, "FF"),
    ("random", 1, "R"),
    ("nist-clear", 1, "00"),
    ("nist-clear-flash", 2, "00 FF"),
    ("dod-e", 3, "r1 ~r1 r2"),
    ("dod-ece", 7, "r1 ~r1 R r2 r3 ~r3 R"),
    ("dod-short", 3, "r1 ~r1 R"),
    ("is5-baseline", 1, "00"),
    ("is5-enhanced", 3, "00 FF R"),
    ("ncsc-cpa", 3, "r1 ~r1 R"),
    ("vsitr", 7, "00 FF 00 FF 00 FF AA"),
    ("bsi", 9, "FF FE FD FB F7 EF DF BF 7F"),
    ("bsi-gs", 1, "R"),
    ("bsi-gse", 2, "R R"),
    ("ops-ii", 7, "00 FF 00 FF 00 FF R"),
    ("itsg-06", 3, "00 FF R"),
    ("afssi-5020", 3, "00 FF r1"),
    ("ar-380-19", 3, "r1 r2 ~r2"),
    ("navso-rll", 3, "FF 27FFFFFF R"),
    ("navso-mfm", 3, "FF 7FFFFFFF R"),
    ("ncsc-tg-025", 3, "00 FF R"),
    ("nsa-130-1", 3, "R R 00"),
    ("nsa-130-2", 2, "R R"),
    ("nnsa", 3, "R R 00"),
    ("doe", 3, "R R 00"),
    ("schneier", 7, "FF 00 R R R R R"),
    ("pfitzner7", 7, "R R R R R R R"),
    ("pfitzner33", 33, "R R R R R R R R R R R R R R R R R R R R R R R R R R R R R R R R R"),
    ("gost", 2, "00 R"),
    ("ism", 1, "R"),
    ("ism-small", 3, "R R R"),
    ("nzsit-402", 1, "R"),
    ("bmb21", 6, "FF 00 R R R FF"),
    ("nato", 7, "00 FF 00 FF 00 FF R"),
    ("badblocks", 4, "AA 55 FF 00"),
    ("scrub-old", 5, "00 FF AA R 55"),
    (
        "gutmann",
        35,
        "R R R R 55 AA 924924 492492 249249 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF \
         924924 492492 249249 6DB6DB B6DB6D DB6DB6 R R R R",
    ),
];

#[test]
fn every_scheme_has_the_passes_of_the_reference() {
    let names: Vec<&str> = catalogue().iter().map(|s| s.name).collect();
    let expected: Vec<&str> = EXPECTED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, expected, "the table and the catalogue name the same schemes");
    for (name, count, passes) in EXPECTED {
        let scheme = find(name).unwrap();
        assert_eq!(scheme.pass_count(), *count, "{name}");
        let words: Vec<&str> = passes.split_whitespace().collect();
        assert_eq!(words.len(), *count, "{name}: the expectation itself");
        for (i, (step, word)) in scheme.passes.iter().zip(words).enumerate() {
            let ours = step.describe().replace("random", "R").replace(' ', "");
            assert_eq!(ours, word, "{name}, pass {}", i + 1);
        }
        assert!(!scheme.title.is_empty() && !scheme.definition.is_empty() && !scheme.source.is_empty(), "{name}");
    }
}

#[test]
fn what_is_planned_is_what_is_listed() {
    for (seed, scheme) in catalogue().iter().enumerate().filter(|(_, s)| s.order == Order::AsListed) {
        let planned = scheme.instantiate(&mut rng(seed as u64));
        assert_eq!(planned.len(), scheme.pass_count());
        let mut drawn = std::collections::BTreeMap::new();
        for (step, pass) in scheme.passes.iter().zip(&planned) {
            match (step, &pass.pattern) {
                (Step::Byte(b), Pattern::Byte { byte }) => assert_eq!(b, byte),
                (Step::Bytes(b), Pattern::Bytes { bytes }) => assert_eq!(b, bytes),
                (Step::Random, Pattern::Random { .. }) => {}
                (Step::Drawn(slot), Pattern::Byte { byte }) => {
                    assert_eq!(*drawn.entry(slot).or_insert(*byte), *byte, "{}", scheme.name);
                }
                (Step::Complement(slot), Pattern::Byte { byte }) => {
                    assert_eq!(*drawn.entry(slot).or_insert(!*byte), !*byte, "{}", scheme.name);
                }
                (step, pattern) => panic!("{}: {step:?} became {pattern:?}", scheme.name),
            }
        }
        let bytes: Vec<u8> = drawn.values().copied().collect();
        for (i, a) in bytes.iter().enumerate() {
            assert!(bytes[i + 1..].iter().all(|b| a != b && *a != !b), "{}: drawn bytes repeat", scheme.name);
        }
    }
}

#[test]
fn random_passes_never_share_a_key() {
    let planned = find("pfitzner33").unwrap().instantiate(&mut rng(1));
    let keys: std::collections::BTreeSet<String> = planned.iter().map(|p| p.pattern.describe()).collect();
    assert_eq!(keys.len(), 33);
}

#[test]
fn gutmann_is_shuffled_within_5_to_31_only() {
    let scheme = find("gutmann").unwrap();
    let middle = |seed| -> Vec<String> {
        let planned = scheme.instantiate(&mut rng(seed));
        for (i, pass) in planned.iter().enumerate() {
            let random = matches!(pass.pattern, Pattern::Random { .. });
            assert_eq!(random, !(4..31).contains(&i), "pass {}", i + 1);
        }
        planned[4..31].iter().map(|p| p.pattern.describe()).collect()
    };
    let (a, b) = (middle(1), middle(2));
    assert_ne!(a, b, "another run, another order");
    let listed: Vec<String> = scheme.passes[4..31]
        .iter()
        .map(|s| match s {
            Step::Bytes(_) => format!("{} repeated", s.describe()),
            _ => s.describe(),
        })
        .collect();
    let sorted = |mut v: Vec<String>| {
        v.sort();
        v
    };
    assert_eq!(sorted(a), sorted(listed), "the same 27 passes");
}

#[test]
fn verification_rules() {
    let verify = |name: &str| -> Vec<PassVerify> {
        find(name).unwrap().instantiate(&mut rng(0)).iter().map(|p| p.verify).collect()
    };
    use PassVerify::{AsRequested, Mandatory, Unverified};
    assert_eq!(verify("random"), [AsRequested]);
    assert_eq!(verify("dod-e"), [Unverified, Unverified, AsRequested]);
    assert_eq!(verify("is5-enhanced"), [Unverified, Unverified, Mandatory]);
    assert_eq!(verify("ops-ii")[6], Mandatory);
    assert_eq!(verify("ncsc-tg-025"), [AsRequested; 3]);
    assert_eq!(verify("badblocks"), [AsRequested; 4]);
    assert_eq!(find("afssi-5020").unwrap().verify, VerifyRule::TenPercent);
    let last = find("ops-ii").unwrap().instantiate(&mut rng(0)).pop().unwrap();
    assert!(matches!(last.pattern, Pattern::Random { .. }), "the random pass remains");
}

#[test]
fn a_planned_pass_survives_the_journal() {
    for scheme in catalogue() {
        let planned = scheme.instantiate(&mut rng(7));
        let json = serde_json::to_string(&planned).unwrap();
        assert_eq!(serde_json::from_str::<Vec<PlannedPass>>(&json).unwrap(), planned, "{}", scheme.name);
    }
}

#[test]
fn unknown_names_suggest_near_ones() {
    assert_eq!(find("DoD-E").unwrap().name, "dod-e");
    assert_eq!(find("gutman").unwrap_err().near, ["gutmann"]);
    assert!(find("dod").unwrap_err().near.starts_with(&["dod-e", "dod-ece", "dod-short"]));
    assert_eq!(find("zeor").unwrap_err().near, ["zero"]);
    let far = find("quantum-blockchain").unwrap_err();
    assert!(far.near.is_empty());
    assert!(far.to_string().contains("--scheme list"), "{far}");
}

#[test]
fn what_nobody_can_define_is_not_offered() {
    for name in ["asci-33", "opnavinst-5239.1a", "bsi-tl-03423"] {
        let error = find(name).unwrap_err();
        assert!(error.why_not.is_some(), "{error}");
    }
}

#[test]
fn the_list_shows_bytes_and_definition_of_all() {
    let text = listing_text();
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    for scheme in catalogue() {
        assert!(text.contains(scheme.title), "{}", scheme.name);
    }
    assert!(text.contains("FF, 27 FF FF FF, random"), "{text}");
    assert!(text.contains("random x33"));
    let json = serde_json::to_value(listing()).unwrap();
    assert_eq!(json.as_array().unwrap().len(), EXPECTED.len());
    assert_eq!(json.as_array().unwrap().iter().filter(|s| s["default"] == true).count(), 1);
}

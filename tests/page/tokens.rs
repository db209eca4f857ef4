//! Time-stamp tokens (RFC 3161) of openssl: good ones of every algorithm, and what the program refuses. The page
//! judges each as the program does, or says that it does not judge it.

use chrono::{DateTime, Utc};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use der::asn1::{GeneralizedTime, Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Any, Encode as _};
use lastwrite::signed::{Jws, TimestampQuery, sha256};
use x509_tsp::{Accuracy, MessageImprint, TspVersion, TstInfo};

use super::super::common::tsa::Authority;
use super::super::common::{has, skip};
use super::bundles::{Case as Bundled, World};
use super::*;

const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const SHA512: &str = "2.16.840.1.101.3.4.2.3";
const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const STAMP: &str = "-cades -md sha256";

/// How a token should come out.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Expected {
    Good,
    Refused,
    /// The program believes it, and the page does not judge it.
    NotJudged,
    /// It holds, and is about something else.
    AboutAnother,
    /// Whatever the program says; the page may be stricter.
    Any,
}

/// A certificate of its own for each token, so that all can fall on the page together.
fn document(name: &str) -> Vec<u8> {
    let mut facts = facts();
    facts.asset_tag = Some(name.to_owned());
    certificate_of(&facts)
}

/// A browser, a station with its page, and an authority of its own; nothing where a tool is missing.
fn with_an_authority() -> Option<(Browser, super::super::Station, std::path::PathBuf, Authority)> {
    if !has("openssl") {
        skip("openssl is not installed");
        return None;
    }
    let browser = Browser::start()?;
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let ours = Authority::start(&station.path("tsa"), "tsa_ext");
    Some((browser, station, page, ours))
}

fn signature(document: &[u8]) -> [u8; 64] {
    *Jws::parse(document).unwrap().signatures()[0].value()
}

/// The content of a token over a document's signature.
fn content(document: &[u8], change: impl Fn(&mut TstInfo)) -> Vec<u8> {
    let mut info = TstInfo {
        version: TspVersion::V1,
        policy: ObjectIdentifier::new("1.2.3.4.1").unwrap(),
        message_imprint: imprint(SHA256, &sha256(&signature(document))),
        serial_number: Int::new(&[5]).unwrap(),
        gen_time: time(at(12)),
        accuracy: None,
        ordering: false,
        nonce: None,
        tsa: None,
        extensions: None,
    };
    change(&mut info);
    info.to_der().unwrap()
}

fn imprint(oid: &str, hash: &[u8]) -> MessageImprint {
    let hash_algorithm =
        AlgorithmIdentifierOwned { oid: ObjectIdentifier::new(oid).unwrap(), parameters: Some(Any::null()) };
    MessageImprint { hash_algorithm, hashed_message: OctetString::new(hash).unwrap() }
}

fn time(at: DateTime<Utc>) -> GeneralizedTime {
    GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(at.timestamp().try_into().unwrap())).unwrap()
}

fn by_p256<'a>(ours: &'a Authority, change: &'a dyn Fn(&mut TstInfo)) -> impl Fn(&[u8]) -> Vec<u8> + 'a {
    move |document| ours.token(&content(document, change), "p256", STAMP)
}

/// What the authority itself answers, now.
fn asked<'a>(ours: &'a Authority, section: &'a str) -> impl Fn(&[u8]) -> Vec<u8> + 'a {
    move |document| {
        let (question, answer) = (ours.folder.join("q.tsq"), ours.folder.join("a.tsr"));
        let query = TimestampQuery::about(&signature(document)).unwrap();
        std::fs::write(&question, query.to_der()).unwrap();
        ours.reply_as(section, &question, &answer);
        std::fs::read(&answer).unwrap()
    }
}

type Case = (String, Expected, Vec<u8>, Vec<u8>);

/// Signers that may and that may not, and what they sign.
fn cases(ours: &Authority, stranger: &Authority) -> Vec<Case> {
    use Expected::*;
    let mut found: Vec<Case> = Vec::new();
    for (name, key, extensions) in [
        ("p256", EC, "tsa_ext"),
        ("p384", "ec -pkeyopt ec_paramgen_curve:P-384", "tsa_ext"),
        ("p521", "ec -pkeyopt ec_paramgen_curve:P-521", "tsa_ext"),
        ("rsa2048", "rsa:2048", "tsa_ext"),
        ("rsa3072", "rsa:3072", "tsa_ext"),
        ("rsa1024", "rsa:1024", "tsa_ext"),
        ("web", EC, "other_ext"),
        ("uncritical", EC, "uncritical_ext"),
        ("two", EC, "two_ext"),
        ("none", EC, "none_ext"),
        ("unknown", EC, "unknown_ext"),
        ("configured", EC, "tsa_ext"),
        ("keyid", EC, "key_ext"),
    ] {
        ours.issue(name, key, extensions, "ca", "");
    }
    ours.issue("mid", "rsa:2048", "between_ext", "ca", "");
    ours.issue("low", EC, "between_ext", "mid", "");
    ours.issue("last", EC, "last_ext", "ca", "");
    for limits in ["named", "directory", "barred", "mail"] {
        ours.issue(limits, EC, &format!("{limits}_ext"), "ca", "");
    }
    // Believed itself, with what it may name.
    ours.issue("hostroot", EC, "named_ext", "ca", "");
    ours.issue("directoryroot", EC, "directory_ext", "ca", "");
    ours.issue("bare", EC, "tsa_ext", "ca", "");
    ours.issue("plain", EC, "ca_ext", "ca", "");
    for (name, by, more) in [
        ("undermid", "mid", ""),
        ("pss", "mid", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256"),
        ("salted", "mid", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20 -sigopt rsa_mgf1_md:sha256"),
        ("underlow", "low", ""),
        ("undernamed", "named", ""),
        ("underdirectory", "directory", ""),
        ("underbarred", "barred", ""),
        ("undermail", "mail", ""),
        ("underhostroot", "hostroot", ""),
        ("underdirectoryroot", "directoryroot", ""),
        ("underbare", "bare", ""),
        ("underplain", "plain", ""),
    ] {
        ours.issue(name, EC, "tsa_ext", by, more);
    }
    for (name, extensions, by) in [
        ("hostundernamed", "host_tsa_ext", "named"),
        ("mailundernamed", "mail_tsa_ext", "named"),
        ("mailundermail", "mail_tsa_ext", "mail"),
        ("uriundermail", "uri_tsa_ext", "mail"),
        ("hostundermail", "host_tsa_ext", "mail"),
    ] {
        ours.issue(name, EC, extensions, by, "");
    }
    ours.issue("belowlast", EC, "between_ext", "last", "");
    ours.issue("toolow", EC, "tsa_ext", "belowlast", "");
    let both = |name: &str, of: &[&str]| {
        let all: Vec<_> = of.iter().map(|n| std::fs::read(ours.folder.join(format!("{n}.pem"))).unwrap()).collect();
        std::fs::write(ours.folder.join(name), all.concat()).unwrap();
    };
    both("midlow.chain", &["low", "mid"]);
    both("last.chain", &["belowlast", "last"]);

    let mut add = |name: &str, expected: Expected, make: &dyn Fn(&[u8]) -> Vec<u8>| {
        let document = document(name);
        let token = make(&document);
        found.push((name.to_owned(), expected, document, token));
    };
    for (signer, more, expected) in [
        ("p256", STAMP, Good),
        ("p256", "-cades -md sha384", Good),
        ("p256", "-cades -md sha512", Refused),
        ("p384", "-cades -md sha384", Good),
        ("p384", STAMP, Good),
        ("p521", STAMP, Refused),
        ("rsa2048", STAMP, Good),
        ("rsa2048", "-cades -md sha384", Good),
        ("rsa3072", "-cades -md sha512", Good),
        ("rsa1024", STAMP, Refused),
        ("rsa2048", "-cades -md sha256 -keyopt rsa_padding_mode:pss", Refused),
        ("rsa2048", "-cades -md sha1", Refused),
        ("keyid", "-cades -md sha256 -keyid", Good),
        ("p256", "-cades -md sha256 -nocerts", Refused),
        ("configured", "-cades -md sha256 -nocerts", Good),
        ("p256", "-md sha256", Refused),
        ("p256", "-md sha256 -noattr", Refused),
        ("web", STAMP, Refused),
        ("uncritical", STAMP, Refused),
        ("two", STAMP, Refused),
        ("none", STAMP, Refused),
        ("unknown", STAMP, Refused),
        ("ca", STAMP, Refused),
        ("undermid", STAMP, Refused),
        ("undermid", "-cades -md sha256 -certfile mid.pem", Good),
        ("pss", "-cades -md sha256 -certfile mid.pem", Good),
        ("salted", "-cades -md sha256 -certfile mid.pem", Refused),
        ("underlow", "-cades -md sha256 -certfile midlow.chain", Good),
        ("underlow", "-cades -md sha256 -certfile low.pem", Refused),
        ("underbare", "-cades -md sha256 -certfile bare.pem", Refused),
        ("underplain", "-cades -md sha256 -certfile plain.pem", Refused),
        ("toolow", "-cades -md sha256 -certfile last.chain", Refused),
        ("undernamed", "-cades -md sha256 -certfile named.pem", Good),
        ("hostundernamed", "-cades -md sha256 -certfile named.pem", NotJudged),
        ("mailundernamed", "-cades -md sha256 -certfile named.pem", Good),
        ("underdirectory", "-cades -md sha256 -certfile directory.pem", Refused),
        ("underbarred", "-cades -md sha256 -certfile barred.pem", Refused),
        ("undermail", "-cades -md sha256 -certfile mail.pem", Good),
        ("mailundermail", "-cades -md sha256 -certfile mail.pem", Refused),
        ("uriundermail", "-cades -md sha256 -certfile mail.pem", Refused),
        ("hostundermail", "-cades -md sha256 -certfile mail.pem", Good),
        ("underhostroot", STAMP, Good),
        ("underdirectoryroot", STAMP, Refused),
    ] {
        add(&format!("{signer} {more}"), expected, &|document| ours.token(&content(document, |_| ()), signer, more));
    }
    add("by a stranger of the same name", Refused, &|document| {
        stranger.issue("p256", EC, "tsa_ext", "ca", "");
        stranger.token(&content(document, |_| ()), "p256", STAMP)
    });
    let accuracy = |seconds, millis| Some(Accuracy { seconds, millis, micros: None });
    add("accuracy", Good, &by_p256(ours, &|i| i.accuracy = accuracy(Some(3), Some(7))));
    add("an hour", Good, &by_p256(ours, &|i| i.accuracy = accuracy(Some(3600), None)));
    add("vague", Refused, &by_p256(ours, &|i| i.accuracy = accuracy(Some(100_000), None)));
    add("nonce", Good, &by_p256(ours, &|i| (i.nonce, i.ordering) = (Some(Int::new(&[0, 0x80, 1]).unwrap()), true)));
    add(
        "before its certificate",
        Refused,
        &by_p256(ours, &|i| i.gen_time = time("2019-12-31T23:59:59Z".parse().unwrap())),
    );
    add("SHA-512", Refused, &by_p256(ours, &|i| i.message_imprint = imprint(SHA512, &[7; 64])));
    add("short", Refused, &by_p256(ours, &|i| i.message_imprint = imprint(SHA256, &[7; 31])));
    add("another imprint", AboutAnother, &by_p256(ours, &|i| i.message_imprint = imprint(SHA256, &[7; 32])));
    add("another hour", Refused, &|document| {
        let mut token = by_p256(ours, &|_| ())(document);
        let told = at(12).format("%Y%m%d%H").to_string();
        let place = token.windows(told.len()).position(|word| word == told.as_bytes()).unwrap();
        token[place + 9] = b'3';
        token
    });
    add("trailing", Refused, &|document| [by_p256(ours, &|_| ())(document), vec![0]].concat());
    add("a response", Good, &asked(ours, "here"));
    add("a response that names its signer by SHA-1", Good, &asked(ours, "sha1"));
    // Sequences and sets that are none, also in a certificate that nobody needs.
    let shells = |token: &[u8]| -> Vec<usize> {
        token.iter().enumerate().filter(|(_, byte)| matches!(byte, 0x30 | 0x31)).map(|(at, _)| at).collect()
    };
    for nth in 0..shells(&asked(ours, "here")(&document("shells"))).len() {
        add(&format!("without its shell, {nth}"), Any, &|document| {
            let mut token = asked(ours, "here")(document);
            let all = shells(&token);
            token[all[nth % all.len()]] ^= 0x80;
            token
        });
    }
    // One bit changed, anywhere.
    let length = asked(ours, "here")(&document("length")).len();
    for place in (0..length).step_by(9) {
        add(&format!("changed at {place}"), Any, &|document| {
            let mut token = asked(ours, "here")(document);
            let at = place % token.len();
            token[at] ^= 1 << (place % 8);
            token
        });
    }
    found
}

#[test]
fn time_stamp_tokens_are_judged_as_the_program_judges_them() {
    let Some((browser, station, page, ours)) = with_an_authority() else { return };
    let stranger = Authority::start(&station.path("stranger"), "tsa_ext");
    let cases = cases(&ours, &stranger);
    let trusted_pem = station.path("trust.tsa.pem");
    let roots = ["ca.pem", "configured.pem", "hostroot.pem", "directoryroot.pem"];
    let roots = roots.map(|name| std::fs::read(ours.folder.join(name)).unwrap()).concat();
    std::fs::write(&trusted_pem, &roots).unwrap();

    // With a good token a signature is from before the revocation; and from before its key became valid.
    let (mut helped, mut opposed) = (trusted(), trusted());
    helped.find_mut(key(STATION).kid()).unwrap().revoked_at = Some("2999-01-01T00:00:00Z".parse().unwrap());
    opposed.find_mut(key(STATION).kid()).unwrap().valid_from = Some(at(15));
    let stores = [(helped, "valid", "consistent"), (opposed, "invalid", "valid")];
    let (mut not_judged, mut lenient) = (0, Vec::new());
    for (mut trust, with, without) in stores {
        trust.add_authorities(&trusted_pem).unwrap();
        open(&browser, &page, &trust);
        on_the_page(&browser, &[("trust.tsa.pem".to_owned(), roots.clone())]);
        let names = |i: usize| (format!("{i}.json"), format!("{i}.tsr"));
        let files = cases.iter().enumerate().flat_map(|(i, (_, _, document, token))| {
            let (of_document, of_token) = names(i);
            [(of_document, document.clone()), (of_token, token.clone())]
        });
        let said = on_the_page(&browser, &files.collect::<Vec<_>>());
        for (i, (name, expected, document, token)) in cases.iter().enumerate() {
            let (of_document, of_token) = names(i);
            let taken = trust.authorities().verify(token);
            let refused = taken.as_ref().err().map(ToString::to_string);
            let evidence: Vec<_> = taken.into_iter().collect();
            let verdict = word(verify_any_with(document, None, Some(&trust), &evidence).verdict);
            let (says, token_refused) = (said[&of_document].as_str(), said.contains_key(&of_token));
            let told = format!("{name}: the program says {verdict} ({refused:?}), the page {says}, {token_refused}");
            match expected {
                // A response is of now, and so after the key became valid.
                Expected::Good if name.contains("response") => {
                    assert_eq!((says, refused.is_none(), token_refused), (verdict, true, false), "{told}");
                }
                Expected::Good => {
                    assert_eq!((verdict, says, refused.is_none(), token_refused), (with, with, true, false), "{told}");
                }
                Expected::Refused => {
                    assert_eq!((verdict, says), (without, without), "{told}");
                    assert!(refused.is_some() && token_refused, "{told}");
                }
                Expected::AboutAnother => {
                    assert_eq!((verdict, says, refused.is_none(), token_refused), (without, without, true, false));
                }
                Expected::NotJudged => {
                    assert_eq!((verdict, says, refused.is_none(), token_refused), (with, "consistent", true, false));
                }
                Expected::Any => {
                    not_judged += u32::from(says != verdict);
                    lenient.extend((says != verdict && says != "consistent").then_some(told));
                }
            }
        }
    }
    assert!(lenient.is_empty(), "{lenient:#?}");
    assert!(not_judged < 20, "{not_judged} of them are not judged");
    eprintln!("{} tokens compared twice, {not_judged} times the page does not judge", cases.len());
}

#[test]
fn a_token_beside_a_bundle_counts_as_it_does_for_the_program() {
    let Some((browser, _station, page, ours)) = with_an_authority() else { return };
    ours.issue("p256", EC, "tsa_ext", "ca", "");
    let mut trust = trusted();
    trust.find_mut(key(VALIDATOR).kid()).unwrap().revoked_at = Some(at(22));
    trust.add_authorities(&ours.root()).unwrap();
    let root = std::fs::read(ours.root()).unwrap();
    for (number, hours, expected) in
        [(4001, [21, 21], "valid"), (4002, [21, 23], "consistent"), (4003, [23, 21], "invalid")]
    {
        let world = World::new(number);
        // The certificate, the acceptance in place of its rejection, and that.
        let inside = |i: usize| [0, 1, 7].contains(&i);
        let mut case = Bundled::new("tokens", world.bundle(inside, inside), Vec::new());
        let token = |(document, hour): (usize, u32)| {
            ours.token(&content(&world.documents[document], |info| info.gen_time = time(at(hour))), "p256", STAMP)
        };
        case.evidence = [1, 7].into_iter().zip(hours).map(token).collect();
        open(&browser, &page, &trust);
        on_the_page(&browser, &[("ours.pem".to_owned(), root.clone())]);
        let said = on_the_page(&browser, &case.files("lot.bundle.json"));
        let program = word(case.by_program(&trust).unwrap().verdict);
        assert_eq!((program, said["lot.bundle.json"].as_str()), (expected, expected), "{hours:?}");
    }
}

#[test]
fn without_an_authority_a_token_is_not_judged() {
    let Some((browser, _station, page, ours)) = with_an_authority() else { return };
    ours.issue("p256", EC, "tsa_ext", "ca", "");
    let document = document("A-1");
    let token = |hour| ours.token(&content(&document, |info| info.gen_time = time(at(hour))), "p256", STAMP);
    let mut revoked = trusted();
    revoked.find_mut(key(STATION).kid()).unwrap().revoked_at = Some(at(22));
    let mut later = trusted();
    later.find_mut(key(STATION).kid()).unwrap().valid_from = Some(at(15));
    let root = std::fs::read(ours.root()).unwrap();
    for (trust, hour, without, with) in [
        (&revoked, 21, "consistent", "valid"),
        (&later, 16, "valid", "valid"),
        // It may speak against it, and then does.
        (&later, 12, "consistent", "invalid"),
    ] {
        open(&browser, &page, trust);
        let files = [("c.json".to_owned(), document.clone()), ("c.tsr".to_owned(), token(hour))];
        assert_eq!(on_the_page(&browser, &files)["c.json"], without, "{hour}");
        assert!(super::super::results(&browser).contains("that was not judged"), "{hour}");
        assert_eq!(on_the_page(&browser, &[("ours.pem".to_owned(), root.clone())])["c.json"], with, "{hour}");
        assert!(super::super::results(&browser).contains("CN=Test-p256"), "{}", super::super::results(&browser));
    }
    // A file of authorities that is not whole is refused as one.
    let cut = root[..root.len() / 2].to_vec();
    open(&browser, &page, &revoked);
    assert_eq!(on_the_page(&browser, &[("cut.pem".to_owned(), cut)])["cut.pem"], "refused");
}

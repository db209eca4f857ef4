//! Bundles on the page and in the program: every choice among the documents about a medium, whatever the log knows of
//! them, and bundles that differ from a good one in a single place.

use lastwrite::bundle::{Bundle, BundleVerification, bundle, verify_bundle};
use lastwrite::certificate::document::*;
use lastwrite::custody::{Extract, ExtractedLine, Hash, Tree};
use lastwrite::sanitize::record::{IntentReceipt, RunFacts};

use super::*;

const LOG_ID: &str = "abababababababababababababababab";

/// A custody log that grows.
#[derive(Default)]
struct Growing {
    lines: Vec<ExtractedLine>,
}

impl Growing {
    fn add(&mut self, typ: &str, subject: &str, data: Value) -> Hash {
        let entry = Entry {
            specversion: "1.0".into(),
            id: format!("{:032x}", self.lines.len()),
            source: Entry::source_of(key(STATION).kid()),
            typ: typ.into(),
            subject: subject.into(),
            time: at(20),
            logid: LOG_ID.into(),
            index: Bytes(self.lines.len() as u64),
            previous: self.lines.last().map(|line| leaf_hash(&line.bytes)),
            data,
        };
        let signed = sign(&serde_json::to_vec(&entry).unwrap(), ENTRY_TYP, &key(STATION), Role::Station, at(20));
        let line = ExtractedLine { index: entry.index.0, bytes: signed.unwrap().to_bytes(), entry };
        let leaf = leaf_hash(&line.bytes);
        self.lines.push(line);
        leaf
    }

    fn tree(&self) -> Tree {
        Tree::new(self.lines.iter().map(|line| leaf_hash(&line.bytes)).collect())
    }

    /// The intent of a run goes into the log, and its receipt into the facts.
    fn intend(&mut self, facts: &mut RunFacts) {
        let leaf = self.add("run.intended", &facts.medium.identity_digest, json!({"run_id": facts.run_id}));
        let size = self.lines.len() as u64;
        facts.intent = IntentReceipt {
            log_id: LOG_ID.into(),
            index: Bytes(size - 1),
            leaf_hash: leaf.to_string(),
            size: Bytes(size),
            root: self.tree().root(size).unwrap().to_string(),
        };
    }

    fn name(&mut self, document: &[u8]) {
        let (jws, kind, document) = Document::read(document).unwrap();
        let mut data = json!({"document": lastwrite::certificate::id_of(jws.payload())});
        if let Document::Run(run) = &document {
            data["run_id"] = json!(run.facts.run_id);
        }
        let received = matches!(&document, Document::Transfer(transfer) if transfer.receiver(&jws).is_some());
        self.add(if received { RECEIVED } else { kind.event() }, "s", data);
    }

    /// The last entry as somebody else's word, or signed by others.
    fn last_by(&mut self, source: u8, signers: &[(u8, Role)]) {
        let last = self.lines.last_mut().unwrap();
        last.entry.source = Entry::source_of(key(source).kid());
        last.bytes = signed(&serde_json::to_vec(&last.entry).unwrap(), ENTRY_TYP, signers);
    }

    fn extract(&self) -> (Extract, String) {
        let tree = self.tree();
        let size = self.lines.len() as u64;
        let root = STANDARD.encode(tree.root(size).unwrap().0);
        let mut note = Note::new(format!("example/bench/{LOG_ID}\n{size}\n{root}\n")).unwrap();
        note.sign(&format!("example/bench/{LOG_ID}"), &key(STATION)).unwrap();
        (Extract { log_id: LOG_ID.into(), tree, lines: self.lines.clone() }, note.to_string())
    }
}

/// How many documents there are about a medium.
const POOL: usize = 8;

/// All that is said of the medium of this number.
pub struct World {
    log: Growing,
    pub documents: Vec<Vec<u8>>,
}

impl World {
    pub fn new(number: usize) -> World {
        World::of(number, &|_| {})
    }

    /// With other facts of its run.
    pub fn of(number: usize, change: &dyn Fn(&mut RunFacts)) -> World {
        let mut log = Growing::default();
        let mut facts = facts();
        change(&mut facts);
        facts.medium.identity.serial = Some(format!("SERIAL{number}"));
        facts.medium.identity.wwn = Some(format!("0x{number:016x}"));
        facts.medium.identity_digest = facts.medium.identity.digest();
        facts.run_id = format!("{number:032x}");
        log.intend(&mut facts);
        let medium = MediumName::of(&facts.medium.identity, facts.asset_tag.as_deref());
        let certificate = certificate_of(&facts);
        let about = reference(&certificate);
        let mut later = facts.clone();
        later.run_id = format!("f{number:031x}");
        later.ended += chrono::TimeDelta::hours(1);
        log.intend(&mut later);
        let failed = failure_report_of(later);
        let by = |document: &dyn Payload, payload: serde_json::Result<Vec<u8>>, signers: &[(u8, Role)]| {
            signed(&payload.unwrap(), document.kind().typ(), signers)
        };
        let validator = [(VALIDATOR, Role::Validator)];
        let rejected =
            Validation { document: about.clone(), medium: Some(medium.clone()), ..validation(Decision::Rejected) };
        let rejection = by(&rejected, serde_json::to_vec(&rejected), &validator);
        let accepted =
            Validation { decision: Decision::Accepted, replaces: Some(reference(&rejection).id), ..rejected.clone() };
        let revoked = Revocation { document: about.clone(), medium: Some(medium.clone()), ..revocation() };
        let mut read = MediaVerification { certificate: about.clone(), ..media_verification() };
        (read.run_id, read.medium.identity) = (facts.run_id.clone(), facts.medium.identity.clone());
        read.medium.identity_digest = facts.medium.identity_digest.clone();
        let destroyed = Destruction { medium: medium.clone(), because: Some(reference(&failed)), ..destruction() };
        let mut gathered = lot();
        gathered.of = GatheredUnit::Lot { number: format!("L-{number}"), customer: None };
        (gathered.media[0].medium, gathered.media[0].document) = (medium, Some(about));
        let readers = [(OTHER_STATION, Role::Station), (VERIFIER, Role::Verifier)];
        let breakers = [(OPERATOR, Role::Operator), (WITNESS, Role::Witness)];
        let documents = vec![
            certificate,
            by(&accepted, serde_json::to_vec(&accepted), &validator),
            by(&revoked, serde_json::to_vec(&revoked), &validator),
            by(&read, serde_json::to_vec(&read), &readers),
            by(&destroyed, serde_json::to_vec(&destroyed), &breakers),
            by(&gathered, serde_json::to_vec(&gathered), &[(STATION, Role::Station)]),
            failed,
            rejection,
        ];
        assert_eq!(documents.len(), POOL);
        World { log, documents }
    }

    /// Another run, as the log has it.
    pub fn intended(&mut self, mut facts: RunFacts) -> RunFacts {
        self.log.intend(&mut facts);
        facts
    }

    /// What its first run was.
    pub fn facts(&self) -> RunFacts {
        let Document::Run(run) = Document::read(&self.documents[0]).unwrap().2 else { panic!("no run") };
        run.facts
    }

    /// A bundle of these documents, each named by the log.
    pub fn bundle_of(&self, documents: &[&Vec<u8>]) -> Vec<u8> {
        let log = Growing { lines: self.log.lines.clone() };
        World { log, documents: documents.iter().map(|document| (*document).clone()).collect() }
            .bundle(|_| true, |_| true)
    }

    /// A bundle of some of the documents, with a log that names `logged`.
    pub fn bundle(&self, inside: impl Fn(usize) -> bool, logged: impl Fn(usize) -> bool) -> Vec<u8> {
        self.bundle_with(inside, logged, |_| {})
    }

    /// The same, where the log was changed.
    fn bundle_with(
        &self,
        inside: impl Fn(usize) -> bool,
        logged: impl Fn(usize) -> bool,
        change: impl FnOnce(&mut Growing),
    ) -> Vec<u8> {
        let mut log = Growing { lines: self.log.lines.clone() };
        self.documents.iter().enumerate().filter(|(i, _)| logged(*i)).for_each(|(_, document)| log.name(document));
        change(&mut log);
        let files = self.documents.iter().enumerate().filter(|(i, _)| inside(*i));
        let files: Vec<_> = files.map(|(i, bytes)| (i.to_string(), bytes.clone())).collect();
        let (extract, note) = log.extract();
        bundle(&files, Some((&extract, &note))).unwrap().0.to_bytes()
    }
}

/// A bundle by its name, and what lies beside it.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub bundle: Vec<u8>,
    pub others: Vec<Vec<u8>>,
    /// Of time.
    pub evidence: Vec<Vec<u8>>,
}

impl Case {
    pub fn new(name: impl Into<String>, bundle: Vec<u8>, others: Vec<Vec<u8>>) -> Case {
        Case { name: name.into(), bundle, others, evidence: Vec::new() }
    }

    /// `Err`: it is refused as a whole.
    pub fn by_program(&self, trust: &TrustStore) -> Result<BundleVerification, String> {
        let bundle = Bundle::parse(&self.bundle).map_err(|e| e.to_string())?;
        let evidence: Vec<_> = self.evidence.iter().flat_map(|bytes| read(bytes, trust)).collect();
        verify_bundle(&bundle, Some(trust), &self.others, &evidence, None).map_err(|e| e.to_string())
    }

    /// All its files, the bundle by this name.
    pub fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let numbered = |sort: &'static str, all: &[Vec<u8>]| -> Vec<(String, Vec<u8>)> {
            all.iter().enumerate().map(|(n, bytes)| (format!("{name}.{n}.{sort}"), bytes.clone())).collect()
        };
        let bundle = vec![(name.to_owned(), self.bundle.clone())];
        [bundle, numbered("json", &self.others), numbered("evidence", &self.evidence)].concat()
    }
}

fn rank(word: &str) -> usize {
    ["refused", "invalid", "consistent", "valid"].iter().position(|known| *known == word).unwrap()
}

/// Bundles about media of their own fall on the page together, each beside what is in none; what page and program say
/// differently of each. Counts by verdict.
pub fn compare(
    browser: &Browser,
    page: &std::path::Path,
    trust: &TrustStore,
    cases: &[Case],
) -> (Vec<String>, BTreeMap<&'static str, u32>) {
    let (mut differ, mut counts) = (Vec::new(), BTreeMap::new());
    for cases in cases.chunks(24) {
        open(browser, page, trust);
        let files = cases.iter().enumerate().flat_map(|(i, case)| case.files(&format!("{i}.bundle.json")));
        let said = on_the_page(browser, &files.collect::<Vec<_>>());
        for (i, case) in cases.iter().enumerate() {
            let (file, name) = (format!("{i}.bundle.json"), &case.name);
            let page = said.get(&file).unwrap_or_else(|| panic!("{name}: not judged"));
            let verified = case.by_program(trust);
            let program = verified.as_ref().map_or("refused", |v| word(v.verdict));
            *counts.entry(program).or_insert(0) += 1;
            // What does not begin as a bundle, the page takes for a document, and that is none.
            let same = page == program || (program == "refused" && page == "invalid");
            if !same {
                differ.push(format!("{name}: the program says {program}, the page {page}: {verified:#?}"));
            }
            for document in verified.iter().flat_map(|v| &v.documents) {
                let told = &said[&format!("{file}, {}", &document.id.as_deref().unwrap()[..12])];
                // The page also holds against a document what does not hold of the log that names it.
                let stricter = rank(told) < rank(word(document.verdict)) && page != "valid";
                if told != word(document.verdict) && !stricter {
                    differ.push(format!("{name}: {told}, but {:#?}", document.checks));
                }
            }
        }
    }
    (differ, counts)
}

#[test]
fn what_a_bundle_lacks_the_page_misses_as_the_program_does() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let mut cases = Vec::new();
    for choice in 1usize..1 << POOL {
        let world = World::new(choice);
        let inside = |i: usize| choice >> i & 1 == 1;
        let (bytes, others) = match choice % 5 {
            // The log names all of them, or those that are inside, or none.
            0 => (world.bundle(inside, |_| true), Vec::new()),
            1 => (world.bundle(inside, |_| false), Vec::new()),
            2 | 3 => (world.bundle(inside, inside), Vec::new()),
            // The others lie beside it.
            _ => {
                let beside = world.documents.iter().enumerate().filter(|(i, _)| !inside(*i));
                (world.bundle(inside, inside), beside.map(|(_, bytes)| bytes.clone()).collect())
            }
        };
        cases.push(Case::new(format!("{choice:08b}"), bytes, others));
    }
    // The certificate alone, as the log has it; and with all that follows from its rejection.
    for (number, choice) in [(1001, 0b1), (1002, 0b1001), (1003, 0b1101_0001), (1004, 0b1000_0011)] {
        let inside = |i: usize| choice >> i & 1 == 1;
        cases.push(Case::new(format!("as logged {choice:b}"), World::new(number).bundle(inside, inside), Vec::new()));
    }
    // What is said against a medium that is not in it is none of its affairs.
    let (alone, strangers) = (World::new(1005).bundle(|i| i == 0, |i| i == 0), World::new(1006).documents);
    cases.push(Case::new("beside strangers", alone, strangers));
    assert_eq!(cases.last().unwrap().by_program(&trusted()).unwrap().verdict, Verdict::Valid);
    // What proves the medium elsewhere does not hide that it was rejected in here.
    let world = World::new(1007);
    let (rejected, elsewhere) = (
        world.bundle(|i| [0, 7].contains(&i), |i| [0, 7].contains(&i)),
        [4].map(|i: usize| world.documents[i].clone()),
    );
    cases.push(Case::new("rejected in here, destroyed elsewhere", rejected, elsewhere.to_vec()));
    assert_eq!(cases.last().unwrap().by_program(&trusted()).unwrap().verdict, Verdict::Invalid);
    let mut revoked = trusted();
    revoked.find_mut(key(STATION).kid()).unwrap().revoked_at = Some(at(22));
    let mut no_validator = trust();
    no_validator.find_mut(key(VALIDATOR).kid()).unwrap().revoked_at = Some(at(1));
    for (store, trust, least) in [("good", trusted(), 8), ("revoked", revoked, 0), ("no validator", no_validator, 2)] {
        let (differ, counts) = compare(&browser, &page, &trust, &cases);
        assert!(differ.is_empty(), "{store}: {} differ: {}", differ.len(), differ[..differ.len().min(4)].join("\n"));
        assert!(counts.get("valid").copied().unwrap_or_default() >= least, "{store}: {counts:?}");
        eprintln!("{store}: {} bundles compared: {counts:?}", cases.len());
    }
}

#[test]
fn a_bundle_changed_in_one_place_is_judged_as_the_program_judges_it() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    // The certificate, an acceptance in place of a rejection, a reading, the list of its lot.
    let inside = |i: usize| [0, 1, 3, 5, 7].contains(&i);
    let world = World::new(7);
    let good = world.bundle(inside, inside);
    // They see each other on the page, so the program is given what all of them hold.
    let inside: Vec<_> = world.documents.iter().enumerate().filter(|(i, _)| inside(*i)).collect();
    let others: Vec<Vec<u8>> = inside.into_iter().map(|(_, document)| document.clone()).collect();
    let changes = changed(&serde_json::from_slice(&good).unwrap()).into_iter().step_by(3);
    let mut cases: Vec<_> =
        changes.map(|(name, text)| Case::new(name, format!("{text}\n").into_bytes(), others.clone())).collect();
    // One byte of what stands in it in base64url, or of its checkpoint.
    for at in (0..good.len()).step_by(good.len() / 100) {
        let mut bytes = good.clone();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        cases.push(Case::new(format!("byte {at}"), bytes, others.clone()));
    }
    let (differ, counts) = compare(&browser, &page, &trusted(), &cases);
    assert!(differ.is_empty(), "{} differ: {}", differ.len(), differ[..differ.len().min(6)].join("\n"));
    assert!(counts["valid"] >= 1 && counts["refused"] > 100, "{counts:?}");
    eprintln!("{} bundles compared: {counts:?}", cases.len());
}

/// A world with another list of its lot.
fn with_lot(number: usize, change: impl FnOnce(&mut Gathering, &[Vec<u8>])) -> World {
    let mut world = World::new(number);
    let (_, kind, document) = Document::read(&world.documents[5]).unwrap();
    let Document::Gathering(mut lot) = document else { panic!("no lot") };
    change(&mut lot, &world.documents);
    lot.counts = GatheredCounts::of(&lot.media);
    lot.complete = Gathering::judge(&lot.media, lot.expected);
    world.documents[5] = signed(&serde_json::to_vec(&lot).unwrap(), kind.typ(), &[(STATION, Role::Station)]);
    world
}

/// A world where the run that failed saw the drive by another vendor's name, so many minutes after the certificate's.
fn with_failure(number: usize, minutes: i64) -> World {
    let mut world = World::new(number);
    let read = |bytes: &[u8]| match Document::read(bytes).unwrap() {
        (_, _, Document::Run(run)) => run.facts,
        _ => panic!("no run"),
    };
    let mut facts = read(&world.documents[6]);
    facts.medium.identity.vendor = Some("Dock".into());
    facts.medium.identity_digest = facts.medium.identity.digest();
    facts.ended = read(&world.documents[0]).ended + chrono::TimeDelta::minutes(minutes);
    world.documents[6] = failure_report_of(facts);
    world
}

/// Every medium that is listed has its proof, and the list is not the whole lot; or the last word on a medium is another.
#[test]
fn a_bundle_of_a_list_is_as_whole_as_the_program_says() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let twice = |lot: &mut Gathering, documents: &[Vec<u8>]| {
        let first = lot.media[0].clone();
        let label = MediumName { serial: first.medium.serial, model: first.medium.model, ..MediumName::default() };
        let record = destruction();
        lot.media.push(GatheredMedium {
            medium: label,
            standing: Standing::Destroyed,
            document: Some(reference(&documents[4])),
            attained: Some(record.attained),
            verification: None,
            ended: Some(record.destroyed),
            against: None,
        });
        lot.expected = Some(2);
    };
    let worlds: Vec<(&str, World, Vec<usize>, &str)> = vec![
        ("whole", with_lot(3001, |_, _| {}), vec![0, 5], "valid"),
        ("three were counted", with_lot(3002, |lot, _| lot.expected = Some(3)), vec![0, 5], "invalid"),
        ("nobody counted", with_lot(3003, |lot, _| lot.expected = None), vec![0, 5], "consistent"),
        ("one drive is two", with_lot(3004, twice), vec![0, 4, 5], "invalid"),
        ("it failed in another dock", with_failure(3005, 1), vec![0, 6], "invalid"),
        ("at the same time", with_failure(3006, 0), vec![0, 6], "invalid"),
        ("it had failed before", with_failure(3007, -1), vec![0, 6], "valid"),
    ];
    let mut cases = Vec::new();
    for (name, world, inside, _) in &worlds {
        cases.push(Case::new(*name, world.bundle(|i| inside.contains(&i), |i| inside.contains(&i)), Vec::new()));
    }
    // The failure lies beside the bundle.
    let world = with_failure(3008, 1);
    cases.push(Case::new("beside", world.bundle(|i| i == 0, |i| i == 0), vec![world.documents[6].clone()]));
    let trust = trusted();
    for (case, expected) in cases.iter().zip(worlds.iter().map(|world| world.3).chain(["invalid"])) {
        let verified = case.by_program(&trust);
        let verdict = verified.as_ref().map(|verified| word(verified.verdict));
        assert_eq!(verdict, Ok(expected), "{}: {verified:#?}", case.name);
    }
    let (differ, _) = compare(&browser, &page, &trust, &cases);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// The log is the station's alone: what a key signs that is known for something else is no entry, here and there.
#[test]
fn an_entry_that_somebody_else_than_a_station_signed_spoils_a_bundle() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let (by_station, by_operator) = ((STATION, Role::Station), (OPERATOR, Role::Operator));
    let cases: [(_, _, &[_], _); 7] = [
        ("as it should be", STATION, &[by_station], "valid"),
        ("another station's", OTHER_STATION, &[(OTHER_STATION, Role::Station)], "valid"),
        ("the operator's", OPERATOR, &[by_operator], "refused"),
        ("the operator's, as the station's word", STATION, &[by_operator], "refused"),
        ("the operator's, as a station", OPERATOR, &[(OPERATOR, Role::Station)], "invalid"),
        ("the station's, as somebody else's word", OPERATOR, &[by_station], "refused"),
        ("the station's, and the operator agrees", STATION, &[by_station, by_operator], "refused"),
    ];
    let mut all = Vec::new();
    for (number, (name, source, signers, expected)) in cases.into_iter().enumerate() {
        let change = |log: &mut Growing| log.last_by(source, signers);
        let bundle = World::new(4000 + number).bundle_with(|i| i == 0, |i| i == 0, change);
        let case = Case::new(name, bundle, Vec::new());
        assert_eq!(case.by_program(&trusted()).map_or("refused", |v| word(v.verdict)), expected, "{name}");
        all.push(case);
    }
    let (differ, counts) = compare(&browser, &page, &trusted(), &all);
    assert!(differ.is_empty(), "{} differ: {}", differ.len(), differ.join("\n"));
    assert_eq!((counts["valid"], counts["refused"], counts["invalid"]), (2, 4, 1), "{counts:?}");
}

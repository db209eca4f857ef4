//! The table of schemes. Where sources disagree, the reading that goes back to the original text
//! was taken, and `definition` names it.

use super::catalogue::Step::{self, Byte, Bytes, Complement, Drawn, Random};
use super::catalogue::{Order, Scheme, VerifyRule};

const fn scheme(
    name: &'static str,
    title: &'static str,
    passes: &'static [Step],
    verify: VerifyRule,
    definition: &'static str,
    source: &'static str,
) -> Scheme {
    Scheme { name, title, definition, source, passes, verify, order: Order::AsListed }
}

const ZERO: Step = Byte(0x00);
const ONE: Step = Byte(0xFF);

/// Known by name; no credible source for their passes, so they are not offered.
pub(super) const NOT_OFFERED: &[(&str, &str)] = &[
    ("bsi-tl-03423", "sources contradict each other on BSI TL-03423 and its text was not available"),
    ("bsi-2011-vs", "sources contradict each other on BSI-2011-VS and its text was not available"),
    ("asci-33", "ASCI 33 is sold by name only; no source states its passes"),
    ("opnavinst-5239.1a", "OPNAVINST 5239.1A is sold by name only; no source states its passes"),
];

use VerifyRule::{AsRequested, EachPass, Expected, Mandatory, TenPercent};

#[rustfmt::skip]
pub(super) const CATALOGUE: &[Scheme] = &[
    scheme("zero", "Zeros, one pass", &[ZERO], AsRequested,
        "one pass of 00", "own"),
    scheme("one", "Ones, one pass", &[ONE], AsRequested,
        "one pass of FF", "own"),
    scheme("random", "Random stream, one pass", &[Random], AsRequested,
        "one pass of AES-128-CTR, the key drawn for the pass and stated in the certificate", "own"),
    scheme("nist-clear", "NIST SP 800-88 Clear by overwrite", &[ZERO], Expected,
        "at least one pass of a fixed value; here 00", "NIST SP 800-88r1 Table A-5; r2 section 3.1.1"),
    scheme("nist-clear-flash", "NIST SP 800-88r1 Clear of USB flash and memory cards", &[ZERO, ONE], Expected,
        "a pattern, then its complement; here 00 and FF", "NIST SP 800-88r1 Tables A-7, A-8"),
    scheme("dod-e", "DoD 5220.22-M (E), 3 passes", &[Drawn(0), Complement(0), Drawn(1)], Expected,
        "DoD 5220.22-M (E), Supp. 1, Feb 1995 reading: a character, its complement, a random character",
        "DoD 5220.22-M Supplement 1 (Feb 1995) as quoted by 21jp; obsolete since 2006"),
    scheme("dod-ece", "DoD 5220.22-M (ECE), 7 passes",
        &[Drawn(0), Complement(0), Random, Drawn(1), Drawn(2), Complement(2), Random], Expected,
        "r1, ~r1, random, r4, r5, ~r5, random", "nwipe method.c, Eraser; obsolete since 2006"),
    scheme("dod-short", "DoD 5220.22-M short, 3 passes", &[Drawn(0), Complement(0), Random], Expected,
        "passes 1, 2 and 7 of DoD 5220.22-M (ECE): r, ~r, random", "nwipe method.c"),
    scheme("is5-baseline", "HMG Infosec Standard 5, Baseline", &[ZERO], Expected,
        "one pass of 00, verified", "HMG IS5 as described by several vendors"),
    scheme("is5-enhanced", "HMG Infosec Standard 5, Enhanced", &[ZERO, ONE, Random], Mandatory,
        "00, FF, random; verification of the random pass is mandatory", "nwipe method.c"),
    scheme("ncsc-cpa", "NCSC CPA Security Characteristic: Overwriting Tools v2.2",
        &[Drawn(0), Complement(0), Random], Expected,
        "a byte, its complement, random, over all addressable areas", "NCSC CPA overwriting v2.2 as quoted in nwipe issue 156"),
    scheme("vsitr", "German VSITR, 7 passes", &[ZERO, ONE, ZERO, ONE, ZERO, ONE, Byte(0xAA)], AsRequested,
        "00 and FF three times, last pass AA (others end with random)", "commonly stated VSITR table"),
    scheme("bsi", "BSI, 9 passes (scrub)",
        &[Byte(0xFF), Byte(0xFE), Byte(0xFD), Byte(0xFB), Byte(0xF7), Byte(0xEF), Byte(0xDF), Byte(0xBF), Byte(0x7F)],
        AsRequested, "the nine bytes of scrub's `bsi`", "scrub pattern.c"),
    scheme("bsi-gs", "BSI-GS", &[Random], Expected,
        "overwrite part only: one aperiodic random pass; hidden areas and firmware erase are not part of it",
        "Blancco's description"),
    scheme("bsi-gse", "BSI-GSE", &[Random, Random], Expected,
        "overwrite part only: BSI-GS and one more aperiodic random pass", "Blancco's description"),
    scheme("ops-ii", "RCMP TSSIT OPS-II, 7 passes", &[ZERO, ONE, ZERO, ONE, ZERO, ONE, Random], Mandatory,
        "00 and FF three times, then random, which must be verified and must remain: no blanking pass follows",
        "RCMP TSSIT OPS-II as implemented by KillDisk"),
    scheme("itsg-06", "CSEC ITSG-06, 3 passes", &[ZERO, ONE, Random], Expected,
        "a character of all zeros or ones, its complement, random; here 00 first", "ITSG-06 as quoted in nwipe issue 176, KillDisk"),
    scheme("afssi-5020", "US Air Force AFSSI-5020, 3 passes", &[ZERO, ONE, Drawn(0)], TenPercent,
        "00, FF, any character (here random); a tenth verified", "AFSSI-5020 as quoted by 21jp"),
    scheme("ar-380-19", "US Army AR 380-19, 3 passes", &[Drawn(0), Drawn(1), Complement(1)], Expected,
        "AR 380-19, 27 Feb 1998 reading: a random character, a specified character (here drawn), its complement",
        "AR 380-19 (27 Feb 1998) as quoted by 21jp"),
    scheme("navso-rll", "US Navy NAVSO P-5239-26 for RLL", &[ONE, Bytes(&[0x27, 0xFF, 0xFF, 0xFF]), Random], Expected,
        "FF, 27FFFFFF repeated, random (others write 01 first)", "NAVSO P-5239-26 as quoted by 21jp"),
    scheme("navso-mfm", "US Navy NAVSO P-5239-26 for MFM", &[ONE, Bytes(&[0x7F, 0xFF, 0xFF, 0xFF]), Random], Expected,
        "FF, 7FFFFFFF repeated, random (others write 01 first)", "NAVSO P-5239-26 as quoted by 21jp"),
    scheme("ncsc-tg-025", "NCSC-TG-025 (Forest Green Book), 3 passes", &[ZERO, ONE, Random], EachPass,
        "00, FF, random, each pass verified", "NCSC-TG-025 as described by several vendors"),
    scheme("nsa-130-1", "NSA/CSS 130-1, 3 passes", &[Random, Random, ZERO], Expected,
        "random, random, a known value; here 00", "NSA 130-1 as quoted in nwipe issue 176"),
    scheme("nsa-130-2", "NSA/CSS 130-2, 2 passes", &[Random, Random], Expected,
        "random, random", "commonly stated"),
    scheme("nnsa", "NNSA NAP-14.1-C, 3 passes", &[Random, Random, ZERO], Expected,
        "random, random, 00", "scrub pattern.c"),
    scheme("doe", "DoE M 205.1-2, 3 passes", &[Random, Random, ZERO], Expected,
        "random, random, 00", "DoE M 205.1-2 as described by several vendors"),
    scheme("schneier", "Bruce Schneier, 7 passes", &[ONE, ZERO, Random, Random, Random, Random, Random], AsRequested,
        "the order of Applied Cryptography: FF, 00, five times random", "nwipe method.c"),
    scheme("pfitzner7", "Roy Pfitzner, 7 passes", &[Random; 7], AsRequested,
        "seven times random", "scrub pattern.c"),
    scheme("pfitzner33", "Roy Pfitzner, 33 passes", &[Random; 33], AsRequested,
        "thirty-three times random", "scrub pattern.c"),
    scheme("gost", "\"GOST R 50739-95\", 2 passes", &[ZERO, Random], AsRequested,
        "00, random, as sold under this name; the standard itself defines no patterns", "lethe and others"),
    scheme("ism", "Australian ISM 6.2.92", &[Random], Expected,
        "one random pass", "ISM 6.2.92 as described by several vendors"),
    scheme("ism-small", "Australian ISM 6.2.92, under 15 GB or before 2001", &[Random; 3], Expected,
        "three random passes", "ISM 6.2.92 as described by several vendors"),
    scheme("nzsit-402", "New Zealand NZSIT 402", &[Random], Expected,
        "one random pass", "NZSIT 402 as described by several vendors"),
    scheme("bmb21", "Chinese BMB21-2019, 6 passes", &[ONE, ZERO, Random, Random, Random, ONE], AsRequested,
        "FF, 00, three times random, FF", "nwipe method.c"),
    scheme("nato", "\"NATO\" as sold, 7 passes", &[ZERO, ONE, ZERO, ONE, ZERO, ONE, Random], AsRequested,
        "00 and FF three times, then random, as sold under this name", "several vendors; no NATO text known"),
    scheme("badblocks", "badblocks -w, 4 passes", &[Byte(0xAA), Byte(0x55), ONE, ZERO], EachPass,
        "AA, 55, FF, 00, each pass verified", "e2fsprogs badblocks"),
    scheme("scrub-old", "scrub \"old\", 5 passes", &[ZERO, ONE, Byte(0xAA), Random, Byte(0x55)], Expected,
        "00, FF, AA, random, 55, the last verified", "scrub pattern.c"),
    Scheme {
        name: "gutmann",
        title: "Peter Gutmann, 35 passes",
        definition: "passes 1-4 and 32-35 random; passes 5-31 (55, AA, three-byte patterns phased by absolute offset, 00 to FF) in random order, drawn for each run",
        source: "Gutmann 1996; identical in scrub, nwipe and Eraser",
        passes: GUTMANN,
        verify: AsRequested,
        order: Order::Shuffled { first: 5, last: 31 },
    },
];

const A: Step = Bytes(&[0x92, 0x49, 0x24]);
const B: Step = Bytes(&[0x49, 0x24, 0x92]);
const C: Step = Bytes(&[0x24, 0x92, 0x49]);

#[rustfmt::skip]
const GUTMANN: &[Step] = &[
    Random, Random, Random, Random,
    Byte(0x55), Byte(0xAA), A, B, C,
    Byte(0x00), Byte(0x11), Byte(0x22), Byte(0x33), Byte(0x44), Byte(0x55), Byte(0x66), Byte(0x77),
    Byte(0x88), Byte(0x99), Byte(0xAA), Byte(0xBB), Byte(0xCC), Byte(0xDD), Byte(0xEE), Byte(0xFF),
    A, B, C,
    Bytes(&[0x6D, 0xB6, 0xDB]), Bytes(&[0xB6, 0xDB, 0x6D]), Bytes(&[0xDB, 0x6D, 0xB6]),
    Random, Random, Random, Random,
];

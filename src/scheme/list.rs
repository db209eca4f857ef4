//! `lastwrite wipe --scheme list`: the catalogue for a person and for a program.

use std::fmt::Write;

use serde::Serialize;

use super::catalogue::{Order, Scheme, Step, VerifyRule, catalogue};
use super::{DEFAULT_SCHEME, Pattern};

/// A scheme as `--scheme list --json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SchemeListing {
    /// Command-line name.
    pub name: &'static str,
    /// Full title.
    pub title: &'static str,
    /// Which reading of the standard.
    pub definition: &'static str,
    /// Where it was found.
    pub source: &'static str,
    /// What each pass writes: hex bytes, `random`, `r1`, `~r1`.
    pub passes: Vec<String>,
    /// Passes written in random order: first and last number.
    pub shuffled: Option<(usize, usize)>,
    /// The definition's own rule on verification.
    pub verify: VerifyRule,
    /// Used when none is named.
    pub default: bool,
}

/// The whole catalogue as data.
pub fn listing() -> Vec<SchemeListing> {
    catalogue().iter().map(Scheme::listing).collect()
}

/// The whole catalogue as a text of at most 100 columns, bytes and definition of each.
pub fn listing_text() -> String {
    let mut text = String::new();
    for scheme in catalogue() {
        let mark = if scheme.name == DEFAULT_SCHEME { " (default)" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<18}{}{mark}", scheme.name, scheme.title);
        let _ = writeln!(text, "{}", indented("passes", &scheme.describe_passes()));
        let _ = writeln!(text, "{}", indented("verify", scheme.verify.describe()));
        let _ = writeln!(text, "{}", indented("definition", scheme.definition));
        let _ = writeln!(text, "{}", indented("source", scheme.source));
    }
    text
}

impl Scheme {
    /// This scheme as data.
    pub fn listing(&self) -> SchemeListing {
        SchemeListing {
            name: self.name,
            title: self.title,
            definition: self.definition,
            source: self.source,
            passes: self.passes.iter().map(Step::describe).collect(),
            shuffled: match self.order {
                Order::AsListed => None,
                Order::Shuffled { first, last } => Some((first, last)),
            },
            verify: self.verify,
            default: self.name == DEFAULT_SCHEME,
        }
    }

    /// `00, FF, random`; equal passes in a row are counted: `random x7`.
    pub fn describe_passes(&self) -> String {
        let mut runs: Vec<(String, usize)> = Vec::new();
        for step in self.passes {
            let text = step.describe();
            match runs.last_mut() {
                Some((last, count)) if *last == text => *count += 1,
                _ => runs.push((text, 1)),
            }
        }
        let words: Vec<String> =
            runs.into_iter().map(|(text, n)| if n == 1 { text } else { format!("{text} x{n}") }).collect();
        let order = match self.order {
            Order::AsListed => String::new(),
            Order::Shuffled { first, last } => format!("; {first} to {last} in random order"),
        };
        format!("{}{order}", words.join(", "))
    }
}

impl Step {
    /// `FF`, `92 49 24`, `random`, `r1` (a random byte), `~r1` (its complement).
    pub fn describe(&self) -> String {
        match self {
            Step::Byte(byte) => format!("{byte:02X}"),
            Step::Bytes(bytes) => hex_words(bytes),
            Step::Random => "random".to_owned(),
            Step::Drawn(slot) => format!("r{}", u32::from(*slot) + 1),
            Step::Complement(slot) => format!("~r{}", u32::from(*slot) + 1),
        }
    }
}

impl VerifyRule {
    /// The rule in words.
    pub fn describe(self) -> &'static str {
        match self {
            VerifyRule::AsRequested => "as requested",
            VerifyRule::Expected => "expected of the last pass",
            VerifyRule::TenPercent => "at least a tenth of the last pass",
            VerifyRule::Mandatory => "every byte of the last pass, mandatory",
            VerifyRule::EachPass => "each pass, mandatory",
        }
    }
}

impl Pattern {
    /// The bytes in words: `00`, `92 49 24 repeated`, `random stream, key 0001...`.
    pub fn describe(&self) -> String {
        match self {
            Pattern::Byte { byte } => format!("{byte:02X}"),
            Pattern::Bytes { bytes } => format!("{} repeated", hex_words(bytes)),
            Pattern::Random { key } => format!("random stream (AES-128-CTR, key {key})"),
        }
    }
}

fn hex_words(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(" ")
}

/// `    label       text`, wrapped between words.
fn indented(label: &str, text: &str) -> String {
    const INDENT: usize = 18;
    const WIDTH: usize = 100;
    let mut out = format!("    {label:<14}");
    let mut column = INDENT;
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 && column + 1 + word.chars().count() > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(INDENT));
            column = INDENT;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.chars().count();
    }
    out
}

//! An organization's policy as a file: TOML, read strictly, named by its digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::rating::Switches;
use super::situation::{Category, Destination, Route, UnknownWord};
use super::{Method, Technique, VerificationLevel};

/// The format that is written and read here.
pub const FORMAT: u32 = 1;

/// The rules of an organization. Every member is explained in `docs/policy.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// 1.
    pub format: u32,
    /// Short name: lower-case letters, digits, dots and hyphens.
    pub id: String,
    /// The organization's version of it.
    pub version: String,
    /// For a person.
    pub title: String,
    /// What it follows: document and section.
    pub sources: Vec<String>,
    /// What a reader should know of it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What counts when nobody says it.
    #[serde(default)]
    pub assume: Assume,
    /// The organization's own words for the categories (`"patient data" = "high"`).
    #[serde(default)]
    pub categories: BTreeMap<String, Category>,
    /// The least method, by category and destination.
    pub minimum: Minimums,
    /// The least read-back of what is released.
    pub verification: VerificationRule,
    /// Categories whose results must be accepted (SP 800-88r2 section 4.5.2) before an asset is closed.
    #[serde(default)]
    pub validation: Vec<Category>,
    /// Checks by somebody who did not sanitize.
    #[serde(default)]
    pub second_person: SecondPerson,
    /// Which techniques, in which order.
    #[serde(default)]
    pub techniques: TechniqueRule,
    /// Where sources conflict.
    #[serde(default)]
    pub ratings: Switches,
    /// Blocks that cannot be written or read back.
    #[serde(default)]
    pub bad_sectors: BadSectorRule,
    /// Areas that the host cannot address and nobody could open.
    #[serde(default)]
    pub hidden_areas: HiddenAreas,
    /// Who may do it.
    #[serde(default)]
    pub operator: Operators,
    /// How long the evidence is kept.
    pub retention: Retention,
}

/// What counts when nobody says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assume {
    /// The category.
    pub category: Option<Category>,
    /// The route.
    pub route: Option<Route>,
    /// Without a category and a route, said or assumed, nothing is done.
    pub nothing: bool,
}

/// The least method for each category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Minimums {
    /// Nothing confidential.
    pub none: Columns,
    /// Low.
    pub low: Columns,
    /// Moderate.
    pub moderate: Columns,
    /// High.
    pub high: Columns,
}

/// The least method for each destination. On the route destruction it is always Destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Reused, stays under control.
    pub reused_inside: Method,
    /// Reused, leaves control.
    pub reused_outside: Method,
    /// Not reused.
    pub discarded: Method,
}

/// The least read-back, by the method that is attained. After Destroy there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationRule {
    /// After Clear.
    pub clear: VerificationLevel,
    /// After Purge.
    pub purge: VerificationLevel,
}

/// Checks by somebody who did not sanitize.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondPerson {
    /// Of a hundred sanitized media, so many are checked.
    pub percent: u8,
}

/// Which techniques, in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TechniqueRule {
    /// First choice first. What is not named comes after, in the order built in.
    pub order: Vec<Technique>,
    /// Never.
    pub forbidden: Vec<Technique>,
    /// Whether destroying keys counts (SP 800-88r2 section 3.2 states its conditions).
    pub crypto_erase: CryptoErase,
    /// How far a run may step down when a technique fails.
    pub step_down: StepDown,
}

/// Whether a cryptographic erase counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CryptoErase {
    /// As it is rated. The conditions of SP 800-88r2 section 3.2 are the organization's to assure.
    #[default]
    AsRated,
    /// Never.
    Refused,
}

/// How far a run may step down. Ordered: each allows what the one before does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepDown {
    /// One technique, and when it fails the run fails.
    #[default]
    Never,
    /// To another technique that attains what was asked for.
    SameMethod,
    /// Also to one that attains less than was asked for, but never less than the policy's minimum.
    LowerMethod,
}

/// Blocks that cannot be written or read back. Blocks that read back as something else never pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BadSectorRule {
    /// At most so many logical blocks; 0: any one is a failure.
    pub at_most: u32,
    /// Up to this category; above it any one is a failure.
    pub up_to: Option<Category>,
}

/// What to do with hidden areas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenAreas {
    /// The rule.
    pub rule: HiddenAreaRule,
}

/// Who may do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// The rule.
    pub rule: OperatorRule,
}

/// Hidden areas (HPA, DCO, AMAC, unallocated NVMe capacity) that could not be examined or opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HiddenAreaRule {
    /// They are recorded as excluded, and the run goes on.
    #[default]
    Recorded,
    /// The medium is refused where they exist or cannot be examined.
    Refused,
}

/// Who may do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorRule {
    /// Anybody; a name may be given and is recorded as claimed.
    #[default]
    Anybody,
    /// A name must be given; it is recorded as claimed.
    Named,
    /// Only a person who signs with a key of their own.
    OwnKey,
}

/// How long the evidence is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Years after the run.
    pub years: u16,
}

/// A policy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or not the documented members.
    #[error("it is not a policy of the documented form: {0}")]
    Form(String),
    /// Another format.
    #[error("it has format {0}; this version reads format {FORMAT}")]
    Format(u32),
    /// A rule in it cannot be.
    #[error("{member}: {why}")]
    Rule {
        /// Where.
        member: &'static str,
        /// What is wrong, and what would be right.
        why: String,
    },
}

impl Policy {
    /// Reads a policy strictly.
    pub fn parse(toml: &str) -> Result<Policy, PolicyError> {
        let policy: Policy = toml::from_str(toml).map_err(|e| PolicyError::Form(e.to_string().trim().to_owned()))?;
        policy.check()?;
        Ok(policy)
    }

    /// The least method for a category and a route.
    pub fn minimum(&self, category: Category, route: Route) -> Method {
        let columns = self.minimum.of(category);
        match route.destination() {
            Destination::ReusedInside => columns.reused_inside,
            Destination::ReusedOutside => columns.reused_outside,
            Destination::Discarded => columns.discarded,
            Destination::Destroyed => Method::Destroy,
        }
    }

    /// The least read-back once a method was attained.
    pub fn verification(&self, method: Method) -> VerificationLevel {
        match method {
            Method::Clear => self.verification.clear,
            Method::Purge => self.verification.purge,
            Method::Destroy => VerificationLevel::None,
        }
    }

    /// Whether a result must be accepted by somebody before an asset is closed on it.
    pub fn wants_validation(&self, category: Category) -> bool {
        self.validation.contains(&category)
    }

    /// The category that a word means here.
    pub fn category(&self, word: &str) -> Result<Category, UnknownWord> {
        let meant = word.trim().to_lowercase();
        let built_in = Category::ALL.into_iter().find(|category| category.name() == meant);
        let own =
            || self.categories.iter().find(|(name, _)| name.to_lowercase() == meant).map(|(_, category)| *category);
        built_in.or_else(own).ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            what: "confidentiality category",
            known: Category::ALL
                .map(Category::name)
                .into_iter()
                .chain(self.categories.keys().map(String::as_str))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// Blocks that may go wrong for this category.
    pub fn bad_sectors_allowed(&self, category: Option<Category>) -> u32 {
        // An unknown category may be the highest.
        let within = match self.bad_sectors.up_to {
            None => true,
            Some(limit) => category.is_some_and(|category| category <= limit),
        };
        if within { self.bad_sectors.at_most } else { 0 }
    }

    /// Position of a technique in the order of choice.
    pub fn rank(&self, technique: Technique) -> usize {
        let named = self.techniques.order.iter().position(|t| *t == technique);
        let built_in = super::ladder::ORDER.iter().position(|t| *t == technique);
        named.unwrap_or(self.techniques.order.len() + built_in.unwrap_or(super::ladder::ORDER.len()))
    }

    /// `nist-800-88r2 version 1`.
    pub fn label(&self) -> String {
        format!("{} version {}", self.id, self.version)
    }

    fn check(&self) -> Result<(), PolicyError> {
        let rule = |member, why: &str| Err(PolicyError::Rule { member, why: why.to_owned() });
        if self.format != FORMAT {
            return Err(PolicyError::Format(self.format));
        }
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(slug) {
            return rule("id", "it must be 1 to 64 lower-case letters, digits, dots and hyphens");
        }
        let line = |text: &str| !text.trim().is_empty() && text.len() <= 500 && !text.chars().any(char::is_control);
        if !line(&self.version) || self.version.len() > 32 {
            return rule("version", "it must be 1 to 32 characters on one line");
        }
        if !line(&self.title) || !self.sources.iter().chain(&self.notes).all(|text| line(text)) {
            return rule("title, sources, notes", "each must be a line of 1 to 500 characters");
        }
        if self.sources.is_empty() {
            return rule("sources", "a policy names what it follows");
        }
        for (less, more) in Category::ALL.into_iter().zip(Category::ALL.into_iter().skip(1)) {
            let (a, b) = (self.minimum.of(less), self.minimum.of(more));
            if b.reused_inside < a.reused_inside || b.reused_outside < a.reused_outside || b.discarded < a.discarded {
                let why = format!("{more} must never ask for less than {less}");
                return Err(PolicyError::Rule { member: "minimum", why });
            }
        }
        for category in Category::ALL {
            let columns = self.minimum.of(category);
            if columns.reused_outside < columns.reused_inside {
                let why = format!("{category}: what leaves control must never ask for less than what stays");
                return Err(PolicyError::Rule { member: "minimum", why });
            }
        }
        let words = self.categories.keys();
        if let Some(word) = words.into_iter().find(|word| {
            let meant = word.trim().to_lowercase();
            meant.is_empty() || Category::ALL.iter().any(|category| category.name() == meant)
        }) {
            let why = format!("{word:?} cannot be given a meaning of its own");
            return Err(PolicyError::Rule { member: "categories", why });
        }
        if self.second_person.percent > 100 {
            return rule("second_person.percent", "it must be 0 to 100");
        }
        if self.retention.years == 0 || self.retention.years > 100 {
            return rule("retention.years", "it must be 1 to 100");
        }
        self.check_techniques()
    }

    fn check_techniques(&self) -> Result<(), PolicyError> {
        let rules = &self.techniques;
        for (i, technique) in rules.order.iter().enumerate() {
            if rules.order[i + 1..].contains(technique) || rules.forbidden.contains(technique) {
                let why = format!("{technique} stands twice, or is chosen and forbidden");
                return Err(PolicyError::Rule { member: "techniques", why });
            }
            if technique.is_physical() {
                let why = format!("{technique} cannot be chosen by software; it can only be forbidden");
                return Err(PolicyError::Rule { member: "techniques.order", why });
            }
        }
        let ratings = &self.ratings;
        let switches = [
            ratings.enhanced_erase_on_flash,
            ratings.sanitize_overwrite_on_flash,
            ratings.nvme_format_user,
            ratings.nvme_format_crypto,
            ratings.scsi_format,
            ratings.mmc_sanitize,
        ];
        match switches.contains(&Method::Destroy) {
            true => Err(PolicyError::Rule {
                member: "ratings",
                why: "no command of a drive destroys it: clear or purge".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

impl Minimums {
    /// The columns of a category.
    pub fn of(&self, category: Category) -> &Columns {
        match category {
            Category::None => &self.none,
            Category::Low => &self.low,
            Category::Moderate => &self.moderate,
            Category::High => &self.high,
        }
    }
}

impl Default for TechniqueRule {
    fn default() -> TechniqueRule {
        TechniqueRule {
            order: Vec::new(),
            forbidden: Vec::new(),
            crypto_erase: CryptoErase::AsRated,
            step_down: StepDown::SameMethod,
        }
    }
}

impl StepDown {
    /// `never`, `same-method`, `lower-method`.
    pub fn name(self) -> &'static str {
        match self {
            StepDown::Never => "never",
            StepDown::SameMethod => "same-method",
            StepDown::LowerMethod => "lower-method",
        }
    }
}

/// Names the bytes of a policy file: SHA-256, lower-case hex.
pub fn digest(toml: &[u8]) -> String {
    Sha256::digest(toml).iter().map(|b| format!("{b:02x}")).collect()
}

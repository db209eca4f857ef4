//! Why a policy says no: which rule, and what would satisfy it.

use thiserror::Error;

use super::ladder::PassedOver;
use super::organization::StepDown;
use super::situation::{Category, Route, UnknownWord};
use super::warnings::describe;
use super::{Method, Technique, VerificationLevel};
use crate::media::Kind;

/// The request breaks a rule. Names the rule and what would satisfy it. `policy` is the label of the
/// policy: id and version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Software never destroys a medium.
    #[error(
        "refused: Destroy leaves a medium that can no longer store data, and no software can do that \
         (SP 800-88r2 section 3.1.3). Destroy the medium physically and record it; or request clear or purge"
    )]
    DestroyBySoftware,
    /// The policy demands Destroy.
    #[error(
        "refused: the policy {policy} demands Destroy for a medium of category {category} on the route {route}, and no \
         software can do that. Destroy it physically and record that; to wipe it before it is destroyed, say \
         --before-destruction. {elsewhere}"
    )]
    DestroyDemanded {
        /// Label.
        policy: String,
        /// Of what was on it.
        category: Category,
        /// Where it was to go.
        route: Route,
        /// Which routes would take less.
        elsewhere: String,
    },
    /// Less was asked for than the policy demands.
    #[error(
        "refused: {} was requested, but the policy {policy} demands {} for a medium of category {category} on the \
         route {route}. Request {} or leave the choice to the policy",
        requested.name(), minimum.name(), minimum.name().to_lowercase()
    )]
    BelowMinimum {
        /// Label.
        policy: String,
        /// What was asked for.
        requested: Method,
        /// What is demanded.
        minimum: Method,
        /// Of what was on it.
        category: Category,
        /// Where it goes.
        route: Route,
    },
    /// No technique that is there attains what is wanted.
    #[error(
        "refused: {} {}, but nothing that can be used on {} attains it{}. {}",
        method.name(), asked_by(demanded), describe(*kind), tried(passed_over),
        way_out(*method, demanded.is_some(), passed_over)
    )]
    MethodNotAttainable {
        /// What is wanted.
        method: Method,
        /// The policy that demands it, so that asking for less does not help.
        demanded: Option<String>,
        /// On which medium.
        kind: Kind,
        /// What is there, and why it does not do.
        passed_over: Vec<PassedOver>,
    },
    /// The named technique cannot be used.
    #[error("refused: {technique} ({}) cannot be used on {}: {why}. {}", technique.describe(), describe(*kind), others(usable))]
    TechniqueUnusable {
        /// Which.
        technique: Technique,
        /// On which medium.
        kind: Kind,
        /// Why.
        why: String,
        /// What could be used.
        usable: Vec<Technique>,
    },
    /// The named technique attains too little.
    #[error(
        "refused: {technique} counts for {} on {}, but the policy {policy} demands {} for a medium of category \
         {category} on the route {route} ({sources}). {}",
        rated.name(), describe(*kind), minimum.name(), others(usable)
    )]
    TechniqueTooWeak {
        /// Label.
        policy: String,
        /// Which.
        technique: Technique,
        /// On which medium.
        kind: Kind,
        /// What it counts for.
        rated: Method,
        /// What is demanded.
        minimum: Method,
        /// Of what was on it.
        category: Category,
        /// Where it goes.
        route: Route,
        /// Who rates it so.
        sources: String,
        /// What would do.
        usable: Vec<Technique>,
    },
    /// A physical technique is nothing for software.
    #[error(
        "refused: {} is done by a machine, and software can only record it. Use \
         `lastwrite certificate record-destruction` once it is done", technique.describe()
    )]
    PhysicalTechnique {
        /// Which.
        technique: Technique,
    },
    /// The policy wants to know what was on the medium, or where it goes.
    #[error("refused: the policy {policy} decides nothing without {}. Say it with {}", unsaid(*category, *route), said_with(*category, *route))]
    SituationUnknown {
        /// Label.
        policy: String,
        /// The category is missing.
        category: bool,
        /// The route is missing.
        route: bool,
    },
    /// A word that the policy does not know.
    #[error("refused: {0}")]
    Word(#[from] UnknownWord),
    /// The scheme itself demands verification.
    #[error(
        "refused: {title} demands verification ({rule}), and `{asked}` was requested. Use `--verify {satisfied_by}`, or a \
         scheme without that rule"
    )]
    VerificationDemanded {
        /// The scheme's title.
        title: &'static str,
        /// Its rule in words.
        rule: &'static str,
        /// What was asked for.
        asked: &'static str,
        /// The least that satisfies it.
        satisfied_by: &'static str,
    },
    /// The policy demands more read-back.
    #[error(
        "refused: `--verify {}` was requested, but the policy {policy} releases nothing after {} without at least \
         `--verify {}`. Ask for that, or leave it out", asked.name(), method.name(), least.name()
    )]
    VerificationTooLittle {
        /// Label.
        policy: String,
        /// What was asked for.
        asked: VerificationLevel,
        /// What is demanded.
        least: VerificationLevel,
        /// After which method.
        method: Method,
    },
    /// A step down that the policy does not allow.
    #[error(
        "refused: a step down to {} was to be allowed, but the policy {policy} allows {}. Say --step-down {}, or have \
         the policy changed", asked.words(), allowed.words(), allowed.name()
    )]
    StepDownTooFar {
        /// Label.
        policy: String,
        /// What was asked for.
        asked: StepDown,
        /// What the policy allows.
        allowed: StepDown,
    },
    /// Hidden areas stand in the way.
    #[error(
        "refused: the policy {policy} takes no medium with hidden areas that cannot be opened or examined, and {why}. {}",
        if reaching.is_empty() {
            "Attach the drive so that its own commands reach it and have the areas given back (--restore-hidden), or \
             destroy it".to_owned()
        } else {
            others(reaching)
        }
    )]
    HiddenAreas {
        /// Label.
        policy: String,
        /// What is known of them.
        why: String,
        /// Techniques that would reach them.
        reaching: Vec<Technique>,
    },
    /// Nobody says who does it, or without a key.
    #[error("refused: the policy {policy} {}", if *own_key {
        "accepts only operators who sign with a key of their own, and the operator is only claimed. Have the operator \
         make a key and name it"
    } else {
        "wants to know who does it. Say it with --operator NAME"
    })]
    OperatorUnproven {
        /// Label.
        policy: String,
        /// A key is demanded, not only a name.
        own_key: bool,
    },
    /// A part of a disk releases nothing.
    #[error("refused: only a partition was named, but {}. Name the whole disk{}", match (policy, route) {
        (Some(policy), _) => format!("the policy {policy} decides of a disk as a whole and of nothing else"),
        (None, Some(route)) => format!("a disk that goes the route {route} is released as a whole"),
        (None, None) => "a disk is released as a whole".to_owned(),
    }, if policy.is_some() { "" } else { ", or leave --route out" })]
    PartitionReleasesNothing {
        /// Where it was to go, where that was said.
        route: Option<Route>,
        /// Label of a policy that does nothing without a route, so that leaving it out does not help.
        policy: Option<String>,
    },
}

fn unsaid(category: bool, route: bool) -> &'static str {
    match (category, route) {
        (true, true) => "the confidentiality category and the disposition route",
        (true, false) => "the confidentiality category",
        (false, _) => "the disposition route",
    }
}

/// The options, with what can be said.
fn said_with(category: bool, route: bool) -> String {
    let categories = || format!("--category ({})", Category::ALL.map(Category::name).join(", "));
    let routes = || format!("--route ({})", Route::ALL.map(Route::name).join(", "));
    match (category, route) {
        (true, true) => format!("{} and {}", categories(), routes()),
        (true, false) => categories(),
        (false, _) => routes(),
    }
}

fn asked_by(demanded: &Option<String>) -> String {
    match demanded {
        Some(policy) => format!("is demanded by the policy {policy}"),
        None => "was requested".to_owned(),
    }
}

fn tried(passed_over: &[PassedOver]) -> String {
    if passed_over.is_empty() {
        return String::new();
    }
    let each: Vec<String> = passed_over.iter().map(|p| format!("{}: {}", p.technique, p.why)).collect();
    format!(" ({})", each.join("; "))
}

fn way_out(method: Method, demanded: bool, passed_over: &[PassedOver]) -> String {
    let only_host = passed_over.iter().all(|p| p.technique == Technique::Overwrite);
    let attach = match method {
        Method::Purge if only_host => {
            "A host overwrite attains only Clear: it reaches the user-addressable locations and no others \
             (SP 800-88r2 section 3.1.1). Use the drive's own commands where it has them, attached directly and not \
             behind a bridge"
        }
        _ => "Undo what stands in the way, attach the drive directly and not behind a bridge",
    };
    match demanded {
        true => format!("{attach}; or choose a route that demands less; or destroy the medium and record it"),
        false => format!("{attach}; or request clear; or destroy the medium and record it"),
    }
}

fn others(usable: &[Technique]) -> String {
    match usable {
        [] => "Nothing else can be used here: destroy the medium and record it".to_owned(),
        some => format!("Use {}", some.iter().map(|t| t.name()).collect::<Vec<_>>().join(" or ")),
    }
}

impl StepDown {
    fn words(self) -> &'static str {
        match self {
            StepDown::Never => "no other technique",
            StepDown::SameMethod => "another technique for the same method",
            StepDown::LowerMethod => "a technique that attains less",
        }
    }
}

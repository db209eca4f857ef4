//! A policy as text for a person.

use super::organization::{CryptoErase, HiddenAreaRule, OperatorRule, Policy, StepDown};
use super::rating::Shredding;
use super::ready::{DEFAULT, Ready};
use super::situation::{Category, Route};

/// The rules in words, one a line.
pub fn render(policy: &Policy) -> String {
    let mut lines = vec![format!("{}: {}", policy.label(), policy.title), String::new()];
    lines.push("Least method by category and route (Destroy can only be recorded, never done by software)".to_owned());
    let mut head = format!("  {:<10}", "");
    for route in Route::ALL {
        head.push_str(&format!("{:<15}", route.name()));
    }
    lines.push(head.trim_end().to_owned());
    for category in Category::ALL {
        let mut line = format!("  {:<10}", category.name());
        for route in Route::ALL {
            line.push_str(&format!("{:<15}", policy.minimum(category, route).name()));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.push(String::new());
    let mut fact = |name: &str, text: String| lines.push(format!("{name:<16} {text}"));
    fact(
        "Read-back",
        format!(
            "at least {} after Clear and {} after Purge, for what is released",
            policy.verification.clear.name(),
            policy.verification.purge.name()
        ),
    );
    let validated: Vec<&str> = policy.validation.iter().map(|category| category.name()).collect();
    fact(
        "Validation",
        match validated.as_slice() {
            [] => "not demanded".to_owned(),
            some => format!("a person accepts the result, for the categories {}", some.join(", ")),
        },
    );
    fact(
        "Second person",
        match policy.second_person.percent {
            0 => "no share of results is checked again".to_owned(),
            100 => "every result is checked again by somebody else".to_owned(),
            percent => format!("{percent} % of results are checked again by somebody else"),
        },
    );
    let mut techniques = vec![match policy.techniques.step_down {
        StepDown::Never => "no step down".to_owned(),
        StepDown::SameMethod => "step down only to what attains the same".to_owned(),
        StepDown::LowerMethod => "step down also to less than was asked for, never below the minimum".to_owned(),
    }];
    if policy.techniques.crypto_erase == CryptoErase::Refused {
        techniques.push("no cryptographic erase".to_owned());
    }
    if !policy.techniques.order.is_empty() {
        let names: Vec<&str> = policy.techniques.order.iter().map(|t| t.name()).collect();
        techniques.push(format!("first {}", names.join(", ")));
    }
    if !policy.techniques.forbidden.is_empty() {
        let names: Vec<&str> = policy.techniques.forbidden.iter().map(|t| t.name()).collect();
        techniques.push(format!("never {}", names.join(", ")));
    }
    fact("Techniques", techniques.join("; "));
    let r = &policy.ratings;
    fact(
        "Conflicts",
        format!(
            "enhanced erase on flash {}, sanitize overwrite on flash {}, NVMe format user {}, NVMe format crypto {}, \
             SCSI format {}, eMMC sanitize {}, shredding {}",
            r.enhanced_erase_on_flash.name(),
            r.sanitize_overwrite_on_flash.name(),
            r.nvme_format_user.name(),
            r.nvme_format_crypto.name(),
            r.scsi_format.name(),
            r.mmc_sanitize.name(),
            match r.shredding {
                Shredding::Refused => "refused",
                Shredding::LowOnly => "for none and low only",
                Shredding::Destroys => "destroys",
            }
        ),
    );
    fact(
        "Bad sectors",
        match (policy.bad_sectors.at_most, policy.bad_sectors.up_to) {
            (0, _) => "any block that cannot be written or read back is a failure".to_owned(),
            (n, None) => format!("at most {n} blocks may fail to be written or read back"),
            (n, Some(limit)) => {
                format!("at most {n} blocks may fail to be written or read back, up to the category {limit}")
            }
        },
    );
    fact(
        "Hidden areas",
        match policy.hidden_areas.rule {
            HiddenAreaRule::Recorded => "recorded as excluded where they cannot be opened".to_owned(),
            HiddenAreaRule::Refused => "a medium with closed or unexamined ones is refused".to_owned(),
        },
    );
    fact(
        "Operator",
        match policy.operator.rule {
            OperatorRule::Anybody => "may be unnamed; a name is recorded as claimed".to_owned(),
            OperatorRule::Named => "must be named; the name is recorded as claimed".to_owned(),
            OperatorRule::OwnKey => "must sign with a key of their own".to_owned(),
        },
    );
    let mut assumed = Vec::new();
    assumed.extend(policy.assume.category.map(|category| format!("category {category}")));
    assumed.extend(policy.assume.route.map(|route| format!("route {route}")));
    fact(
        "When unsaid",
        match (assumed.is_empty(), policy.assume.nothing) {
            (false, strict) => {
                format!("{}{}", assumed.join(", "), if strict { "; what is still unsaid then is refused" } else { "" })
            }
            (true, true) => "refused: category and route must be said".to_owned(),
            (true, false) => "no minimum is decided, and the plan says so".to_owned(),
        },
    );
    if !policy.categories.is_empty() {
        let words: Vec<String> =
            policy.categories.iter().map(|(word, category)| format!("{word} = {category}")).collect();
        fact("Own words", words.join(", "));
    }
    fact("Evidence kept", format!("{} years", policy.retention.years));
    lines.push(String::new());
    lines.extend(policy.sources.iter().map(|source| format!("Source: {source}")));
    lines.extend(policy.notes.iter().map(|note| format!("Note: {note}")));
    lines.join("\n")
}

/// Where a policy asks for less than the built-in default, for whoever approves it.
pub fn weaker_than_default(policy: &Policy) -> Vec<String> {
    let Some(default) = Ready::find(DEFAULT).and_then(|ready| ready.policy().ok()) else { return Vec::new() };
    let mut found = Vec::new();
    for category in Category::ALL {
        for route in Route::ALL {
            let (own, usual) = (policy.minimum(category, route), default.minimum(category, route));
            if own < usual {
                found.push(format!(
                    "{} for {category} on the route {route}, where {} stands in the default",
                    own.name(),
                    usual.name()
                ));
            }
        }
    }
    let mut note = |weaker: bool, words: &str| {
        if weaker {
            found.push(words.to_owned());
        }
    };
    note(
        policy.verification.clear < default.verification.clear
            || policy.verification.purge < default.verification.purge,
        "less read-back than the default asks for",
    );
    note(policy.bad_sectors.at_most > 0, "blocks may fail to be written or read back and stay on the medium");
    let (own, usual) = (&policy.ratings, &default.ratings);
    note(own.enhanced_erase_on_flash > usual.enhanced_erase_on_flash, "enhanced erase on flash counts for more");
    note(
        own.sanitize_overwrite_on_flash > usual.sanitize_overwrite_on_flash,
        "sanitize overwrite on flash counts for more",
    );
    note(own.nvme_format_user > usual.nvme_format_user, "NVMe format, user data erase, counts for more");
    note(own.nvme_format_crypto > usual.nvme_format_crypto, "NVMe format, cryptographic erase, counts for more");
    note(own.scsi_format > usual.scsi_format, "SCSI format counts for more");
    note(own.mmc_sanitize > usual.mmc_sanitize, "eMMC sanitize counts for more");
    note(own.shredding == Shredding::Destroys, "shredding destroys for every category");
    found
}

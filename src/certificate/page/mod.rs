//! One page that verifies certificates in a browser, offline: style and scripts are inside it, it
//! loads nothing and sends nothing, and its own content security policy forbids both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::policy::{Category, Policy, READY, Route, Storage, Technique, counts_for};

/// In the order they stand on the page.
const SCRIPTS: [&str; 17] = [
    include_str!("strict.js"),
    include_str!("shapes.js"),
    include_str!("ed25519.js"),
    include_str!("trust.js"),
    include_str!("log.js"),
    include_str!("der.js"),
    include_str!("x509.js"),
    include_str!("timestamp.js"),
    include_str!("evidence.js"),
    include_str!("pdf.js"),
    include_str!("run.js"),
    include_str!("drive.js"),
    include_str!("others.js"),
    include_str!("documents.js"),
    include_str!("media.js"),
    include_str!("bundle.js"),
    include_str!("view.js"),
];
const STYLE: &str = include_str!("style.css");
const PAGE: &str = include_str!("page.html");

/// The page, as one HTML file. The same program always makes the same bytes.
pub fn page() -> String {
    let policies = Value::Array(READY.iter().filter_map(|r| Some(known(r.policy().ok()?, r.digest()))).collect());
    let scripts = SCRIPTS.join("\n");
    let script = format!("\"use strict\";\n(() => {{\nconst POLICIES = {policies};\n{scripts}\n}})();\n");
    let parts = [
        ("{{version}}", env!("CARGO_PKG_VERSION").to_owned()),
        ("{{script-hash}}", source_hash(&script)),
        ("{{style-hash}}", source_hash(STYLE)),
        ("{{style}}", STYLE.to_owned()),
        // Last: nothing is looked for inside the script.
        ("{{script}}", script),
    ];
    parts.into_iter().fold(PAGE.to_owned(), |page, (name, part)| page.replacen(name, &part, 1))
}

/// What the rules of a policy that comes with the program make of each case, for documents that name it.
fn known(policy: Policy, digest: String) -> Value {
    let minimum = |category| {
        let of = |route: Route| (route.name().replace('-', "_"), json!(policy.minimum(category, route)));
        Value::Object(Route::ALL.into_iter().map(of).collect())
    };
    let by_category: Map<_, _> = Category::ALL.into_iter().map(|c| (c.name().to_owned(), minimum(c))).collect();
    let cases = std::iter::once(None).chain(Category::ALL.into_iter().map(Some));
    let bad: Map<_, _> =
        cases.map(|c| (c.map_or("", Category::name).to_owned(), json!(policy.bad_sectors_allowed(c)))).collect();
    // What each technique counts for, by what holds the data; none: the policy does not take it there.
    let counts = |storage| {
        let software = Technique::ALL.into_iter().filter(|technique| !technique.is_physical());
        let of = |technique| Some((format!("{technique}"), json!(counts_for(&policy, technique, storage).ok()?)));
        Value::Object(software.filter_map(of).collect())
    };
    let storages = [Storage::Magnetic, Storage::Flash, Storage::Unknown, Storage::NoHardware];
    let counts: Map<_, _> =
        storages.map(|s| (json!(s).as_str().unwrap_or_default().to_owned(), counts(s))).into_iter().collect();
    json!({
        "id": policy.id, "digest": digest, "version": policy.version, "minimum": by_category,
        "assume": policy.assume, "verification": policy.verification, "counts": counts,
        "validation": Category::ALL.into_iter().filter(|c| policy.wants_validation(*c)).collect::<Vec<_>>(),
        "second_person_percent": policy.second_person.percent, "bad_blocks_allowed": bad,
        "hidden_areas": policy.hidden_areas.rule, "operator": policy.operator.rule,
        "step_down": policy.techniques.step_down, "retention_years": policy.retention.years,
    })
}

/// A hash source of a content security policy (CSP level 3, section 2.3.1).
fn source_hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_page_comes_from_elsewhere() {
        let page = page();
        for word in
            ["{{", "src=", "href=", "import(", "fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "innerHTML"]
        {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'"));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!SCRIPTS.iter().any(|s| s.contains("</script")), "a script would end early");
    }
}

//! One page that verifies certificates in a browser, offline: style and scripts are inside it, it
//! loads nothing and sends nothing, and its own content security policy forbids both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// In the order they stand on the page.
const SCRIPTS: [&str; 7] = [
    include_str!("strict.js"),
    include_str!("ed25519.js"),
    include_str!("trust.js"),
    include_str!("log.js"),
    include_str!("pdf.js"),
    include_str!("documents.js"),
    include_str!("view.js"),
];
const STYLE: &str = include_str!("style.css");
const PAGE: &str = include_str!("page.html");

/// The page, as one HTML file. The same program always makes the same bytes.
pub fn page() -> String {
    let script = format!("\"use strict\";\n(() => {{\n{}\n}})();\n", SCRIPTS.join("\n"));
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

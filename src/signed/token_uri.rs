//! `pkcs11:` URIs (RFC 7512): which token, which key on it, and the module that speaks to it.

use std::fmt;
use std::path::PathBuf;

/// A key on a token. What is not named may be anything, as long as one key alone fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenUri {
    /// As it was written, for messages and configuration.
    text: String,
    /// Label of the token.
    pub token: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its manufacturer.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Number of its slot.
    pub slot_id: Option<u64>,
    /// Label of the key.
    pub object: Option<String>,
    /// Id of the key (CKA_ID).
    pub id: Option<Vec<u8>>,
    /// The vendor's module.
    pub module: Option<PathBuf>,
    /// File with the PIN.
    pub pin_source: Option<PathBuf>,
}

/// Where somebody's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a file.
    File(PathBuf),
    /// On a token.
    Token(Box<TokenUri>),
}

impl KeyPlace {
    /// Reads a path or a `pkcs11:` URI.
    pub fn parse(text: &str) -> Result<KeyPlace, TokenUriError> {
        match TokenUri::is_one(text) {
            true => TokenUri::parse(text).map(|uri| KeyPlace::Token(Box::new(uri))),
            false => Ok(KeyPlace::File(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPlace::File(path) => path.display().fmt(f),
            KeyPlace::Token(uri) => uri.fmt(f),
        }
    }
}

/// Text that is no usable `pkcs11:` URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenUriError(String);

impl TokenUri {
    /// Whether text means a key on a token and not a file.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("pkcs11:")
    }

    /// Reads a URI. Attributes that are not known here are refused: they would narrow the choice.
    pub fn parse(text: &str) -> Result<TokenUri, TokenUriError> {
        let no = |what: String| TokenUriError(what);
        let rest = text.strip_prefix("pkcs11:").ok_or_else(|| no("it does not begin with pkcs11:".to_owned()))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = TokenUri { text: text.to_owned(), ..TokenUri::default() };
        let mut seen = Vec::new();
        let parts = path.split(';').chain(query.split('&')).filter(|part| !part.is_empty());
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| no(format!("{part:?} is no attribute=value")))?;
            if seen.contains(&name) {
                return Err(no(format!("{name} stands twice")));
            }
            seen.push(name);
            let bytes = decode(value).ok_or_else(|| no(format!("{name} is not percent-encoded well")))?;
            let text = || String::from_utf8(bytes.clone()).map_err(|_| no(format!("{name} is not UTF-8")));
            match name {
                "token" => uri.token = Some(text()?),
                "serial" => uri.serial = Some(text()?),
                "manufacturer" => uri.manufacturer = Some(text()?),
                "model" => uri.model = Some(text()?),
                "slot-id" => uri.slot_id = Some(text()?.parse().map_err(|_| no("slot-id is no number".to_owned()))?),
                "object" => uri.object = Some(text()?),
                "id" => uri.id = Some(bytes),
                "type" if text()? == "private" => {}
                "module-path" => uri.module = Some(text()?.into()),
                "pin-source" => {
                    let text = text()?;
                    uri.pin_source = Some(text.strip_prefix("file:").unwrap_or(&text).into());
                }
                // Everybody sees a command line.
                "pin-value" => return Err(no("a PIN does not belong into a URI; use pin-source or a file".to_owned())),
                _ => return Err(no(format!("the attribute {name} is not known here"))),
            }
        }
        Ok(uri)
    }
}

impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                let pair = std::str::from_utf8(&pair).ok().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))?;
                bytes.push(u8::from_str_radix(pair, 16).ok()?);
            }
            _ => bytes.push(byte),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7512 section 3, examples.
    #[test]
    fn uris_of_the_rfc_are_read() {
        let uri = TokenUri::parse(
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;\
             object=my-certificate;type=private;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
        )
        .unwrap();
        assert_eq!(uri.token.as_deref(), Some("The Software PKCS#11 Softtoken"));
        assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
        assert_eq!(uri.object.as_deref(), Some("my-certificate"));
        assert_eq!(uri.id.as_deref(), Some(b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91".as_slice()));
        assert_eq!(uri.pin_source, Some(PathBuf::from("/etc/token_pin")));
        let uri = TokenUri::parse("pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1").unwrap();
        assert_eq!(uri.module, Some(PathBuf::from("/mnt/libmypkcs11.so.1")));
        assert!(TokenUri::parse("pkcs11:").unwrap().token.is_none());
    }

    #[test]
    fn doubtful_uris_are_refused() {
        for bad in [
            "pkcs11:token=a?pin-value=1234",
            "pkcs11:token=a;token=b",
            "pkcs11:token",
            "pkcs11:token=%4",
            "pkcs11:token=%zz",
            "pkcs11:token=%ff",
            "pkcs11:slot-id=x",
            "pkcs11:type=public",
            "pkcs11:colour=red",
            "/a/file.pem",
        ] {
            assert!(TokenUri::parse(bad).is_err(), "{bad}");
        }
    }
}

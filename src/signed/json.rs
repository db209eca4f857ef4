//! Strict JSON over serde_json: no member twice, limited depth, nothing silently dropped.

use std::collections::HashSet;
use std::{fmt, io};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_json::ser::Formatter;

/// How deep objects and arrays may nest.
const MAX_DEPTH: u32 = 32;

/// JSON that is not acceptable as evidence.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// Not JSON, a member twice, too deep, trailing bytes, or not of the expected shape.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// Something that was read would be written in another way, so it was not understood wholly:
    /// an unknown member, or another spelling of a value.
    #[error("{place} is unknown or not in its one allowed spelling")]
    NotExact {
        /// Where, as a JSON pointer (RFC 6901).
        place: String,
    },
}

/// Parses `text`, refusing duplicate members (compared after unescaping), nesting deeper than 32
/// and trailing bytes. Unknown members are up to `T`.
pub fn parse_strict<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    std::str::from_utf8(text).map_err(JsonError::NotUtf8)?;
    let mut walk = serde_json::Deserializer::from_slice(text);
    Walk { depth: 0 }.deserialize(&mut walk)?;
    walk.end()?;
    Ok(serde_json::from_slice(text)?)
}

/// As [`parse_strict`], and what was read must be what `T` would write, but for the order of
/// members: no member is dropped, defaulted or respelled on the way in.
pub fn parse_exact<T: DeserializeOwned + Serialize>(text: &[u8]) -> Result<T, JsonError> {
    if let Some(value) = parse_own(text) {
        return Ok(value);
    }
    let value: T = parse_strict(text)?;
    let written = serde_json::to_value(&value)?;
    let read: Value = serde_json::from_slice(text)?;
    match first_difference(&read, &written) {
        None => Ok(value),
        Some(place) => Err(JsonError::NotExact { place: if place.is_empty() { "/".to_owned() } else { place } }),
    }
}

/// The short way for what stands exactly as we write it: if writing what was read gives the very same
/// bytes, then no member was dropped, doubled or respelled. `None` says nothing.
fn parse_own<T: DeserializeOwned + Serialize>(text: &[u8]) -> Option<T> {
    let value: T = serde_json::from_str(std::str::from_utf8(text).ok()?).ok()?;
    is_written_as(&value, text).then_some(value)
}

/// Whether `value` is written as exactly these bytes, nested no deeper than is allowed. Nothing is kept of what is
/// written: it is held against the text piece by piece.
fn is_written_as<T: Serialize>(value: &T, text: &[u8]) -> bool {
    let mut writer = serde_json::Serializer::with_formatter(Same { left: text }, Shallow { depth: 0 });
    value.serialize(&mut writer).is_ok() && writer.into_inner().left.is_empty()
}

/// Takes only what comes next in a text.
struct Same<'a> {
    left: &'a [u8],
}

impl io::Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.left = self.left.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes as serde_json does by itself, and no deeper than is allowed.
struct Shallow {
    depth: u32,
}

impl Shallow {
    fn deeper(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

impl Formatter for Shallow {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        writer.write_all(b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        writer.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

/// JSON pointer to the first place that differs.
fn first_difference(read: &Value, written: &Value) -> Option<String> {
    match (read, written) {
        (Value::Object(a), Value::Object(b)) => {
            let missing = b.keys().find(|key| !a.contains_key(*key)).map(|key| format!("/{key}"));
            let differs = || {
                a.iter().find_map(|(key, value)| match b.get(key) {
                    None => Some(format!("/{key}")),
                    Some(other) => first_difference(value, other).map(|rest| format!("/{key}{rest}")),
                })
            };
            missing.or_else(differs)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (x, y))| first_difference(x, y).map(|rest| format!("/{i}{rest}")))
        }
        _ => (read != written).then(String::new),
    }
}

/// Visits every value without building anything.
struct Walk {
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl Walk {
    fn deeper<E: de::Error>(&self) -> Result<u32, E> {
        match self.depth < MAX_DEPTH {
            true => Ok(self.depth + 1),
            false => Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}"))),
        }
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        while seq.next_element_seed(Walk { depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let mut seen: HashSet<Name> = HashSet::new();
        while let Some(name) = map.next_key::<Name>()? {
            if let Some(twice) = seen.replace(name) {
                return Err(de::Error::custom(format_args!("member {:?} stands twice", twice.0)));
            }
            map.next_value_seed(Walk { depth })?;
        }
        Ok(())
    }
}

#[derive(PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
struct Name(String);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_twice_is_refused_anywhere_and_however_spelled() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"[{"x":[{"a":{"b":1,"c":2,"b":3}}]}]"#,
            r#"{"a":1} "#.trim_end().to_owned().as_str().repeat(2).as_str(),
            "{} x",
            "\u{feff}{}",
            r#"{"a":"\ud800"}"#,
            "[01]",
            "[1e999]",
            "nul",
            "",
        ] {
            assert!(parse_strict::<Value>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse_strict::<Value>(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
        assert!(parse_strict::<Value>(b"\"\xff\"").is_err());
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse_strict::<Value>(nested(32).as_bytes()).is_ok());
        assert!(parse_strict::<Value>(nested(33).as_bytes()).is_err());
        assert!(parse_strict::<Value>("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn the_short_way_judges_as_the_long_one_does() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Doc {
            data: Value,
        }
        let nested = |n: usize| format!(r#"{{"data":{}1{}}}"#, "[".repeat(n), "]".repeat(n));
        assert!(parse_own::<Doc>(nested(31).as_bytes()).is_some());
        assert!(parse_own::<Doc>(nested(32).as_bytes()).is_none());
        assert!(parse_exact::<Doc>(nested(32).as_bytes()).is_err());
        for text in
            [r#"{"data":{"a":1,"a":1}}"#, r#"{"data":{"a":1,"\u0061":1}}"#, r#"{"data":1,"data":1}"#, r#"{"data":1}x"#]
        {
            assert!(parse_own::<Doc>(text.as_bytes()).is_none(), "{text}");
            assert!(parse_exact::<Doc>(text.as_bytes()).is_err(), "{text}");
        }
        // Another order or spelling of the same takes the long way.
        assert!(parse_own::<Doc>(br#"{ "data": "\u0041" }"#).is_none());
        assert!(parse_exact::<Doc>(br#"{ "data": "\u0041" }"#).is_ok());
        // Brackets inside a text are no nesting, and what is cut or goes on is not the same.
        assert!(parse_own::<Doc>(format!(r#"{{"data":"{}"}}"#, "[{".repeat(40)).as_bytes()).is_some());
        let doc = Doc { data: json!([{}, [], {"a": [1, "\n"]}]) };
        let text = serde_json::to_vec(&doc).unwrap();
        assert!(is_written_as(&doc, &text));
        assert!((0..text.len()).all(|cut| !is_written_as(&doc, &text[..cut])));
        assert!(!is_written_as(&doc, &[&text[..], b" "].concat()));
    }

    #[test]
    fn what_would_be_dropped_is_named() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Doc {
            list: Vec<Item>,
        }
        #[derive(Debug, Serialize, Deserialize)]
        struct Item {
            a: Option<u8>,
        }
        assert!(parse_exact::<Doc>(br#"{"list":[{"a":1},{"a":null}]}"#).is_ok());
        let unknown = parse_exact::<Doc>(br#"{"list":[{"a":1},{"a":2,"b":3}]}"#).unwrap_err();
        assert!(unknown.to_string().starts_with("/list/1/b "), "{unknown}");
        let left_out = parse_exact::<Doc>(br#"{"list":[{}]}"#).unwrap_err();
        assert!(left_out.to_string().starts_with("/list/0/a "), "{left_out}");
    }
}

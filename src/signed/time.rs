//! RFC 3339 in UTC, the one spelling of a time in our own documents.

use chrono::{DateTime, SecondsFormat, Utc};

/// `2026-09-24T10:15:00Z`, with fractional digits only where there are any.
pub fn format(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Reads an RFC 3339 time with any offset.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

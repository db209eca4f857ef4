//! Tables: the media of a lot, or several documents.

use serde_json::{Value, json};

use super::Shown;
use super::content::{dated, is_before_destruction, is_proof, method_name, proven_word};
use super::words::Words;
use crate::certificate::document::{Document, Gathering, MediumName, Standing};

/// One line a medium.
pub fn of_gathering(g: &Gathering, words: &Words) -> Value {
    let rows = g.media.iter().zip(1..).map(|(entry, number): (_, u32)| {
        let standing = match entry.standing {
            Standing::Sanitized => "standing_sanitized",
            Standing::Destroyed => "standing_destroyed",
            Standing::Failed => "standing_failed",
            Standing::Rejected => "standing_rejected",
            Standing::Revoked => "standing_revoked",
            Standing::WithoutProof => "standing_without_proof",
        };
        let attained = entry.attained.map_or("", method_name);
        row(
            number,
            &entry.medium,
            words.get(standing),
            attained,
            entry.ended.map(|at| at.format("%Y-%m-%d").to_string()),
            entry.document.as_ref().map(|d| d.id.as_str()),
            !entry.standing.is_proof(),
        )
    });
    table(rows.collect(), words, "standing")
}

/// One line a document.
pub fn of_documents(shown: &[Shown], words: &Words) -> Value {
    let rows = shown.iter().zip(1..).map(|(s, number): (_, u32)| {
        let (result, attained) = match &s.document {
            Document::Run(run) if is_proof(&s.document) => {
                (words.get(proven_word(run.facts.proven)), run.facts.attained.map_or("", method_name))
            }
            Document::Run(run) if is_before_destruction(&s.document) => {
                (words.get("before_destruction"), run.facts.attained.map_or("", method_name))
            }
            Document::Destruction(d) => (words.get("standing_destroyed"), method_name(d.attained)),
            _ => (words.get("failed"), ""),
        };
        let medium = s.document.medium().unwrap_or_default();
        let date = dated(&s.document).format("%Y-%m-%d").to_string();
        row(number, &medium, result, attained, Some(date), Some(&s.id), !is_proof(&s.document))
    });
    table(rows.collect(), words, "proven")
}

fn row(
    number: u32,
    medium: &MediumName,
    result: &str,
    attained: &str,
    date: Option<String>,
    id: Option<&str>,
    bad: bool,
) -> Value {
    let model = [&medium.vendor, &medium.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let serial = medium.serial.as_deref().or(medium.wwn.as_deref()).unwrap_or_default();
    let short = id.and_then(|id| id.get(..12)).unwrap_or_default();
    json!({
        "bad": bad,
        "cells": [
            number.to_string(), model, serial, medium.asset_tag.clone().unwrap_or_default(), attained, result,
            date.unwrap_or_default(), short,
        ],
    })
}

fn table(rows: Vec<Value>, words: &Words, result: &str) -> Value {
    let columns = ["#", "model", "serial", "asset", "attained", result, "date", "certificate"];
    let columns: Vec<&str> = columns.into_iter().map(|c| words.get(c)).collect();
    json!({
        "columns": columns,
        "widths": ["auto", "1fr", "1fr", "auto", "auto", "1fr", "auto", "auto"],
        "rows": rows,
    })
}

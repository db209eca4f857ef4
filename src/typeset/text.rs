//! Which characters can be written.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use typst::text::Font;

use super::world::embedded;

/// The data with every character that cannot be written spelt out, and the characters for which a
/// font of the machine is needed.
pub fn writable(data: &Value) -> (Value, Vec<char>) {
    let mut foreign = BTreeSet::new();
    collect(data, &mut foreign);
    if foreign.is_empty() {
        return (data.clone(), Vec::new());
    }
    let there: BTreeSet<char> = fonts_for(&foreign.iter().copied().collect::<Vec<_>>())
        .iter()
        .flat_map(|font| foreign.iter().copied().filter(|c| has(font, *c)).collect::<Vec<_>>())
        .filter(|c| !unwelcome(*c))
        .collect();
    let gone: BTreeSet<char> = foreign.difference(&there).copied().collect();
    (spelt(data, &gone), there.into_iter().collect())
}

/// For places where every reader has fonts of its own: no control characters.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Fonts of the machine that have these characters; none are looked for when none are needed.
pub fn fonts_for(needed: &[char]) -> Vec<Font> {
    let mut open: BTreeSet<char> = needed.iter().copied().filter(|c| !unwelcome(*c)).collect();
    if open.is_empty() {
        return Vec::new();
    }
    let mut fonts = Vec::new();
    let mut found: Vec<_> = typst_kit::fonts::system().collect();
    found.sort_by(|a, b| (&a.0.path, a.0.index).cmp(&(&b.0.path, b.0.index)));
    for (path, info) in found {
        if !open.iter().any(|c| info.coverage.contains(u32::from(*c))) {
            continue;
        }
        if let Some(font) = typst_kit::fonts::FontSource::load(&path) {
            open.retain(|c| !has(&font, *c));
            fonts.push(font);
        }
        if open.is_empty() {
            break;
        }
    }
    fonts
}

fn collect(value: &Value, foreign: &mut BTreeSet<char>) {
    match value {
        Value::String(text) => foreign.extend(text.chars().filter(|c| !writes(*c))),
        Value::Array(items) => items.iter().for_each(|item| collect(item, foreign)),
        Value::Object(members) => members.iter().for_each(|(name, item)| {
            foreign.extend(name.chars().filter(|c| !writes(*c)));
            collect(item, foreign);
        }),
        _ => {}
    }
}

fn spelt(value: &Value, gone: &BTreeSet<char>) -> Value {
    let spell = |text: &str| match text.contains(|c| gone.contains(&c)) {
        false => text.to_owned(),
        true => text
            .chars()
            .map(|c| if gone.contains(&c) { format!("<U+{:04X}>", u32::from(c)) } else { c.to_string() })
            .collect(),
    };
    match value {
        Value::String(text) => Value::String(spell(text)),
        Value::Array(items) => items.iter().map(|item| spelt(item, gone)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, item)| (spell(name), spelt(item, gone))).collect())
        }
        other => other.clone(),
    }
}

fn writes(c: char) -> bool {
    if c.is_ascii_graphic() || matches!(c, ' ' | '\n' | '\t') {
        return true;
    }
    !unwelcome(c) && covered().get(&c).copied().unwrap_or_else(|| embedded().iter().any(|font| has(font, c)))
}

/// The common characters beyond ASCII, looked up once.
fn covered() -> &'static HashMap<char, bool> {
    static COVERED: std::sync::OnceLock<HashMap<char, bool>> = std::sync::OnceLock::new();
    COVERED.get_or_init(|| ('\u{a0}'..='\u{52f}').map(|c| (c, embedded().iter().any(|font| has(font, c)))).collect())
}

fn has(font: &Font, c: char) -> bool {
    font.info().coverage.contains(u32::from(c))
}

/// Control, private and direction characters: they mean nothing on paper, or mislead there.
fn unwelcome(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(u32::from(c),
            0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff | 0xf0000.. | 0xfff0..=0xffff)
}

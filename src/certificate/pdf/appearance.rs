//! A PDF read back: the documents inside, and whether its pages are theirs.

use lopdf::{Document as PdfDocument, Object};
use serde_json::Value;

use super::{Brand, Look, MAX_DOCUMENTS, Paper, Words, pdf};
use crate::signed::MAX_DOCUMENT;

/// The largest PDF that is read, in bytes.
const MAX_PDF: usize = 256 << 20;

/// Whether the visible pages are those that the documents inside make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appearance {
    /// Made again from the documents inside, in the program's own words, the file is the same, byte for byte. The
    /// letterhead says what its maker wants.
    Identical,
    /// Made again it is another: the pages may say what the documents do not.
    Differs,
    /// They cannot be made again here; why.
    CannotBeReproduced(String),
}

/// A PDF without readable documents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// Larger than any of ours.
    #[error("{0} bytes are more than the {MAX_PDF} that a PDF may have here")]
    TooLarge(usize),
    /// Damaged, encrypted, or no PDF.
    #[error("the PDF cannot be read: {0}")]
    Unreadable(String),
    /// Nothing inside.
    #[error("no signed document is inside this PDF; its pages alone prove nothing")]
    Nothing,
}

/// The signed documents inside a PDF, as they were signed, in the order of its objects.
pub fn documents_in(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ExtractError> {
    let (documents, _) = files_in(bytes)?;
    if documents.is_empty() { Err(ExtractError::Nothing) } else { Ok(documents) }
}

/// Makes the pages again from the documents inside and compares.
pub fn appearance(bytes: &[u8]) -> Result<Appearance, ExtractError> {
    let cannot = |why: &str| Ok(Appearance::CannotBeReproduced(why.to_owned()));
    let (documents, view) = files_in(bytes)?;
    let Some(view) = view else { return cannot("it was not made by lastwrite") };
    if view["program"].as_str() != Some(env!("CARGO_PKG_VERSION")) {
        let maker = view["program"].as_str().unwrap_or("unknown");
        return cannot(&format!("it was made by version {maker}, this is {}", env!("CARGO_PKG_VERSION")));
    }
    if view["template"] != "lastwrite" {
        return cannot("it was made with a template of its maker's own");
    }
    // Whoever chooses the words chooses what the pages say.
    if !view["words"].is_null() {
        return cannot("it was made with words of its maker's own");
    }
    let Some(look) = look_of(&view) else { return cannot("it does not say how it was made") };
    match pdf(&documents, &look) {
        Ok(again) if again.bytes == bytes => Ok(Appearance::Identical),
        // Scripts outside the embedded fonts are set with the maker's fonts.
        Ok(_) if documents.iter().any(|d| needs_other_fonts(d)) || needs_other_fonts(view.to_string().as_bytes()) => {
            cannot("it has characters that the maker's own fonts were needed for")
        }
        Ok(_) => Ok(Appearance::Differs),
        Err(error) => cannot(&error.to_string()),
    }
}

fn look_of(view: &Value) -> Option<Look> {
    let words = Words::of(view["language"].as_str()?).ok()?;
    let paper = Paper::of_typst(view["paper"].as_str()?)?;
    Some(Look { brand: Brand::from_value(&view["brand"])?, words, paper, template: None })
}

fn needs_other_fonts(document: &[u8]) -> bool {
    let payload = crate::signed::Jws::parse(document).map(|jws| jws.payload().to_vec());
    let text = payload.unwrap_or_else(|_| document.to_vec());
    // Latin, Greek, Cyrillic and punctuation are in the embedded fonts.
    String::from_utf8_lossy(&text).chars().any(|c| u32::from(c) > 0x52F && !('\u{2000}'..='\u{22FF}').contains(&c))
}

/// The documents and `view.json` among the embedded files (ISO 32000-2 section 7.11.4).
fn files_in(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, Option<Value>), ExtractError> {
    if bytes.len() > MAX_PDF {
        return Err(ExtractError::TooLarge(bytes.len()));
    }
    let unreadable = |e: lopdf::Error| ExtractError::Unreadable(e.to_string());
    let file = PdfDocument::load_mem(bytes).map_err(unreadable)?;
    let (mut documents, mut view) = (Vec::new(), None);
    for object in file.objects.values() {
        let Object::Stream(stream) = object else { continue };
        let is_file = stream.dict.get(b"Type").and_then(Object::as_name).is_ok_and(|name| name == b"EmbeddedFile");
        if !is_file || documents.len() >= MAX_DOCUMENTS {
            continue;
        }
        let content = match stream.dict.has(b"Filter") {
            true => stream.decompressed_content().map_err(unreadable)?,
            false => stream.content.clone(),
        };
        if content.len() > MAX_DOCUMENT.saturating_mul(2) {
            continue;
        }
        match serde_json::from_slice::<Value>(&content) {
            Ok(value) if value.get("payload").is_some() && value.get("signatures").is_some() => documents.push(content),
            Ok(value) if value.get("program").is_some() && value.get("brand").is_some() => view = Some(value),
            // A document that was tampered with is still to be judged, not passed over.
            Err(_) if content.starts_with(b"{\"payload\"") => documents.push(content),
            _ => {}
        }
    }
    Ok((documents, view))
}

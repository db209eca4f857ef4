//! The words of a certificate's pages in a person's language. One file a language; another one is one
//! more file, in the program or beside it.

use std::collections::BTreeMap;

/// The languages in the program: code (ISO 639) and file.
const BUILT_IN: [(&str, &str); 2] = [("en", include_str!("words/en.toml")), ("de", include_str!("words/de.toml"))];

/// The words of one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// ISO 639 code.
    pub code: String,
    words: BTreeMap<String, String>,
    /// The file, when it is not one of the program's.
    pub own: Option<String>,
}

/// A language that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Not in the program.
    #[error("there are no words for the language {0:?}; there are: {1}. Name a file of words of your own instead")]
    Unknown(String, String),
    /// No TOML of strings.
    #[error("the words are not TOML with one string a line: {0}")]
    Toml(String),
    /// Words are missing, or there are some that nothing uses.
    #[error("the words lack {missing:?} and have {foreign:?}, which nothing uses")]
    Incomplete {
        /// Not there.
        missing: Vec<String>,
        /// Not known.
        foreign: Vec<String>,
    },
}

impl Words {
    /// A language of the program.
    pub fn of(code: &str) -> Result<Words, WordsError> {
        let codes = || BUILT_IN.map(|(code, _)| code).join(", ");
        let (_, file) = BUILT_IN
            .iter()
            .find(|(known, _)| *known == code)
            .ok_or_else(|| WordsError::Unknown(code.to_owned(), codes()))?;
        Ok(Words { code: code.to_owned(), words: parse(file)?, own: None })
    }

    /// Words of one's own: the file must have exactly those of the English one.
    pub fn from_file(code: &str, file: &str) -> Result<Words, WordsError> {
        let words = parse(file)?;
        let english = parse(BUILT_IN[0].1)?;
        let lacking = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
            a.keys().filter(|key| !b.contains_key(*key)).cloned().collect::<Vec<_>>()
        };
        let (missing, foreign) = (lacking(&english, &words), lacking(&words, &english));
        if !missing.is_empty() || !foreign.is_empty() {
            return Err(WordsError::Incomplete { missing, foreign });
        }
        Ok(Words { code: code.to_owned(), words, own: Some(file.to_owned()) })
    }

    /// One of them; its own name where there is none.
    pub fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.words.get(key).map_or(key, String::as_str)
    }

    /// All of them, for the template.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.words
    }
}

fn parse(file: &str) -> Result<BTreeMap<String, String>, WordsError> {
    toml::from_str(file).map_err(|e| WordsError::Toml(e.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_the_same_words() {
        for (code, file) in BUILT_IN {
            assert!(Words::from_file(code, file).is_ok(), "{code}: {:?}", Words::from_file(code, file));
        }
        assert!(matches!(Words::of("xx"), Err(WordsError::Unknown(..))));
        let short = BUILT_IN[0].1.replacen("title_lot", "title_lots", 1);
        let error = Words::from_file("en", &short).unwrap_err().to_string();
        assert!(error.contains("title_lot\"") && error.contains("title_lots"), "{error}");
    }
}

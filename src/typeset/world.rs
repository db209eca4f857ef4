//! What Typst sees of the world: one template, a few files in memory, the embedded fonts.

use std::collections::HashMap;
use std::sync::OnceLock;

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{DiagSpan, FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt as _, World, WorldExt as _};
use typst_kit::fonts::FontStore;

use super::{TypesetError, text};

/// Before the template, on one line.
pub const BEFORE: &str = "#let lastwrite-frame = json(\"/frame.json\"); #set document(title: lastwrite-frame.title, author: lastwrite-frame.author); #set text(lang: lastwrite-frame.language, font: \"Libertinus Serif\")";
/// After it.
pub const AFTER: &str = "#for file in lastwrite-frame.attached { pdf.attach(\"/\" + file.name, read(\"/attached/\" + file.name, encoding: none), relationship: file.relationship, mime-type: file.media_type, description: file.description) }";

/// Files in memory by their place.
#[derive(Default)]
pub struct Files(HashMap<FileId, Bytes>);

/// The world of one document.
pub struct OneDocument {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    main: Source,
    files: Files,
    at: Datetime,
}

impl Files {
    /// Adds a file at `/name`.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), TypesetError> {
        let id = place(name)?;
        match self.0.insert(id, Bytes::new(bytes)) {
            None => Ok(()),
            Some(_) => Err(TypesetError::Input(format!("two files have the name {name:?}"))),
        }
    }
}

impl OneDocument {
    /// `needed`: characters that the embedded fonts lack.
    pub fn new(main: String, files: Files, needed: &[char], at: Datetime) -> Result<OneDocument, TypesetError> {
        let mut fonts = embedded().to_vec();
        fonts.extend(text::fonts_for(needed));
        let book = FontBook::from_fonts(&fonts);
        let main = Source::new(place("main.typ")?, main);
        let library = Library::builder().build();
        Ok(OneDocument { library: LazyHash::new(library), book: LazyHash::new(book), fonts, main, files, at })
    }

    /// Line of the template, from 1.
    pub fn line_of(&self, span: DiagSpan) -> Option<usize> {
        if span.id() != Some(self.main.id()) {
            return None;
        }
        let range = self.range(span)?;
        self.main.lines().byte_to_line(range.start).filter(|line| *line > 0)
    }
}

impl World for OneDocument {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        match id == self.main.id() {
            true => Ok(self.main.clone()),
            false => Err(missing(id)),
        }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        self.files.0.get(&id).cloned().ok_or_else(|| missing(id))
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        Some(self.at)
    }
}

/// The fonts inside the program; read once.
pub fn embedded() -> &'static [Font] {
    static FONTS: OnceLock<Vec<Font>> = OnceLock::new();
    FONTS.get_or_init(|| {
        let mut store = FontStore::new();
        store.extend(typst_kit::fonts::embedded());
        (0..).map_while(|index| store.font(index)).collect()
    })
}

fn place(name: &str) -> Result<FileId, TypesetError> {
    let path = VirtualPath::new(format!("/{name}"))
        .map_err(|e| TypesetError::Input(format!("{name:?} is no name of a file: {e}")))?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

fn missing(id: FileId) -> FileError {
    FileError::NotFound(id.get().vpath().get_without_slash().into())
}

//! Lines and tables on a terminal or a pipe. A closed pipe ends the output, not the program.

use std::cell::RefCell;
use std::io::{self, Write};

use serde::Serialize;

use crate::signed::printable;

thread_local! {
    /// JSON that waits to be written; `None`: nothing waits.
    static HELD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// How much JSON waits at most, in bytes.
const HELD_AT_MOST: usize = 64 << 10;

/// While it lives, JSON lines wait for each other: thousands of short ones go out in few pieces. Whatever else is
/// written goes after them.
pub struct Held(());

/// Holds JSON lines back.
pub fn hold() -> Held {
    HELD.with_borrow_mut(|held| {
        held.get_or_insert_default();
    });
    Held(())
}

impl Drop for Held {
    fn drop(&mut self) {
        write_held();
        HELD.take();
    }
}

/// Adds a line to what waits. `false`: it was not taken.
fn wait<T: Serialize + ?Sized>(waiting: &mut Vec<u8>, value: &T) -> bool {
    let before = waiting.len();
    if serde_json::to_writer(&mut *waiting, value).is_err() {
        waiting.truncate(before);
        return false;
    }
    waiting.push(b'\n');
    true
}

fn write_held() {
    HELD.with_borrow_mut(|held| {
        if let Some(bytes) = held.as_mut().filter(|bytes| !bytes.is_empty()) {
            let mut out = io::stdout().lock();
            let _ = out.write_all(bytes).and_then(|()| out.flush());
            bytes.clear();
        }
    });
}

/// Lines for a person on standard output. What a drive or a file says in them cannot steer the terminal.
pub fn line(text: &str) {
    write_held();
    let _ = writeln!(io::stdout().lock(), "{}", harmless(text));
}

/// Lines for a person on standard error, as [`line()`].
pub fn line_err(text: &str) {
    write_held();
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}

/// Text for a program, as it is, on standard output.
pub fn raw(text: &str) {
    write_held();
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Text for a program, as it is, on standard error.
#[cfg(feature = "erase")]
pub fn raw_err(text: &str) {
    write_held();
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Text without control and direction characters but for its line breaks.
pub fn harmless(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// One JSON object on one line of standard output.
pub fn json<T: Serialize + ?Sized>(value: &T) {
    let taken = HELD.with_borrow_mut(|held| {
        let waiting = held.as_mut()?;
        wait(waiting, value).then_some(waiting.len())
    });
    match taken {
        Some(waiting) if waiting < HELD_AT_MOST => return,
        Some(_) => return write_held(),
        None => write_held(),
    }
    write_json(io::stdout().lock(), value);
}

/// JSON on its way. What is short is written in one piece, what is long is never held as a whole.
struct Pieces<W: Write> {
    out: W,
    held: Vec<u8>,
    begun: bool,
}

impl<W: Write> Write for Pieces<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= HELD_AT_MOST {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.begun |= !self.held.is_empty();
        self.out.write_all(&self.held)?;
        self.held.clear();
        self.out.flush()
    }
}

/// One line, also where the value cannot be written as JSON: then it says so, and a reader need not wait for its end.
fn write_json<T: Serialize + ?Sized>(out: impl Write, value: &T) {
    let mut pieces = Pieces { out, held: Vec::new(), begun: false };
    if let Err(error) = serde_json::to_writer(&mut pieces, value)
        && !error.is_io()
    {
        pieces.held.clear();
        if pieces.begun {
            pieces.held.push(b'\n');
        }
        let why = format!("the result could not be written as JSON: {error}");
        let told = serde_json::json!({ "error": why, "hint": null }).to_string();
        pieces.held.extend_from_slice(told.as_bytes());
    }
    let _ = pieces.write_all(b"\n").and_then(|()| pieces.flush());
}

/// Columns aligned by the widest cell; the last column is not padded. A line break in a cell makes no row of its own.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let render = |cells: Vec<&str>| {
        let last = cells.len().saturating_sub(1);
        let padded = cells.iter().enumerate().map(|(i, cell)| {
            if i == last { (*cell).to_owned() } else { format!("{cell:<w$}", w = widths.get(i).copied().unwrap_or(0)) }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![render(header.to_vec())];
    lines.extend(rows.iter().map(|row| render(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// `  name  text`, the text wrapped at 100 columns and indented under itself. Its own line breaks begin no other fact.
#[cfg(feature = "erase")]
pub fn fact(name: &str, text: &str) -> String {
    const WIDTH: usize = 100 - 17;
    let text = printable(text);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|l| !l.is_empty() && l.chars().count() + 1 + word.chars().count() > WIDTH);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    format!("  {name:<14} {}", lines.join(&format!("\n{:17}", "")))
}

/// `1 drive`, `2 drives`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// `1h05m`, `3m20s`, `12s`.
#[cfg(feature = "erase")]
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_what_a_drive_says_makes_neither_a_row_nor_a_fact() {
        let rows = [vec!["/dev/sda".to_owned(), "GOOD\n/dev/sdb  yes".to_owned()]];
        assert_eq!(table(&["DRIVE", ""], &rows), "DRIVE\n/dev/sda  GOOD /dev/sdb  yes");
        #[cfg(feature = "erase")]
        assert_eq!(fact("Kind", "HDD\n  Size  1 TB\u{1b}[2J").lines().count(), 1);
    }

    #[test]
    fn what_is_no_json_is_told_as_json() {
        /// Text, and then something that JSON cannot have.
        struct Broken(String);
        impl Serialize for Broken {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let bad: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
                let bad = std::path::Path::new(bad);
                (self.0.as_str(), bad).serialize(serializer)
            }
        }
        for (length, lines) in [(10, 1), (HELD_AT_MOST, 2)] {
            let mut out = Vec::new();
            write_json(&mut out, &Broken("a".repeat(length)));
            let text = String::from_utf8(out).unwrap();
            let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
            assert!(last["error"].as_str().unwrap().contains("could not be written as JSON"), "{last}");
            assert_eq!((text.lines().count(), text.ends_with('\n')), (lines, true));
        }
        let mut out = Vec::new();
        write_json(&mut out, &["a"]);
        assert_eq!(out, b"[\"a\"]\n");
    }
}

//! Lines and tables on a terminal or a pipe. A closed pipe ends the output, not the program.

use std::io::{self, Write};

use serde::Serialize;

use crate::signed::printable;

/// Lines for a person on standard output. What a drive or a file says in them cannot steer the terminal.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{}", harmless(text));
}

/// Lines for a person on standard error, as [`line()`].
pub fn line_err(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}

/// Text for a program, as it is, on standard output.
pub fn raw(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Text for a program, as it is, on standard error.
#[cfg(feature = "erase")]
pub fn raw_err(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Text without control and direction characters but for its line breaks.
pub fn harmless(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// One JSON object on one line of standard output.
pub fn json<T: Serialize + ?Sized>(value: &T) {
    // What is short is written in one piece, what is long is never held as a whole.
    let mut out = io::BufWriter::with_capacity(8 << 10, io::stdout().lock());
    match serde_json::to_writer(&mut out, value) {
        Err(error) if !error.is_io() => {
            line_err(&format!("error: the result could not be written as JSON: {error}"));
        }
        _ => {
            let _ = out.write_all(b"\n").and_then(|()| out.flush());
        }
    }
}

/// Columns aligned by the widest cell; the last column is not padded.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
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

/// `  name  text`, the text wrapped at 100 columns and indented under itself.
#[cfg(feature = "erase")]
pub fn fact(name: &str, text: &str) -> String {
    const WIDTH: usize = 100 - 17;
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

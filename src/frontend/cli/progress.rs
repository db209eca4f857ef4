//! Progress of many drives: bars on a terminal, plain lines on a pipe, JSON lines for programs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output;
use crate::sanitize::event::{Event, Snapshot};
use crate::units::human_bytes;

/// Shows events on standard error.
pub struct Display {
    form: Form,
    drives: RefCell<HashMap<PathBuf, Snapshot>>,
}

enum Form {
    Bars { all: MultiProgress, bars: RefCell<HashMap<PathBuf, ProgressBar>>, total: RefCell<Option<ProgressBar>> },
    Lines { last: RefCell<HashMap<PathBuf, Instant>> },
    Json,
}

impl Display {
    /// Bars where standard error is a terminal, lines otherwise, JSON lines when asked for.
    pub fn new(json: bool) -> Display {
        let form = if json {
            Form::Json
        } else if std::io::stderr().is_terminal() {
            Form::Bars { all: MultiProgress::new(), bars: RefCell::default(), total: RefCell::default() }
        } else {
            Form::Lines { last: RefCell::default() }
        };
        Display { form, drives: RefCell::default() }
    }

    /// Takes one event.
    pub fn show(&self, event: Event) {
        match (&self.form, event) {
            (Form::Json, event) => {
                if let Ok(text) = serde_json::to_string(&event) {
                    output::raw_err(&text);
                }
                self.remember(&event);
            }
            (Form::Bars { all, bars, total }, event) => {
                self.remember(&event);
                match event {
                    Event::Stage(snapshot) | Event::Progress(snapshot) => {
                        let mut bars = bars.borrow_mut();
                        let behind = usize::from(total.borrow().is_some());
                        let add = || all.insert_from_back(behind, bar());
                        let bar = bars.entry(snapshot.path.clone()).or_insert_with(add);
                        bar.set_position((snapshot.run_percent * 10.0) as u64);
                        bar.set_prefix(output::harmless(&snapshot.path.display().to_string()));
                        bar.set_message(text(&snapshot));
                        if bars.len() > 1 {
                            let mut total = total.borrow_mut();
                            let total = total.get_or_insert_with(|| all.add(bar_total()));
                            let (percent, message) = self.sum();
                            total.set_position((percent * 10.0) as u64);
                            total.set_message(message);
                        }
                    }
                    Event::Note { path, text, .. } => {
                        let _ = all.println(output::harmless(&format!("{}: {text}", path.display())));
                    }
                }
            }
            (Form::Lines { last }, event) => {
                self.remember(&event);
                match event {
                    Event::Stage(snapshot) => {
                        last.borrow_mut().insert(snapshot.path.clone(), Instant::now());
                        output::line_err(&begins(&snapshot));
                    }
                    Event::Progress(snapshot) => {
                        let mut last = last.borrow_mut();
                        let due = last.get(&snapshot.path).is_none_or(|at| at.elapsed() >= Duration::from_secs(10));
                        if due {
                            last.insert(snapshot.path.clone(), Instant::now());
                            output::line_err(&plain(&snapshot));
                        }
                    }
                    Event::Note { path, text, .. } => output::line_err(&format!("{}: {text}", path.display())),
                }
            }
        }
    }

    /// Prints the result of a drive, whose bar goes, while those of the others stay.
    pub fn ended(&self, path: &Path, print: impl FnOnce()) {
        match &self.form {
            Form::Bars { all, bars, .. } => {
                if let Some(bar) = bars.borrow().get(path) {
                    bar.finish_and_clear();
                }
                all.suspend(print);
            }
            Form::Lines { .. } | Form::Json => print(),
        }
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        if let Form::Bars { all, bars, total } = &self.form {
            bars.borrow().values().chain(total.borrow().iter()).for_each(ProgressBar::finish_and_clear);
            let _ = all.clear();
        }
    }

    fn remember(&self, event: &Event) {
        if let Event::Stage(snapshot) | Event::Progress(snapshot) = event {
            self.drives.borrow_mut().insert(snapshot.path.clone(), snapshot.clone());
        }
    }

    /// Per cent over all drives, and what they do together.
    fn sum(&self) -> (f64, String) {
        let drives = self.drives.borrow();
        let count = drives.len().max(1) as f64;
        let percent = drives.values().map(|s| s.run_percent).sum::<f64>() / count;
        let rate: u64 = drives.values().map(|s| s.bytes_per_second).sum();
        let errors: u64 = drives.values().map(|s| s.errors).sum();
        let eta = drives.values().filter_map(|s| s.eta_seconds).max();
        let eta = eta.map(|s| format!(", {} left", output::duration(s))).unwrap_or_default();
        (percent, format!("{} drives, {}/s{eta}, {}", drives.len(), human_bytes(rate), errors_word(errors)))
    }
}

fn bar() -> ProgressBar {
    ProgressBar::new(1000).with_style(style("{prefix:18!} [{bar:24}] {msg}"))
}

fn bar_total() -> ProgressBar {
    ProgressBar::new(1000).with_prefix("all").with_style(style("{prefix:18!} [{bar:24}] {msg}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

fn begins(s: &Snapshot) -> String {
    let place = if s.done.0 == 0 { String::new() } else { format!(" goes on at {:.1} %", s.percent) };
    if let Some(technique) = s.technique {
        return format!("{}: {technique}", s.path.display());
    }
    format!("{}: pass {}/{} {}{place}", s.path.display(), s.pass, s.passes, s.work)
}

fn plain(snapshot: &Snapshot) -> String {
    format!("{}: {}", snapshot.path.display(), text(snapshot))
}

fn text(s: &Snapshot) -> String {
    let eta = s.eta_seconds.map(|t| format!(", {} left", output::duration(t))).unwrap_or_default();
    let silent = match s.silent_seconds {
        Some(t) if t >= 5 => format!(", NO ANSWER for {}", output::duration(t)),
        _ => String::new(),
    };
    if let Some(technique) = s.technique {
        // A drive may erase without a word on its progress.
        let share = if s.percent > 0.0 { format!(" {:.1} %", s.percent) } else { String::new() };
        return format!("{technique}: {}{share}{eta}{silent}", s.work);
    }
    format!(
        "pass {}/{} {} {:.1} %, {}/s (average {}/s){eta}, {}{silent}",
        s.pass,
        s.passes,
        s.work,
        s.percent,
        human_bytes(s.bytes_per_second),
        human_bytes(s.bytes_per_second_average),
        errors_word(s.errors)
    )
}

fn errors_word(errors: u64) -> String {
    match errors {
        0 => "no errors".to_owned(),
        n => format!("{n} BAD BLOCKS"),
    }
}

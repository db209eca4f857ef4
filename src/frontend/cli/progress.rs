//! Progress of many drives: bars on a terminal, plain lines on a pipe, JSON lines for programs.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::output;
use crate::sanitize::event::{Event, Snapshot};
use crate::units::human_bytes;

/// How often plain lines and JSON lines tell of all drives together.
const LINES_EVERY: Duration = Duration::from_secs(10);
const JSON_EVERY: Duration = Duration::from_secs(1);

/// Shows events on standard error.
pub struct Display {
    form: Form,
    /// By run id: a bay's name may have been another drive's when its run began.
    drives: RefCell<HashMap<String, Snapshot>>,
    /// When a line told of all drives together.
    total_told: Cell<Option<Instant>>,
}

enum Form {
    Bars { all: MultiProgress, bars: RefCell<HashMap<String, ProgressBar>>, total: RefCell<Option<ProgressBar>> },
    Lines { last: RefCell<HashMap<String, Instant>> },
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
        Display { form, drives: RefCell::default(), total_told: Cell::default() }
    }

    /// Takes one event.
    pub fn show(&self, event: Event) {
        match (&self.form, event) {
            (Form::Json, event) => {
                if let Ok(text) = serde_json::to_string(&event) {
                    output::raw_err(&text);
                }
                self.remember(&event);
                if let Some(Ok(text)) = self.total_if_due(JSON_EVERY).map(|total| serde_json::to_string(&total)) {
                    output::raw_err(&text);
                }
            }
            (Form::Bars { all, bars, total }, event) => {
                self.remember(&event);
                match event {
                    Event::Stage(snapshot) | Event::Progress(snapshot) => {
                        let mut bars = bars.borrow_mut();
                        let behind = usize::from(total.borrow().is_some());
                        let add = || all.insert_from_back(behind, bar());
                        let bar = bars.entry(snapshot.run_id.clone()).or_insert_with(add);
                        bar.set_position((snapshot.run_percent * 10.0) as u64);
                        bar.set_prefix(output::harmless(&snapshot.path.display().to_string()));
                        bar.set_message(text(&snapshot));
                        if let Some(sum) = Total::of(&self.drives.borrow()) {
                            let mut total = total.borrow_mut();
                            let total = total.get_or_insert_with(|| all.add(bar_total()));
                            total.set_position((sum.percent * 10.0) as u64);
                            total.set_message(sum.text());
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
                        last.borrow_mut().insert(snapshot.run_id.clone(), Instant::now());
                        output::line_err(&begins(&snapshot));
                    }
                    Event::Progress(snapshot) => {
                        let mut last = last.borrow_mut();
                        let due = last.get(&snapshot.run_id).is_none_or(|at| at.elapsed() >= LINES_EVERY);
                        if due {
                            last.insert(snapshot.run_id.clone(), Instant::now());
                            output::line_err(&plain(&snapshot));
                            if let Some(total) = self.total_if_due(LINES_EVERY) {
                                output::line_err(&format!("all: {}", total.text()));
                            }
                        }
                    }
                    Event::Note { path, text, .. } => output::line_err(&format!("{}: {text}", path.display())),
                }
            }
        }
    }

    /// Prints the result of a run, whose bar goes, while those of the others stay.
    pub fn ended(&self, run_id: &str, print: impl FnOnce()) {
        if let Some(snapshot) = self.drives.borrow_mut().get_mut(run_id) {
            // However it ended, nothing more is to come from it.
            (snapshot.run_percent, snapshot.eta_seconds) = (100.0, None);
            (snapshot.bytes_per_second, snapshot.bytes_per_second_average) = (0, 0);
        }
        match &self.form {
            Form::Bars { all, bars, .. } => {
                if let Some(bar) = bars.borrow().get(run_id) {
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
            self.drives.borrow_mut().insert(snapshot.run_id.clone(), snapshot.clone());
        }
    }

    /// All drives together, unless a line told of them a moment ago.
    fn total_if_due(&self, every: Duration) -> Option<Total> {
        let total = Total::of(&self.drives.borrow())?;
        self.total_told.get().is_none_or(|at| at.elapsed() >= every).then(|| {
            self.total_told.set(Some(Instant::now()));
            total
        })
    }
}

/// What all drives of a call do together. Drives that have ended count as done.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "total")]
struct Total {
    drives: usize,
    percent: f64,
    bytes_per_second: u64,
    bytes_per_second_average: u64,
    eta_seconds: Option<u64>,
    errors: u64,
}

impl Total {
    /// `None` for one drive alone, which tells all by itself.
    fn of(drives: &HashMap<String, Snapshot>) -> Option<Total> {
        (drives.len() > 1).then(|| Total {
            drives: drives.len(),
            percent: drives.values().map(|s| s.run_percent).sum::<f64>() / drives.len() as f64,
            bytes_per_second: drives.values().map(|s| s.bytes_per_second).sum(),
            bytes_per_second_average: drives.values().map(|s| s.bytes_per_second_average).sum(),
            eta_seconds: drives.values().filter_map(|s| s.eta_seconds).max(),
            errors: drives.values().map(|s| s.errors).sum(),
        })
    }

    fn text(&self) -> String {
        format!(
            "{} drives {:.1} %, {}/s (average {}/s){}, {}",
            self.drives,
            self.percent,
            human_bytes(self.bytes_per_second),
            human_bytes(self.bytes_per_second_average),
            left(self.eta_seconds),
            errors_word(self.errors)
        )
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
    let eta = left(s.eta_seconds);
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

fn left(seconds: Option<u64>) -> String {
    seconds.map(|t| format!(", {} left", output::duration(t))).unwrap_or_default()
}

fn errors_word(errors: u64) -> String {
    match errors {
        0 => "no errors".to_owned(),
        n => format!("{n} BAD BLOCKS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn drive(run: &str, percent: f64, rate: u64, eta_seconds: Option<u64>) -> Snapshot {
        Snapshot {
            run_id: run.to_owned(),
            // One of them had this name when its run began, the other has it now.
            path: "/dev/sdb".into(),
            medium: String::new(),
            technique: None,
            pass: 1,
            passes: 1,
            work: "write",
            done: Bytes(0),
            total: Bytes(0),
            percent,
            run_percent: percent,
            bytes_per_second: rate,
            bytes_per_second_average: rate / 2,
            eta_seconds,
            errors: 0,
            silent_seconds: None,
        }
    }

    #[test]
    fn more_than_one_drive_have_a_total() {
        let display = Display { form: Form::Json, drives: RefCell::default(), total_told: Cell::default() };
        let total = || display.total_if_due(Duration::ZERO).map(|total| serde_json::to_value(total).unwrap());
        display.remember(&Event::Progress(drive("a", 50.0, 4_000_000, Some(60))));
        assert_eq!(total(), None, "the drive tells all by itself");
        display.remember(&Event::Progress(drive("b", 20.0, 2_000_000, Some(90))));
        let rates = (4_000_000 + 2_000_000, 3_000_000);
        let told = serde_json::json!({
            "event": "total", "drives": 2, "percent": 35.0, "bytes_per_second": rates.0,
            "bytes_per_second_average": rates.1, "eta_seconds": 90, "errors": 0,
        });
        assert_eq!(total(), Some(told));
        assert!(display.total_if_due(Duration::from_secs(600)).is_none(), "it was told a moment ago");
        display.ended("b", || {});
        let text = Total::of(&display.drives.borrow()).unwrap().text();
        assert_eq!(text, "2 drives 75.0 %, 4.0 MB/s (average 2.0 MB/s), 1m00s left, no errors");
    }
}

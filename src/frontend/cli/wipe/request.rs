//! What was asked for, one row a medium, and how far each row has come: ordered, planned, confirmed, begun, ended.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::super::own_files::OwnFiles;
use super::super::plan;
use super::super::refused::{refusal, refused_medium};
use super::super::{Common, output, station_failure};
use super::WipeArgs;
use crate::frontend::exit::{Exit, Failure};
use crate::media::{Kind, Medium};
use crate::station::{
    self, Confirmation, Confirmed, ManifestRow, Order, Outcome, Preparation, Ready, Roots, Run, Station, TargetResult,
    Wish,
};
use crate::units::now;

/// All rows of a call.
pub(super) struct Request(Vec<(Row, RowState)>);

/// What one row says.
struct Row {
    /// The target as it was typed; the serial number where a manifest's row has no target.
    named: PathBuf,
    /// The path that was typed, to the byte.
    typed: Option<PathBuf>,
    asset_tag: Option<String>,
    token: Option<String>,
    manifest: Option<ManifestRow>,
}

/// How far a row has come.
enum RowState {
    /// Found, not looked at.
    Ordered(Order),
    /// What is to be done is known.
    Planned(Box<Preparation>),
    /// A person named its medium.
    Confirmed(Box<Run<Confirmed>>),
    /// Its run was handed over.
    Begun,
    /// What became of it is known.
    Ended(Box<TargetResult>),
}

impl Row {
    fn refused(&self, medium: Option<&Medium>, message: impl Into<String>, advice: Option<&str>) -> RowState {
        self.ended(Outcome::Refused, medium, message.into(), advice)
    }

    fn ended(&self, outcome: Outcome, medium: Option<&Medium>, message: String, advice: Option<&str>) -> RowState {
        RowState::Ended(Box::new(TargetResult {
            outcome,
            target: self.named.clone(),
            run_id: None,
            medium: medium.map(|m| Box::new(m.clone())),
            asset_tag: self.asset_tag.clone(),
            requested: None,
            attained: None,
            proven: None,
            technique: None,
            certificate: None,
            failure_report: None,
            trust_store: None,
            message,
            advice: advice.map(str::to_owned),
        }))
    }

    /// The serial number again: between the look at the drives and this one keys were typed, and another drive may
    /// have the name by now.
    fn planned(&self, preparation: Preparation) -> RowState {
        let medium = &preparation.run.plan().medium;
        match self.manifest.as_ref().and_then(|row| row.against(medium)) {
            Some(why) => self.refused(Some(medium), why, Some("nothing was touched; look which drive is where")),
            None => RowState::Planned(Box::new(preparation)),
        }
    }
}

impl Request {
    /// The targets of the command line, or the rows of the manifest with the drives they mean.
    pub(super) fn read(args: &WipeArgs) -> Result<Request, Failure> {
        let Some(path) = &args.manifest else {
            let row = |order: Order| {
                // JSON knows only text.
                let named = order.target.to_string_lossy().into_owned().into();
                let (typed, asset_tag) = (Some(order.target.clone()), order.asset_tag.clone());
                let row = Row { named, typed, asset_tag, token: None, manifest: None };
                (row, RowState::Ordered(order))
            };
            return Ok(Request(args.wish.orders(args.targets.clone()).into_iter().map(row).collect()));
        };
        let manifest = station::read_manifest(path)
            .map_err(|e| Failure::new(Exit::Usage, &e).hint("nothing was touched; mend the manifest and try again"))?;
        let drives = station::inventory().map_err(|e| Failure::new(Exit::Other, &e))?;
        Ok(Request::of_manifest(manifest, &drives))
    }

    fn of_manifest(manifest: Vec<ManifestRow>, drives: &[Medium]) -> Request {
        let row = |line: ManifestRow| {
            let named = match &line.target {
                Some(path) => path.to_string_lossy().into_owned(),
                None => line.serial.clone(),
            };
            let (asset_tag, token) = (line.asset_tag.clone(), line.confirm_token.clone());
            let order = line.find(drives).map(|target| Order {
                target,
                asset_tag: line.asset_tag.clone(),
                category: line.category.clone(),
            });
            let typed = line.target.clone();
            let row = Row { named: named.into(), typed, asset_tag, token, manifest: Some(line) };
            let state = order.map_or_else(|why| row.refused(None, why, None), RowState::Ordered);
            (row, state)
        };
        Request(manifest.into_iter().map(row).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn step(self, mut next: impl FnMut(&Row, RowState) -> RowState) -> Request {
        let step = |(row, state)| {
            let state = next(&row, state);
            (row, state)
        };
        Request(self.0.into_iter().map(step).collect())
    }

    /// Without the files that the call works with itself.
    pub(super) fn without(self, own: &OwnFiles<'_>) -> Request {
        self.step(|row, state| match state {
            RowState::Ordered(order) => match own.against(&order.target) {
                Some(why) => row.refused(None, why, None),
                None => RowState::Ordered(order),
            },
            other => other,
        })
    }

    /// Plans a run for each row that was found.
    pub(super) fn plan(self, roots: &Roots, station: Option<&Station>, wish: &Wish) -> Result<Request, Failure> {
        let ordered = |(_, state): &(Row, RowState)| match state {
            RowState::Ordered(order) => Some(order.clone()),
            _ => None,
        };
        let orders: Vec<Order> = self.0.iter().filter_map(ordered).collect();
        let prepared = station::prepare(roots, station, &orders, wish, now()).map_err(|e| station_failure(&e))?;
        let mut prepared = prepared.into_iter();
        Ok(self.step(|row, state| match state {
            RowState::Ordered(_) => match prepared.next() {
                Some(Ok(preparation)) => row.planned(preparation),
                Some(Err(error)) => {
                    let Failure { message, hint, .. } = refusal(&error);
                    row.refused(refused_medium(&error), message, hint.as_deref())
                }
                None => row.refused(None, "it was not planned", None),
            },
            other => other,
        }))
    }

    /// Has each planned row confirmed: by its own token, one of `tokens`, or at the terminal. What is left of `tokens`
    /// has to be that of a medium that was refused.
    pub(super) fn confirm(self, common: &Common, mut tokens: Vec<String>, yes: bool) -> Result<Request, Failure> {
        let request = self.step(|row, state| match state {
            RowState::Planned(preparation) => confirm(common, row, *preparation, &mut tokens, yes),
            other => other,
        });
        unused_tokens(&tokens, request.ended())?;
        Ok(request)
    }

    /// The rows that have ended.
    pub(super) fn ended(&self) -> impl Iterator<Item = &TargetResult> {
        self.0.iter().filter_map(|(_, state)| match state {
            RowState::Ended(result) => Some(&**result),
            _ => None,
        })
    }

    /// The confirmed runs, in the order of their rows.
    pub(super) fn begin(self) -> (Request, Vec<Ready>) {
        let mut ready = Vec::new();
        let request = self.step(|row, state| match state {
            RowState::Confirmed(run) => {
                ready.push(Ready::Fresh { run, named: row.named.clone() });
                RowState::Begun
            }
            other => other,
        });
        (request, ready)
    }

    /// The result of every row, with the results of the runs in the order in which they were begun.
    pub(super) fn end(self, done: Vec<TargetResult>) -> Vec<(Option<ManifestRow>, TargetResult)> {
        let mut done = done.into_iter();
        let request = self.step(|row, state| match state {
            ended @ RowState::Ended(_) => ended,
            RowState::Begun => match done.next() {
                Some(result) => RowState::Ended(Box::new(result)),
                None => row.ended(Outcome::Error, None, "its run gave no result".to_owned(), None),
            },
            // Only what was confirmed is begun.
            RowState::Ordered(_) | RowState::Planned(_) | RowState::Confirmed(_) => {
                row.refused(None, "it was not begun", None)
            }
        });
        let result = |(row, state): (Row, RowState)| match state {
            RowState::Ended(result) => Some((row.manifest, *result)),
            _ => None,
        };
        request.0.into_iter().filter_map(result).collect()
    }
}

const PRINTED: &str = "plan and drives print the token";

/// Takes a token from the command line, the manifest, or the terminal.
fn confirm(common: &Common, row: &Row, preparation: Preparation, tokens: &mut Vec<String>, yes: bool) -> RowState {
    let shown = (!common.json).then(|| plan::render(&preparation, plan::Drawn::Now));
    let medium = preparation.run.plan().medium.clone();
    if let Some(plan) = shown {
        output::line_err(&plan);
    }
    // What the command erases along has to be meant as well, each by its own token.
    let mut others = Vec::new();
    for other in &preparation.run.plan().also {
        if let Some(at) = tokens.iter().position(|token| *token == other.confirm_token) {
            others.push(tokens.remove(at));
        } else if let Some(typed) = ask(other) {
            others.push(typed);
        }
    }
    let by_flag = tokens.iter().position(|t| *t == medium.confirm_token).map(|i| tokens.remove(i));
    let typed;
    let (word, advice) = match (&by_flag, row.token.as_deref()) {
        // A row that names another drive's token means another drive, whatever else was typed.
        (_, Some(token)) => (Confirmation::Token(token), PRINTED),
        (Some(token), None) => (Confirmation::Token(token), PRINTED),
        (None, None) if medium.kind == Kind::Image && yes => {
            if let Some(link) = row.typed.as_deref().filter(|typed| is_link(typed, &medium.path)) {
                // Whoever may write to the folder chose where it leads.
                let why =
                    format!("{} is a link to {}, which --yes does not confirm", link.display(), medium.path.display());
                let advice = "nothing was touched; name the file itself, or confirm it with --confirm TOKEN";
                return row.refused(Some(&medium), why, Some(advice));
            }
            (Confirmation::Yes, PRINTED)
        }
        (None, None) => {
            let advice = match medium.kind {
                Kind::Image => "confirm an image file with --yes",
                _ => "confirm it with --confirm TOKEN; plan and drives print the token",
            };
            let Some(word) = ask(&medium) else {
                return row.refused(Some(&medium), "it was not confirmed", Some(advice));
            };
            typed = word;
            (Confirmation::Token(&typed), "nothing was touched")
        }
    };
    match preparation.run.confirm(word, &others) {
        Ok(run) => RowState::Confirmed(Box::new(run)),
        Err(error) => row.refused(Some(&medium), error.to_string(), Some(advice)),
    }
}

/// Whether the file that was found is not the one of that name, but where a link of that name leads.
fn is_link(typed: &Path, found: &Path) -> bool {
    let folder = typed.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (std::fs::canonicalize(folder), typed.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name) != found,
        _ => true,
    }
}

/// Asks at a terminal; `None` where there is none, or nothing was typed.
fn ask(medium: &Medium) -> Option<String> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let mut stderr = std::io::stderr();
    let _ = write!(
        stderr,
        "\nEverything on {} will be destroyed. Type its confirm token ({}) to go on: ",
        output::harmless(&medium.path.display().to_string()),
        medium.confirm_token
    );
    let _ = stderr.flush();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    let typed = line.trim();
    (!typed.is_empty()).then(|| typed.to_owned())
}

/// A token that fits no target is a mistake worth stopping for.
fn unused_tokens<'a>(tokens: &[String], refused: impl Iterator<Item = &'a TargetResult>) -> Result<(), Failure> {
    let mut theirs = Vec::new();
    for result in refused {
        match &result.medium {
            Some(medium) => theirs.push(medium.confirm_token.clone()),
            // A target that could not be looked at may have any token.
            None => return Ok(()),
        }
    }
    match tokens.iter().find(|token| !theirs.contains(token)) {
        None => Ok(()),
        Some(token) => {
            Err(Failure::words(Exit::Refused, format!("{token:?} is the confirm token of none of the targets"))
                .hint("nothing was touched; plan and drives print the tokens"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Call {
        #[command(flatten)]
        args: WipeArgs,
    }

    #[test]
    fn a_drive_that_has_the_name_of_another_since_the_manifest_was_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, [1; 4096]).unwrap();
            path
        };
        let roots = station::live();
        // When the drives were looked at, S1 was at this place. Now something else is.
        let mut was = station::look_at(&roots, &image("swapped.img")).unwrap();
        was.identity.serial = Some("S1".to_owned());
        let line = |serial: &str, target: Option<PathBuf>| ManifestRow {
            serial: serial.to_owned(),
            asset_tag: Some("A-1".to_owned()),
            category: None,
            confirm_token: None,
            target,
        };
        let lines = vec![line("S1", None), line("", Some(image("other.img")))];
        let wish = <Call as clap::Parser>::parse_from(["wipe"]).args.wish.wish(None).unwrap();
        let planned = Request::of_manifest(lines, &[was.clone()]).plan(&roots, None, &wish).unwrap();
        let refused: Vec<_> = planned.ended().cloned().collect();
        let [refused] = &refused[..] else { panic!("{refused:?}") };
        assert!(refused.message.ends_with("has no serial number now; the manifest says S1"), "{refused:?}");
        assert_eq!((refused.outcome, refused.asset_tag.as_deref()), (Outcome::Refused, Some("A-1")));
        assert_eq!(refused.medium.as_ref().map(|medium| &medium.path), Some(&was.path));

        let common = Common { state: None, passphrase_file: None, json: true };
        let (request, ready) = planned.confirm(&common, Vec::new(), true).unwrap().begin();
        assert_eq!(ready.len(), 1, "only the other one");
        let ends = request.end(Vec::new());
        let told: Vec<_> = ends.iter().map(|(_, result)| (result.outcome, result.target.clone())).collect();
        let other = folder.path().join("other.img");
        assert_eq!(told, [(Outcome::Refused, "S1".into()), (Outcome::Error, other)], "a run without a result");
    }
}

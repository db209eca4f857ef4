//! `lastwrite key session start | status | stop`

use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::person::{KeyArgs, ask_for, pin, told};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{KeyError, KeyPlace, Passphrase, StationKey, format_time};
use crate::station::session::{Holds, Session, SessionError, hold, session, sessions, shut_off};

/// A session lasts no longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// So long the new process may take to unlock the key.
const PATIENCE: Duration = Duration::from_secs(60);
/// Far more than a passphrase.
const MAX_PASSPHRASE: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Unlock your key; until the session ends, commands of the register ask for no passphrase
    Start(StartArgs),
    /// Show the sessions that are open
    Status,
    /// Wipe the key from memory, or log out of the token, and end the session
    Stop(StopArgs),
    /// The process that holds the key; started by `start`
    #[command(hide = true)]
    Hold(HoldArgs),
}

#[derive(Debug, Args)]
pub struct StartArgs {
    /// How long it lasts, as 8h, 30m or 90s; 24h at most
    #[arg(long = "for", default_value = "8h", value_name = "TIME", value_parser = lasting)]
    lasts: Duration,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Args)]
pub struct StopArgs {
    /// All of your sessions, whatever key they hold
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Args)]
pub struct HoldArgs {
    #[arg(long, value_name = "FILE|URI")]
    key: PathBuf,
    #[arg(long = "for", value_name = "TIME", value_parser = lasting)]
    lasts: Duration,
}

/// What the new process says once, on its standard output.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Ready(Holds),
    Failed { code: u8, message: String, hint: Option<String> },
}

pub fn run(common: &Common, command: SessionCommand) -> Result<Exit, Failure> {
    match command {
        SessionCommand::Start(args) => start(common, &args),
        SessionCommand::Status => status(common),
        SessionCommand::Stop(args) => stop(common, &args),
        SessionCommand::Hold(args) => holder(&args),
    }
}

fn start(common: &Common, args: &StartArgs) -> Result<Exit, Failure> {
    let place = args.key.place()?;
    if let KeyPlace::File(path) = &place {
        needs_passphrase(path)?;
    }
    if session(&place).map_err(|e| session_failure(&e))?.is_some() {
        return Err(session_failure(&SessionError::Open { key: place }));
    }
    let given = args.key.passphrase(common)?;
    let secret = match (&place, given) {
        (KeyPlace::Token(uri), given) => pin(uri, given)?,
        (KeyPlace::File(_), Some(given)) => given,
        (KeyPlace::File(path), None) if std::io::stdin().is_terminal() => ask_for(path)?,
        (KeyPlace::File(path), None) => return Err(told(&KeyError::PassphraseNeeded { path: path.clone() })),
    };
    let holds = spawn(&place, &secret, args.lasts)?;
    if common.json {
        output::json(&shown(&holds));
    } else {
        output::line(&format!("Key            {} ({})", holds.kid, holds.key));
        output::line(&format!("Unlocked until {}, for events of a register only", format_time(holds.until)));
        output::line("End it with    lastwrite key session stop");
    }
    Ok(Exit::Done)
}

/// A key that opens without a passphrase gains nothing by a session.
fn needs_passphrase(path: &Path) -> Result<(), Failure> {
    match StationKey::load(path, None) {
        Err(KeyError::PassphraseNeeded { .. }) => Ok(()),
        Err(error) => Err(told(&error)),
        Ok(_) => {
            let why = format!("{} has no passphrase, so every command opens it without a session", path.display());
            Err(Failure::words(Exit::Refused, why))
        }
    }
}

fn status(common: &Common) -> Result<Exit, Failure> {
    let mut open = Vec::new();
    for found in sessions().map_err(|e| session_failure(&e))? {
        match found {
            Ok(found) => open.push(found.holds().clone()),
            Err(error) => output::line_err(&format!("note: {error}")),
        }
    }
    if common.json {
        output::json(&json!({ "sessions": open.iter().map(shown).collect::<Vec<_>>() }));
    } else if open.is_empty() {
        output::line("No session is open.");
    } else {
        let row = |h: &Holds| vec![format_time(h.until), h.signed.to_string(), h.process.to_string(), h.key.clone()];
        let rows: Vec<_> = open.iter().map(row).collect();
        output::line(&output::table(&["UNTIL", "EVENTS", "PROCESS", "KEY"], &rows));
    }
    Ok(Exit::Done)
}

fn stop(common: &Common, args: &StopArgs) -> Result<Exit, Failure> {
    let mut found: Vec<Session> = Vec::new();
    if args.all {
        for open in sessions().map_err(|e| session_failure(&e))? {
            found.push(open.map_err(|e| session_failure(&e))?);
        }
    } else {
        found.extend(session(&args.key.place()?).map_err(|e| session_failure(&e))?);
    }
    let count = found.len();
    for open in found {
        open.end().map_err(|e| session_failure(&e))?;
    }
    if common.json {
        output::json(&json!({ "ended": count }));
    } else {
        output::line(&match count {
            0 => "No session was open.".to_owned(),
            _ => format!("{} ended; no unlocked key is held any more", output::count(count, "session")),
        });
    }
    Ok(Exit::Done)
}

/// The process that holds the key. Whatever comes of it is said on standard output, to `start`.
fn holder(args: &HoldArgs) -> Result<Exit, Failure> {
    let place = match args.key.to_str().map(KeyPlace::parse).transpose() {
        Ok(place) => place.unwrap_or_else(|| KeyPlace::File(args.key.clone())),
        Err(e) => return Err(Failure::words(Exit::Usage, format!("{}: {e}", args.key.display()))),
    };
    let held = shut_off().and_then(|()| {
        let text = read_all().map_err(|source| SessionError::Io {
            doing: "reading the passphrase of",
            path: args.key.clone(),
            source,
        })?;
        hold(&place, text, args.lasts, |holds| output::json(&Word::Ready(holds.clone())))
    });
    if let Err(error) = held {
        let failure = session_failure(&error);
        output::json(&Word::Failed { code: failure.exit.code(), message: failure.message, hint: failure.hint });
        return Ok(failure.exit);
    }
    Ok(Exit::Done)
}

/// All of standard input, past the buffer that keeps what went through it.
fn read_all() -> std::io::Result<Passphrase> {
    let mut text = Passphrase::new(String::with_capacity(MAX_PASSPHRASE as usize));
    File::from(std::io::stdin().as_fd().try_clone_to_owned()?).take(MAX_PASSPHRASE).read_to_string(&mut text)?;
    Ok(text)
}

/// Starts the process that holds the key, and waits until it listens.
fn spawn(place: &KeyPlace, passphrase: &Passphrase, lasts: Duration) -> Result<Holds, Failure> {
    let other = |e: &dyn std::fmt::Display| Failure::words(Exit::Other, format!("the session did not start: {e}"));
    let program = std::env::current_exe().map_err(|e| other(&e))?;
    let key = match place {
        KeyPlace::File(path) => std::fs::canonicalize(path).map_err(|e| other(&e))?.into_os_string(),
        KeyPlace::Token(uri) => uri.to_string().into(),
    };
    let mut command = Command::new(program);
    command.args(["key", "session", "hold", "--key"]).arg(key).arg("--for").arg(format!("{}s", lasts.as_secs()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| other(&e))?;
    let answer = talk(&mut child, passphrase);
    let word: Option<Word> = answer.as_deref().and_then(|line| serde_json::from_str(line).ok());
    match word {
        Some(Word::Ready(holds)) => Ok(holds),
        Some(Word::Failed { code, message, hint }) => {
            let _ = child.wait(); // it has said why
            let exit = [Exit::Usage, Exit::Refused].into_iter().find(|e| e.code() == code).unwrap_or(Exit::Other);
            let failure = Failure::words(exit, message);
            Err(if let Some(hint) = hint { failure.hint(hint) } else { failure })
        }
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(other(&"its process said nothing of use"))
        }
    }
}

/// Gives the process the passphrase; its one line.
fn talk(child: &mut Child, passphrase: &Passphrase) -> Option<String> {
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let _ = stdin.write_all(passphrase.as_bytes()); // where it died, it has no line either
    drop(stdin);
    let (give, take) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let _ = give.send(read.map(|_| line)); // nobody waits for it any more
    });
    take.recv_timeout(PATIENCE).ok()?.ok()
}

fn shown(holds: &Holds) -> serde_json::Value {
    json!({
        "kid": holds.kid, "key": holds.key, "since": format_time(holds.since), "until": format_time(holds.until),
        "process": holds.process, "events": holds.signed.to_string(),
    })
}

fn session_failure(error: &SessionError) -> Failure {
    match error {
        SessionError::Key(error) => told(error),
        SessionError::Open { .. } => {
            Failure::new(Exit::Refused, error).hint("end it first: lastwrite key session stop")
        }
        SessionError::Folder { .. } | SessionError::Foreign { .. } => Failure::new(Exit::Refused, error),
        SessionError::Silent { process, .. } => {
            Failure::new(Exit::Other, error).hint(format!("end it with: kill -9 {process}"))
        }
        SessionError::Memory(_) => Failure::new(Exit::Other, error).hint("raise the limit: ulimit -l 64"),
        _ => Failure::new(Exit::Other, error),
    }
}

/// `8h`, `30m`, `90s`.
fn lasting(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 8h, 30m or 90s, of at least a second and at most 24h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let lasts = Duration::from_secs(number.checked_mul(seconds).ok_or_else(wrong)?);
    match lasts.is_zero() || lasts > LONGEST {
        true => Err(wrong()),
        false => Ok(lasts),
    }
}

//! The key of the person who acts, however a command gets it.

use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;

use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{KeyError, KeyPlace, Passphrase, StationKey, TokenUri};
use crate::station::session;

/// Whose key signs what the command does.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// Your key: PKCS#8 PEM or a pkcs11: URI [default: lastwrite/person.pem in the XDG configuration folder]
    #[arg(long, env = "LASTWRITE_KEY", value_name = "FILE|URI")]
    pub key: Option<String>,
    /// File with its passphrase or PIN (first line) [default: --passphrase-file, else asked for]
    #[arg(long, env = "LASTWRITE_KEY_PASSPHRASE_FILE", value_name = "FILE")]
    pub key_passphrase_file: Option<PathBuf>,
    /// The key, once it is unlocked: a command that opens the register twice asks once.
    #[arg(skip)]
    unlocked: Box<OnceLock<StationKey>>,
}

impl KeyArgs {
    /// Where the key is.
    pub fn place(&self) -> Result<KeyPlace, Failure> {
        let Some(text) = self.key.as_deref() else { return Ok(KeyPlace::File(default_path())) };
        KeyPlace::parse(text).map_err(|e| Failure::words(Exit::Usage, format!("{text}: {e}")))
    }

    /// A key other than the one of the command line.
    pub fn of(key: String, key_passphrase_file: Option<PathBuf>) -> KeyArgs {
        KeyArgs { key: Some(key), key_passphrase_file, unlocked: Box::default() }
    }

    /// Unlocks it, asking at a terminal for the passphrase or PIN where none was given.
    pub fn load(&self, common: &Common) -> Result<StationKey, Failure> {
        self.unlock(self.passphrase(common)?)
    }

    /// As [`KeyArgs::load`], for who signs events of the register and nothing else: where no passphrase was
    /// given, an open session of the key is used. Unlocks once, however often it is asked for.
    pub fn load_for_events(&self, common: &Common) -> Result<StationKey, Failure> {
        if let Some(key) = self.unlocked.get() {
            return Ok(key.clone());
        }
        let key = self.unlock_for_events(self.passphrase(common)?)?;
        Ok(self.unlocked.get_or_init(|| key).clone())
    }

    fn unlock_for_events(&self, given: Option<Passphrase>) -> Result<StationKey, Failure> {
        if given.is_none() {
            match session::session(&self.place()?) {
                Ok(Some(open)) => return Ok(open.into_key()),
                Ok(None) => {}
                Err(error) => output::line_err(&format!("note: no session is used: {error}")),
            }
        }
        self.unlock(given)
    }

    fn unlock(&self, given: Option<Passphrase>) -> Result<StationKey, Failure> {
        match self.place()? {
            KeyPlace::File(path) => load(&path, given),
            KeyPlace::Token(uri) => {
                let pin = pin(&uri, given)?;
                StationKey::on_token(&uri, &pin).map_err(|e| Failure::new(Exit::Other, &e))
            }
        }
    }

    /// The passphrase from a file, where one was named.
    pub fn passphrase(&self, common: &Common) -> Result<Option<Passphrase>, Failure> {
        match &self.key_passphrase_file {
            Some(file) => read_passphrase(file).map(Some),
            None => common.passphrase(),
        }
    }
}

/// The PIN of a token: from its own file, from the one that was named, or typed.
pub fn pin(uri: &TokenUri, given: Option<Passphrase>) -> Result<Passphrase, Failure> {
    match (&uri.pin_source, given) {
        (Some(file), _) => read_passphrase(file),
        (None, Some(given)) => Ok(given),
        (None, None) if std::io::stdin().is_terminal() => ask(&format!("PIN of {uri}: ")),
        (None, None) => {
            let needed = KeyError::PinNeeded { place: uri.to_string() };
            Err(Failure::new(Exit::Other, &needed)
                .hint("give it at a terminal, with a passphrase file, or by pin-source="))
        }
    }
}

/// The person's key when none is named.
pub fn default_path() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .unwrap_or_else(|| PathBuf::from("."))
        .join("lastwrite")
        .join("person.pem")
}

/// Reads a key, asking at a terminal when it needs a passphrase and none was given.
pub fn load(path: &Path, passphrase: Option<Passphrase>) -> Result<StationKey, Failure> {
    match StationKey::load(path, passphrase.as_ref()) {
        Err(KeyError::PassphraseNeeded { .. }) if std::io::stdin().is_terminal() => {
            StationKey::load(path, Some(&ask_for(path)?)).map_err(|e| told(&e))
        }
        other => other.map_err(|e| told(&e)),
    }
}

/// Asks for the passphrase of a key at the terminal.
pub fn ask_for(path: &Path) -> Result<Passphrase, Failure> {
    ask(&format!("passphrase of {}: ", path.display()))
}

/// Why there is no key, and what to do next.
pub fn told(error: &KeyError) -> Failure {
    let failure = Failure::new(Exit::Other, error);
    match error {
        KeyError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            failure.hint("name your key with --key FILE, or make one with: lastwrite key generate --name NAME")
        }
        KeyError::PassphraseNeeded { .. } | KeyError::WrongPassphrase { .. } => {
            failure.hint("give the passphrase at a terminal or with --key-passphrase-file FILE")
        }
        _ => failure,
    }
}

/// A new passphrase: from the file that was named, else typed twice. `None`: neither is possible.
pub fn new_passphrase(given: Option<Passphrase>) -> Result<Option<Passphrase>, Failure> {
    match given {
        Some(given) => Ok(Some(given)),
        None if std::io::stdin().is_terminal() => ask_twice().map(Some),
        None => Ok(None),
    }
}

/// There is nobody to ask.
pub fn no_passphrase() -> Failure {
    Failure::words(Exit::Usage, "a person's key needs a passphrase, and there is no terminal to ask at")
        .hint("give it in a file: --key-passphrase-file FILE")
}

/// Asks for a new passphrase at the terminal, twice.
pub fn ask_twice() -> Result<Passphrase, Failure> {
    let first = ask("new passphrase: ")?;
    if first.is_empty() {
        return Err(Failure::words(Exit::Usage, "the passphrase is empty"));
    }
    if *first != *ask("once more: ")? {
        return Err(Failure::words(Exit::Usage, "the two passphrases differ"));
    }
    Ok(first)
}

/// The first line of a passphrase file.
pub fn read_passphrase(path: &Path) -> Result<Passphrase, Failure> {
    // A pipe has nobody but its two ends.
    if let Some(meta) = std::fs::metadata(path).ok().filter(|meta| meta.is_file() && meta.mode() & 0o077 != 0) {
        output::line_err(&format!(
            "WARNING: the passphrase file {} has mode {:04o}, so that others may use it; chmod 600 keeps it to you.",
            path.display(),
            meta.mode() & 0o7777
        ));
    }
    let text = std::fs::read_to_string(path).map(Passphrase::from);
    let text = text.map_err(|e| Failure::words(Exit::Other, format!("the passphrase file {}: {e}", path.display())))?;
    match text.lines().next().unwrap_or_default() {
        "" => Err(Failure::words(Exit::Other, format!("the passphrase file {} is empty", path.display()))),
        line => Ok(Passphrase::from(line.to_owned())),
    }
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    rpassword::prompt_password(prompt)
        .map(Passphrase::from)
        .map_err(|e| Failure::words(Exit::Other, format!("the passphrase could not be read: {e}")))
}

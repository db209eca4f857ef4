//! The key of the person who acts, however a command gets it.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::frontend::cli::Common;
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{KeyError, Passphrase, StationKey};

/// Whose key signs what the command does.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// Your key: PKCS#8 PEM [default: lastwrite/person.pem in the XDG configuration folder]
    #[arg(long, env = "LASTWRITE_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// File with its passphrase (first line) [default: --passphrase-file, else asked for]
    #[arg(long, env = "LASTWRITE_KEY_PASSPHRASE_FILE", value_name = "FILE")]
    pub key_passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Where the key is.
    pub fn path(&self) -> PathBuf {
        self.key.clone().unwrap_or_else(default_path)
    }

    /// Unlocks it, asking at a terminal for the passphrase where none was given.
    pub fn load(&self, common: &Common) -> Result<StationKey, Failure> {
        let path = self.path();
        load(&path, self.passphrase(common)?)
    }

    /// The passphrase from a file, where one was named.
    pub fn passphrase(&self, common: &Common) -> Result<Option<Passphrase>, Failure> {
        match &self.key_passphrase_file {
            Some(file) => read_passphrase(file).map(Some),
            None => common.passphrase(),
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
    let told = |e: &KeyError| {
        let failure = Failure::new(Exit::Other, e);
        match e {
            KeyError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                failure.hint("name your key with --key FILE, or make one with: lastwrite key generate --name NAME")
            }
            KeyError::PassphraseNeeded { .. } | KeyError::WrongPassphrase { .. } => {
                failure.hint("give the passphrase at a terminal or with --key-passphrase-file FILE")
            }
            _ => failure,
        }
    };
    match StationKey::load(path, passphrase.as_ref()) {
        Err(KeyError::PassphraseNeeded { .. }) if std::io::stdin().is_terminal() => {
            let typed = ask(&format!("passphrase of {}: ", path.display()))?;
            StationKey::load(path, Some(&typed)).map_err(|e| told(&e))
        }
        other => other.map_err(|e| told(&e)),
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

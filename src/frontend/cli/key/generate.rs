//! `lastwrite key generate | show`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::person::{KeyArgs, default_path, new_passphrase, read_passphrase};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{DurableError, KeyError, PublicCard, StationKey, check_person_name};

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Whose key it is
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// Where to store it [default: lastwrite/person.pem in the XDG configuration folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// File with the new passphrase (first line) [default: --passphrase-file, else asked for twice]
    #[arg(long, env = "LASTWRITE_KEY_PASSPHRASE_FILE", value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    /// No passphrase: whoever reads the file can sign as you
    #[arg(long)]
    unprotected: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The name to put into the public key file
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// Write the public key file instead of showing it
    #[arg(long, value_name = "FILE", requires = "name")]
    out: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

pub fn generate(common: &Common, args: &GenerateArgs) -> Result<Exit, Failure> {
    let path = args.out.clone().unwrap_or_else(default_path);
    let given = match &args.key_passphrase_file {
        _ if args.unprotected => None,
        Some(file) => Some(read_passphrase(file)?),
        None => common.passphrase()?,
    };
    // Looked at before anybody is asked for a passphrase; the store itself never overwrites.
    let card_path = card_path(&path);
    for taken in [&path, &card_path] {
        if taken.exists() {
            let exists = DurableError::Exists { path: taken.clone() };
            return Err(Failure::new(Exit::Refused, &exists).hint("name another file with --out FILE"));
        }
    }
    let passphrase = if args.unprotected { None } else { new_passphrase(given)? };
    if passphrase.is_none() && !args.unprotected {
        return Err(Failure::words(
            Exit::Usage,
            "a person's key needs a passphrase, and there is no terminal to ask at",
        )
        .hint("give it in a file: --key-passphrase-file FILE"));
    }
    let key = StationKey::generate().map_err(|e| Failure::new(Exit::Other, &e))?;
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|e| Failure::words(Exit::Other, format!("{}: making it failed: {e}", folder.display())))?;
    }
    key.save_new(&path, passphrase.as_ref()).map_err(|e| stored(&e))?;
    let card = PublicCard::of(&key, args.name.clone());
    card.save_new(&card_path).map_err(|e| Failure::new(Exit::Other, &e))?;
    if common.json {
        output::json(&json!({
            "kid": key.kid(), "name": args.name, "key": path.to_string_lossy(),
            "public_key": key.public().x(), "public_key_file": card_path.to_string_lossy(),
            "protected": passphrase.is_some(),
        }));
    } else {
        output::line(&format!("Name           {}", args.name));
        output::line(&format!("Key            {}", key.kid()));
        output::line(&format!("Private key    {} (keep it to yourself)", path.display()));
        output::line(&format!("Public key     {} (hand it to whoever is to trust you)", card_path.display()));
    }
    if passphrase.is_none() {
        output::line_err(&format!("WARNING: {} has no passphrase; whoever reads it can sign as you.", path.display()));
    }
    Ok(Exit::Done)
}

pub fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    let path = args.key.path();
    // The public half lies beside the key, so that showing it asks for no passphrase.
    let beside = card_path(&path);
    let card = match std::fs::read(&beside) {
        Ok(bytes) => PublicCard::parse(&bytes)
            .map_err(|e| Failure::new(Exit::Evidence, &e).hint(format!("{} cannot be used", beside.display())))?,
        Err(_) => PublicCard::of(&args.key.load(common)?, ""),
    };
    let card = PublicCard { name: args.name.clone().unwrap_or(card.name), ..card };
    if let Some(out) = &args.out {
        card.save_new(out).map_err(|e| match e {
            DurableError::Exists { .. } => Failure::new(Exit::Refused, &e),
            _ => Failure::new(Exit::Other, &e),
        })?;
        output::line_err(&format!("public key: {}", out.display()));
    }
    if common.json {
        output::json(&json!({ "kid": card.key.kid(), "name": card.name, "public_key": card.key.x() }));
    } else {
        output::line(&format!("Name           {}", if card.name.is_empty() { "-" } else { &card.name }));
        output::line(&format!("Key            {}", card.key.kid()));
        output::line(&format!("Public key     {}", card.key.x()));
    }
    Ok(Exit::Done)
}

/// The public key file beside a key: `kim.pem`, `kim.pub.json`.
fn card_path(key: &Path) -> PathBuf {
    key.with_extension("pub.json")
}

/// The name in the public key file beside a key, where there is one.
#[cfg(feature = "erase")]
pub fn name_beside(key: &Path) -> Option<String> {
    let card = PublicCard::parse(&std::fs::read(card_path(key)).ok()?).ok()?;
    Some(card.name)
}

fn name(text: &str) -> Result<String, String> {
    check_person_name(text).map(|()| text.to_owned())
}

fn stored(error: &KeyError) -> Failure {
    match error {
        KeyError::Store(DurableError::Exists { .. }) => {
            Failure::new(Exit::Refused, error).hint("name another file with --out FILE")
        }
        _ => Failure::new(Exit::Other, error),
    }
}

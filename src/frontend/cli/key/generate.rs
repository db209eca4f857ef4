//! `lastwrite key generate | show`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::person::{KeyArgs, default_path, new_passphrase, no_passphrase, pin, read_passphrase};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{
    DurableError, KeyError, KeyPlace, Passphrase, PublicCard, StationKey, TokenUri, check_person_name,
};

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
    /// Make it on a token instead, which it never leaves: pkcs11:token=T;object=LABEL?module-path=M; its PIN comes as a
    /// passphrase does, and --out names the public key file
    #[arg(long, value_name = "URI", conflicts_with = "unprotected")]
    token: Option<String>,
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
    let given = match &args.key_passphrase_file {
        _ if args.unprotected => None,
        Some(file) => Some(read_passphrase(file)?),
        None => common.passphrase()?,
    };
    let (key, place, card_path) = match &args.token {
        Some(text) => {
            let uri = TokenUri::parse(text).map_err(|e| Failure::words(Exit::Usage, format!("{text}: {e}")))?;
            let card = args.out.clone().ok_or_else(|| {
                Failure::words(Exit::Usage, "where does the public key go?").hint("--out FILE.pub.json")
            })?;
            free(&card)?;
            let pin = pin(&uri, given)?;
            let key = StationKey::generate_on_token(&uri, &pin).map_err(|e| Failure::new(Exit::Other, &e))?;
            (key, uri.to_string(), card)
        }
        None => {
            let path = args.out.clone().unwrap_or_else(default_path);
            let card = card_path(&path);
            // Looked at before anybody is asked for a passphrase; the store itself never overwrites.
            free(&path)?;
            free(&card)?;
            let passphrase = if args.unprotected { None } else { new_passphrase(given)? };
            if passphrase.is_none() && !args.unprotected {
                return Err(no_passphrase());
            }
            let key = store_key(&path, passphrase.as_ref())?;
            (key, path.to_string_lossy().into_owned(), card)
        }
    };
    let card = PublicCard::of(&key, args.name.clone());
    card.save_new(&card_path).map_err(|e| Failure::new(Exit::Other, &e))?;
    let protected = !args.unprotected;
    if common.json {
        output::json(&json!({
            "kid": key.kid(), "name": args.name, "key": place,
            "public_key": key.public().x(), "public_key_file": card_path.to_string_lossy(),
            "protected": protected,
        }));
    } else {
        output::line(&format!("Name           {}", args.name));
        output::line(&format!("Key            {}", key.kid()));
        output::line(&format!("Private key    {place} (keep it to yourself)"));
        output::line(&format!("Public key     {} (hand it to whoever is to trust you)", card_path.display()));
    }
    if !protected {
        output::line_err(&format!("WARNING: {place} has no passphrase; whoever reads it can sign as you."));
    }
    Ok(Exit::Done)
}

/// Makes a key file and the public key file beside it.
pub fn make_key(path: &Path, name: &str, passphrase: Option<&Passphrase>) -> Result<StationKey, Failure> {
    let card = card_path(path);
    free(path)?;
    free(&card)?;
    let key = store_key(path, passphrase)?;
    PublicCard::of(&key, name).save_new(&card).map_err(|e| Failure::new(Exit::Other, &e))?;
    Ok(key)
}

/// The passphrase of a key that takes another's place.
pub fn new_key_passphrase(file: Option<&Path>, unprotected: bool) -> Result<Option<Passphrase>, Failure> {
    if unprotected {
        return Ok(None);
    }
    let given = file.map(read_passphrase).transpose()?;
    new_passphrase(given)?.map(Some).ok_or_else(|| {
        Failure::words(Exit::Usage, "the new key needs a passphrase, and there is no terminal to ask at")
            .hint("give it in a file: --new-passphrase-file FILE; or --unprotected for a machine's key")
    })
}

fn store_key(path: &Path, passphrase: Option<&Passphrase>) -> Result<StationKey, Failure> {
    let key = StationKey::generate().map_err(|e| Failure::new(Exit::Other, &e))?;
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|e| Failure::words(Exit::Other, format!("{}: making it failed: {e}", folder.display())))?;
    }
    key.save_new(path, passphrase).map_err(|e| stored(&e))?;
    Ok(key)
}

fn free(path: &Path) -> Result<(), Failure> {
    match path.exists() {
        true => {
            let exists = DurableError::Exists { path: path.to_owned() };
            Err(Failure::new(Exit::Refused, &exists).hint("name another file with --out FILE"))
        }
        false => Ok(()),
    }
}

pub fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    // The public half lies beside the key, so that showing it asks for no passphrase.
    let beside = match args.key.place()? {
        KeyPlace::File(path) => Some(card_path(&path)),
        KeyPlace::Token(_) => None,
    };
    let beside = beside.and_then(|path| Some((std::fs::read(&path).ok()?, path)));
    let card = match beside {
        Some((bytes, path)) => PublicCard::parse(&bytes)
            .map_err(|e| Failure::new(Exit::Evidence, &e).hint(format!("{} cannot be used", path.display())))?,
        None => PublicCard::of(&args.key.load(common)?, ""),
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

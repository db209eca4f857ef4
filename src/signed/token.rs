//! Keys that lie on a token and never leave it, through the vendor's PKCS#11 module.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use super::key::{KeyError, RemoteKey};
use super::token_uri::TokenUri;
use super::{Passphrase, PublicKey, StationKey};

/// id-Ed25519 (RFC 8410).
const ED25519_OID: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];
/// The curve's name as PKCS#11 3.0 section 2.3.5 first had it.
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";
/// A module may be initialised once in a process, and finalising it would end everybody's sessions.
static MODULES: OnceLock<Mutex<HashMap<PathBuf, Pkcs11>>> = OnceLock::new();

/// The key that the URI names, unlocked by the token's PIN.
pub fn open(uri: &TokenUri, pin: &Passphrase) -> Result<StationKey, KeyError> {
    let failed = failure(uri);
    let session = login(uri, pin, false)?;
    let found = session.find_objects(&private_key(uri)).map_err(|e| failed(&e))?;
    let [key] = found.as_slice() else {
        let detail = match found.len() {
            0 => "there is no Ed25519 key of that name on it".to_owned(),
            n => format!("{n} keys on it fit; name one by object= or id="),
        };
        return Err(KeyError::Elsewhere { place: uri.to_string(), detail });
    };
    finish(uri, session, *key)
}

/// Makes a key on the token that the URI names, under the label `object=`. It cannot be read out.
pub fn generate(uri: &TokenUri, pin: &Passphrase) -> Result<StationKey, KeyError> {
    let failed = failure(uri);
    let label = uri.object.clone().ok_or_else(|| KeyError::Elsewhere {
        place: uri.to_string(),
        detail: "the new key needs a label: object=NAME".to_owned(),
    })?;
    let session = login(uri, pin, true)?;
    let taken = session.find_objects(&private_key(uri)).map_err(|e| failed(&e))?;
    if !taken.is_empty() {
        let detail = "a key of that name is on it already; nothing was made".to_owned();
        return Err(KeyError::Elsewhere { place: uri.to_string(), detail });
    }
    let id = uri.id.clone().unwrap_or_else(|| rand::random::<[u8; 8]>().to_vec());
    let common = |private: bool| {
        vec![
            Attribute::Token(true),
            Attribute::Private(private),
            Attribute::Label(label.clone().into_bytes()),
            Attribute::Id(id.clone()),
        ]
    };
    let private =
        [common(true), vec![Attribute::Sign(true), Attribute::Sensitive(true), Attribute::Extractable(false)]].concat();
    let make = |curve: &[u8]| {
        let public = [common(false), vec![Attribute::Verify(true), Attribute::EcParams(curve.to_vec())]].concat();
        session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private)
    };
    let (_, key) = make(&ED25519_OID).or_else(|_| make(ED25519_NAME)).map_err(|e| failed(&e))?;
    finish(uri, session, key)
}

struct TokenKey {
    uri: TokenUri,
    session: Mutex<Session>,
    key: ObjectHandle,
}

impl RemoteKey for TokenKey {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let signature = session.sign(&mechanism, self.key, message).map_err(|e| failure(&self.uri)(&e))?;
        signature.try_into().map_err(|wrong: Vec<u8>| KeyError::Elsewhere {
            place: self.uri.to_string(),
            detail: format!("it gave a signature of {} bytes, not 64", wrong.len()),
        })
    }

    fn place(&self) -> String {
        self.uri.to_string()
    }
}

fn finish(uri: &TokenUri, session: Session, key: ObjectHandle) -> Result<StationKey, KeyError> {
    let public = public_key(uri, &session, key)?;
    let remote = TokenKey { uri: uri.clone(), session: Mutex::new(session), key };
    Ok(StationKey::elsewhere(Arc::new(remote), public))
}

/// The public half: of the private key's own attribute, or of the public key beside it.
fn public_key(uri: &TokenUri, session: &Session, key: ObjectHandle) -> Result<PublicKey, KeyError> {
    let failed = failure(uri);
    let read =
        |object| session.get_attributes(object, &[AttributeType::EcPoint, AttributeType::Id, AttributeType::Label]);
    let own = read(key).map_err(|e| failed(&e))?;
    if let Some(point) = own.iter().find_map(ec_point) {
        return Ok(point);
    }
    let mut template = vec![Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(KeyType::EC_EDWARDS)];
    template.extend(own.into_iter().filter(|a| match a {
        Attribute::Id(id) => !id.is_empty(),
        Attribute::Label(label) => !label.is_empty(),
        _ => false,
    }));
    let found = session.find_objects(&template).map_err(|e| failed(&e))?;
    let mut points = Vec::new();
    for object in found {
        points.extend(read(object).map_err(|e| failed(&e))?.iter().find_map(ec_point));
    }
    match points.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(KeyError::Elsewhere {
            place: uri.to_string(),
            detail: format!("{} public keys belong to it; one is needed", points.len()),
        }),
    }
}

/// CKA_EC_POINT: 32 bytes, by most modules inside a DER OCTET STRING.
fn ec_point(attribute: &Attribute) -> Option<PublicKey> {
    let Attribute::EcPoint(point) = attribute else { return None };
    let bytes = match point.as_slice() {
        [0x04, 0x20, rest @ ..] => rest,
        raw => raw,
    };
    PublicKey::from_bytes(bytes).ok()
}

fn private_key(uri: &TokenUri) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(KeyType::EC_EDWARDS)];
    template.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
    template
}

fn login(uri: &TokenUri, pin: &Passphrase, write: bool) -> Result<Session, KeyError> {
    let failed = failure(uri);
    let module = module(uri)?;
    let slot = slot(uri, &module)?;
    let session = if write { module.open_rw_session(slot) } else { module.open_ro_session(slot) };
    let session = session.map_err(|e| failed(&e))?;
    match session.login(UserType::User, Some(&AuthPin::from(pin.as_str()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(Error::Pkcs11(RvError::PinIncorrect, _)) => Err(KeyError::Elsewhere {
            place: uri.to_string(),
            detail: "the PIN is wrong; after some more tries the token locks itself".to_owned(),
        }),
        Err(e) => Err(failed(&e)),
    }
}

fn slot(uri: &TokenUri, module: &Pkcs11) -> Result<Slot, KeyError> {
    let failed = failure(uri);
    let mut fitting = Vec::new();
    for slot in module.get_slots_with_token().map_err(|e| failed(&e))? {
        let token = module.get_token_info(slot).map_err(|e| failed(&e))?;
        let fits = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found.trim_end());
        if fits(&uri.token, token.label())
            && fits(&uri.serial, token.serial_number())
            && fits(&uri.manufacturer, token.manufacturer_id())
            && fits(&uri.model, token.model())
            && uri.slot_id.is_none_or(|id| id == slot.id())
            && token.token_initialized()
        {
            fitting.push(slot);
        }
    }
    match fitting.as_slice() {
        [one] => Ok(*one),
        [] => Err(KeyError::Elsewhere { place: uri.to_string(), detail: "no such token is there".to_owned() }),
        many => Err(KeyError::Elsewhere {
            place: uri.to_string(),
            detail: format!("{} tokens fit; name one by token= or serial=", many.len()),
        }),
    }
}

fn module(uri: &TokenUri) -> Result<Pkcs11, KeyError> {
    let failed = failure(uri);
    let named = std::env::var_os("LASTWRITE_PKCS11_MODULE").map(PathBuf::from);
    let path = uri.module.clone().or(named).ok_or_else(|| KeyError::Elsewhere {
        place: uri.to_string(),
        detail: "which module speaks to it? Name it by ?module-path= or LASTWRITE_PKCS11_MODULE".to_owned(),
    })?;
    let path: &Path = &path;
    let mut modules = MODULES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(|e| failed(&e))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(e) => return Err(failed(&e)),
    }
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}

fn failure(uri: &TokenUri) -> impl Fn(&Error) -> KeyError {
    let place = uri.to_string();
    move |e| KeyError::Elsewhere { place: place.clone(), detail: e.to_string() }
}

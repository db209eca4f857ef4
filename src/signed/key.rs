//! A signing key, of a station or a person: PKCS#8 PEM on disk, readable by its owner only, or a
//! key that never leaves its token.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::pkcs8::KeypairBytes;
use ed25519_dalek::{Signer as _, SigningKey};
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rand::TryRng as _;
use zeroize::Zeroizing;

use super::durable::{DurableError, write_new};
use super::{Passphrase, PublicKey, TokenUri};

const PLAIN: &str = "-----BEGIN PRIVATE KEY-----";
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
#[cfg(not(feature = "pkcs11"))]
const WITHOUT_PKCS11: &str = "this program was built without PKCS#11 (feature pkcs11)";
/// Far more than a key file needs.
const MAX_FILE: u64 = 16 * 1024;

/// An Ed25519 signing key, of a station or a person. Clones share one copy in memory, which is wiped
/// with the last of them.
#[derive(Clone)]
pub struct StationKey {
    secret: Secret,
    public: PublicKey,
    kid: Arc<str>,
}

#[derive(Clone)]
enum Secret {
    Memory(Arc<SigningKey>),
    Elsewhere(Arc<dyn RemoteKey>),
}

/// A private key that cannot be read, only asked to sign: on a token, say.
pub trait RemoteKey: Send + Sync {
    /// Ed25519 over the message (RFC 8032, not prehashed).
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;
    /// Where it is, for a person.
    fn place(&self) -> String;
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system's random generator failed.
    #[error("the system gives no random numbers, so no key was made")]
    Random(#[source] rand::rngs::SysError),
    /// The key could not be stored; an existing file is never overwritten.
    #[error("the key was not stored: {0}")]
    Store(#[source] DurableError),
    /// The key could not be encoded.
    #[error("the key could not be encoded")]
    Encode(#[source] pkcs8::Error),
    /// The file could not be read.
    #[error("key file {} could not be read: {source}", path.display())]
    Read {
        /// The key file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder, device, pipe or an oversized file.
    #[error("{} is not a key file: {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// Others may read or write the key.
    #[error("key file {} has mode {mode:04o}, so others can use it; run: chmod 600 {}", path.display(), path.display())]
    Mode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key belongs to another user.
    #[error("key file {} belongs to user {owner}, not to user {user} who runs this; use that user's account or chown the file", path.display())]
    Owner {
        /// The key file.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
        /// Our effective uid.
        user: u32,
    },
    /// The key is encrypted.
    #[error("key file {} is encrypted and no passphrase was given", path.display())]
    PassphraseNeeded {
        /// The key file.
        path: PathBuf,
    },
    /// The passphrase does not open it, or the encrypted part is damaged.
    #[error("the passphrase does not open key file {}", path.display())]
    WrongPassphrase {
        /// The key file.
        path: PathBuf,
    },
    /// Not a PKCS#8 PEM file with an Ed25519 key.
    #[error("key file {} holds no Ed25519 key in PKCS#8 PEM: {detail}", path.display())]
    Malformed {
        /// The key file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A key on hardware could not be used.
    #[error("the key {place} could not be used: {detail}")]
    Elsewhere {
        /// Where the key is.
        place: String,
        /// What went wrong.
        detail: String,
    },
    /// A key on a token needs its PIN.
    #[error("the key {place} needs the PIN of its token, and none was given")]
    PinNeeded {
        /// Where the key is.
        place: String,
    },
    /// A key that never leaves its token has nothing to store.
    #[error("the key {place} does not leave its token and cannot be stored in a file")]
    StaysThere {
        /// Where the key is.
        place: String,
    },
}

impl StationKey {
    /// A new key from the system's random generator.
    pub fn generate() -> Result<StationKey, KeyError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        rand::rngs::SysRng.try_fill_bytes(seed.as_mut_slice()).map_err(KeyError::Random)?;
        Ok(StationKey::from_seed(&seed))
    }

    /// The key of a 32-byte seed (RFC 8032 section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> StationKey {
        let signing = SigningKey::from_bytes(seed);
        let public = PublicKey::from(signing.verifying_key());
        let kid = public.kid().into();
        StationKey { secret: Secret::Memory(Arc::new(signing)), public, kid }
    }

    /// The key on a token that a `pkcs11:` URI names, unlocked by its PIN.
    #[cfg(feature = "pkcs11")]
    pub fn on_token(uri: &TokenUri, pin: &Passphrase) -> Result<StationKey, KeyError> {
        super::token::open(uri, pin)
    }

    /// A new key on a token; it never leaves it.
    #[cfg(feature = "pkcs11")]
    pub fn generate_on_token(uri: &TokenUri, pin: &Passphrase) -> Result<StationKey, KeyError> {
        super::token::generate(uri, pin)
    }

    /// This program was built without PKCS#11.
    #[cfg(not(feature = "pkcs11"))]
    pub fn on_token(uri: &TokenUri, _: &Passphrase) -> Result<StationKey, KeyError> {
        Err(KeyError::Elsewhere { place: uri.to_string(), detail: WITHOUT_PKCS11.to_owned() })
    }

    /// This program was built without PKCS#11.
    #[cfg(not(feature = "pkcs11"))]
    pub fn generate_on_token(uri: &TokenUri, _: &Passphrase) -> Result<StationKey, KeyError> {
        Err(KeyError::Elsewhere { place: uri.to_string(), detail: WITHOUT_PKCS11.to_owned() })
    }

    /// A key that signs elsewhere, with its public half.
    pub fn elsewhere(remote: Arc<dyn RemoteKey>, public: PublicKey) -> StationKey {
        let kid = public.kid().into();
        StationKey { secret: Secret::Elsewhere(remote), public, kid }
    }

    /// Stores the key as PKCS#8 PEM with mode 0600, encrypted (PBES2: scrypt, AES-256-CBC) when a
    /// passphrase is given. Refuses when the file exists.
    pub fn save_new(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), KeyError> {
        let signing = match &self.secret {
            Secret::Memory(signing) => signing,
            Secret::Elsewhere(remote) => return Err(KeyError::StaysThere { place: remote.place() }),
        };
        // PKCS#8 version 1, without the public key: OpenSSL 3.0 cannot read version 2.
        let pair = KeypairBytes { secret_key: signing.to_bytes(), public_key: None };
        let pem = match passphrase {
            None => pair.to_pkcs8_pem(LineEnding::LF),
            Some(passphrase) => pair.to_pkcs8_encrypted_pem(passphrase.as_bytes(), LineEnding::LF),
        };
        write_new(path, pem.map_err(KeyError::Encode)?.as_bytes(), 0o600).map_err(KeyError::Store)
    }

    /// Reads a key. Refuses a file that anybody but its owner may touch, or that belongs to
    /// another user. A passphrase given for a plain key is ignored.
    pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<StationKey, KeyError> {
        let text = read_private(path)?;
        let malformed = |detail: String| KeyError::Malformed { path: path.to_owned(), detail };
        let head = text.trim_start();
        let pair = if head.starts_with(PLAIN) {
            KeypairBytes::from_pkcs8_pem(head).map_err(|e| malformed(e.to_string()))?
        } else if head.starts_with(ENCRYPTED) {
            let (_, der) = pkcs8::SecretDocument::from_pem(head).map_err(|e| malformed(e.to_string()))?;
            let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(der.as_bytes())
                .map_err(|e| malformed(format!("its encryption is not understood ({e})")))?;
            let passphrase = passphrase.ok_or_else(|| KeyError::PassphraseNeeded { path: path.to_owned() })?;
            // A wrong passphrase shows as bad padding or, one time in 256, as garbage inside.
            let wrong = || KeyError::WrongPassphrase { path: path.to_owned() };
            let plain = info.decrypt(passphrase.as_bytes()).map_err(|_| wrong())?;
            KeypairBytes::from_pkcs8_der(plain.as_bytes()).map_err(|_| wrong())?
        } else {
            return Err(malformed(format!("it does not begin with {PLAIN}")));
        };
        let seed = Zeroizing::new(pair.secret_key);
        let key = StationKey::from_seed(&seed);
        match &pair.public_key {
            Some(public) if public.to_bytes() != key.public.to_bytes() => {
                Err(malformed("its public key does not belong to its private key".to_owned()))
            }
            _ => Ok(key),
        }
    }

    /// RFC 7638 thumbprint of the public key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The public key as a JWK: `kty`, `crv`, `x`, `kid`, `use`.
    pub fn public_jwk(&self) -> serde_json::Value {
        serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": self.public.x(), "kid": self.kid(), "use": "sig"})
    }

    /// The addresses of the secret half, for who keeps them from a swap device; empty where it is elsewhere.
    pub fn memory(&self) -> Range<usize> {
        match &self.secret {
            Secret::Memory(signing) => {
                let start = Arc::as_ptr(signing).addr();
                start..start + size_of::<SigningKey>()
            }
            Secret::Elsewhere(_) => 0..0,
        }
    }

    /// Signs raw bytes (deterministic, RFC 8032). Documents go through [`super::sign`]. What a token
    /// gives back is verified before anybody sees it.
    pub fn sign_bytes(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        match &self.secret {
            Secret::Memory(signing) => Ok(signing.sign(message).to_bytes()),
            Secret::Elsewhere(remote) => {
                let signature = remote.sign(message)?;
                match self.public.verifies(message, &signature) {
                    true => Ok(signature),
                    false => Err(KeyError::Elsewhere {
                        place: remote.place(),
                        detail: "what it signed does not verify with its public key".to_owned(),
                    }),
                }
            }
        }
    }
}

impl fmt::Debug for StationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StationKey({})", self.kid)
    }
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let read = |source| KeyError::Read { path: path.to_owned(), source };
    let not_a_file = |found| KeyError::NotAFile { path: path.to_owned(), found };
    // Non-blocking, so that a pipe under that name does not hang.
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(read)?;
    // The open file is asked, not the path, so that nothing can be swapped in between.
    let meta = file.metadata().map_err(read)?;
    if meta.is_dir() {
        return Err(not_a_file("it is a folder"));
    }
    if !meta.is_file() {
        return Err(not_a_file("it is not a regular file"));
    }
    if meta.len() > MAX_FILE {
        return Err(not_a_file("it is larger than any key file"));
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Mode { path: path.to_owned(), mode });
    }
    let user = nix::unistd::geteuid().as_raw();
    if meta.uid() != user {
        return Err(KeyError::Owner { path: path.to_owned(), owner: meta.uid(), user });
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE as usize));
    match file.take(MAX_FILE).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(KeyError::Malformed { path: path.to_owned(), detail: "it is not text".to_owned() })
        }
        Err(e) => Err(read(e)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn saved_keys_come_back_and_are_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let key = StationKey::generate().unwrap();
        let plain = dir.path().join("plain.pem");
        key.save_new(&plain, None).unwrap();
        assert_eq!(fs::metadata(&plain).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(StationKey::load(&plain, None).unwrap().kid(), key.kid());
        assert!(matches!(key.save_new(&plain, None), Err(KeyError::Store(DurableError::Exists { .. }))));

        let locked = dir.path().join("locked.pem");
        key.save_new(&locked, Some(&passphrase("correct horse"))).unwrap();
        assert!(fs::read_to_string(&locked).unwrap().starts_with(ENCRYPTED));
        assert_eq!(StationKey::load(&locked, Some(&passphrase("correct horse"))).unwrap().kid(), key.kid());
        assert!(matches!(StationKey::load(&locked, Some(&passphrase("wrong"))), Err(KeyError::WrongPassphrase { .. })));
        assert!(matches!(StationKey::load(&locked, None), Err(KeyError::PassphraseNeeded { .. })));
    }

    #[test]
    fn keys_that_others_can_reach_are_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        StationKey::generate().unwrap().save_new(&path, None).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = StationKey::load(&path, None).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn what_is_no_key_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            write_new(&path, bytes, 0o600).unwrap();
            StationKey::load(&path, None).unwrap_err()
        };
        assert!(matches!(at("empty", b""), KeyError::Malformed { .. }));
        assert!(matches!(at("binary", b"\xff\xfe\x00"), KeyError::Malformed { .. }));
        assert!(matches!(at("other", b"-----BEGIN PUBLIC KEY-----\n"), KeyError::Malformed { .. }));
        let cut = format!("{PLAIN}\nMC4CAQAwBQYDK2VwBCIE\n-----END PRIVATE KEY-----\n");
        assert!(matches!(at("cut", cut.as_bytes()), KeyError::Malformed { .. }));
        assert!(matches!(at("big", &vec![b'x'; 20_000]), KeyError::NotAFile { .. }));
        assert!(matches!(StationKey::load(dir.path(), None), Err(KeyError::NotAFile { .. })));
        assert!(matches!(StationKey::load(&dir.path().join("none"), None), Err(KeyError::Read { .. })));
    }

    /// RFC 8032 section 7.1, tests 1 and 2.
    #[test]
    fn signs_as_rfc_8032_says() {
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let key = StationKey::from_seed(&hex(seed).try_into().unwrap());
            assert_eq!(key.public().to_bytes().to_vec(), hex(public));
            assert_eq!(key.sign_bytes(&hex(message)).unwrap().to_vec(), hex(signature));
            assert!(key.public().verifies(&hex(message), &hex(signature).try_into().unwrap()));
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }
}

//! How a command finds a session and has it sign.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::geteuid;

use super::place::{self, KeyFile, Place};
use super::wire::{Answer, Ask, Holds, LONGEST_LINE};
use super::{SessionError, failed};
use crate::signed::{KeyError, KeyPlace, PublicKey, RemoteKey, StationKey, decode_base64url, encode_base64url};

/// So long a session may take to answer, in seconds.
const PATIENCE: i64 = 5;

/// A session that answered.
pub struct Session {
    line: Line,
    holds: Holds,
    public: PublicKey,
    socket: PathBuf,
}

struct Line(BufReader<UnixStream>);

/// The session that holds this key, of a file as the file is now. `None`: there is none.
pub fn session(key: &KeyPlace) -> Result<Option<Session>, SessionError> {
    let Ok(place) = Place::of(key) else { return Ok(None) };
    if !place::is_there()? {
        return Ok(None);
    }
    let file = KeyFile::of_key(&place.key)?;
    Ok(Session::at(&place.socket)?.filter(|session| session.holds.file == file))
}

/// Every session of this user, or why one is not to be used.
pub fn sessions() -> Result<Vec<Result<Session, SessionError>>, SessionError> {
    Ok(place::sockets()?.iter().filter_map(|socket| Session::at(socket).transpose()).collect())
}

impl Session {
    /// What it holds.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// The key, to sign events of a register with.
    pub fn into_key(self) -> StationKey {
        let place = format!("in the session of {}", self.holds.key);
        StationKey::elsewhere(Arc::new(HeldKey { line: Mutex::new(self.line), place }), self.public)
    }

    /// Has it wipe the key and end, and waits for that.
    pub fn end(mut self) -> Result<(), SessionError> {
        let silent = |why: String| SessionError::Silent {
            socket: self.socket.clone(),
            process: self.holds.process.try_into().unwrap_or(0),
            why,
        };
        match self.line.ask(&Ask::End) {
            Ok(Answer::Ends) => {}
            Ok(_) => return Err(silent("it was asked to end and spoke of something else".to_owned())),
            Err(e) => return Err(silent(e.to_string())),
        }
        let begun = Instant::now();
        while self.socket.exists() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(silent("it said that it ends and did not".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whoever listens there. `None`: nobody does.
    fn at(path: &Path) -> Result<Option<Session>, SessionError> {
        let stream = match open(path) {
            Ok(stream) => stream,
            Err(Errno::ENOENT | Errno::ECONNREFUSED) => return Ok(None),
            Err(e) => return Err(failed("connecting to", path)(e.into())),
        };
        let peer = getsockopt(&stream, sockopt::PeerCredentials).map_err(|e| failed("examining", path)(e.into()))?;
        if peer.uid() != geteuid().as_raw() {
            return Err(SessionError::Foreign { socket: path.to_owned(), user: peer.uid() });
        }
        let silent = |why: String| SessionError::Silent { socket: path.to_owned(), process: peer.pid(), why };
        let mut line = Line(BufReader::new(stream));
        let holds = match line.ask(&Ask::Who) {
            Ok(Answer::Holds(holds)) => holds,
            Ok(_) => return Err(silent("it was asked which key it holds and spoke of something else".to_owned())),
            // It ended just now.
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                return Ok(None);
            }
            Err(e) => return Err(silent(e.to_string())),
        };
        match PublicKey::from_x(&holds.x) {
            Ok(public) if public.kid() == holds.kid => {
                Ok(Some(Session { line, holds, public, socket: path.to_owned() }))
            }
            _ => Err(silent("it names no public key".to_owned())),
        }
    }
}

/// Connects, and never waits for longer than [`PATIENCE`] from then on.
fn open(path: &Path) -> Result<UnixStream, Errno> {
    let stream = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let patience = TimeVal::seconds(PATIENCE);
    setsockopt(&stream, sockopt::SendTimeout, &patience)?;
    setsockopt(&stream, sockopt::ReceiveTimeout, &patience)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(stream))
}

impl Line {
    fn ask(&mut self, ask: &Ask) -> io::Result<Answer> {
        let mut text = serde_json::to_vec(ask)?;
        text.push(b'\n');
        self.0.get_mut().write_all(&text).map_err(worded)?;
        let mut line = Vec::new();
        (&mut self.0).take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(worded)?;
        match line.last() {
            Some(b'\n') => Ok(serde_json::from_slice(&line)?),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) => Err(io::Error::other("its answer has no end")),
        }
    }
}

fn worded(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::other(format!("nothing came within {PATIENCE} seconds")),
        io::ErrorKind::BrokenPipe => io::ErrorKind::UnexpectedEof.into(),
        _ => error,
    }
}

struct HeldKey {
    line: Mutex<Line>,
    place: String,
}

impl RemoteKey for HeldKey {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let failed = |detail: String| KeyError::Elsewhere { place: self.place.clone(), detail };
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        match line.ask(&Ask::Sign(encode_base64url(message))) {
            Ok(Answer::Signature(text)) => {
                let bytes = decode_base64url(&text).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.ok_or_else(|| failed("what it gave is no signature".to_owned()))
            }
            Ok(Answer::Refused(why)) => Err(failed(why)),
            Ok(_) => Err(failed("it was asked to sign and spoke of something else".to_owned())),
            Err(e) => Err(failed(format!("the session ended or does not answer ({e}); give the command again"))),
        }
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

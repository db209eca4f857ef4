//! The process that holds the key.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{geteuid, setsid};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::place::{KeyFile, Place, make_folder};
use super::wire::{Answer, Ask, Holds, LONGEST_LINE};
use super::{SessionError, failed};
use crate::register::Event;
use crate::signed::{KeyPlace, Passphrase, StationKey, decode_base64url, encode_base64url};
use crate::sys::memory;
use crate::units::now;

/// So long a request that has begun may take to come, and an answer to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks whether it is over, or can no longer be reached.
const TICK: Duration = Duration::from_secs(5);
/// Conversations at a time.
const MOST: usize = 64;
/// An event may be dated so long before the session began, or after now: clocks are set.
const SLACK: TimeDelta = TimeDelta::minutes(5);

/// What every conversation shares.
struct Held {
    key: Mutex<Option<StationKey>>,
    holds: Holds,
    begun: Duration,
    lasts: Duration,
    signed: AtomicU64,
    talking: AtomicUsize,
    ended: Notify,
}

/// Makes a process of its own of this one, into which nobody looks: no core dump, no tracing by other processes
/// of the user, no terminal. To be called before it learns any secret.
pub fn shut_off() -> Result<(), SessionError> {
    let failed = |doing| move |e: Errno| failed(doing, "/proc/self")(e.into());
    nix::sys::prctl::set_dumpable(false).map_err(failed("shutting off the memory of"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("forbidding core dumps of"))?;
    let _ = setsid(); // it leads a session of its own already where this fails
    umask(Mode::from_bits_truncate(0o077));
    std::env::set_current_dir("/").map_err(super::failed("leaving", "/")) // holds no medium in use
}

/// Unlocks the key and signs events with it until `lasts` is over, somebody ends it, or its socket is gone.
/// `ready` is called once, as soon as it listens.
pub fn hold(
    key: &KeyPlace,
    passphrase: Passphrase,
    lasts: Duration,
    ready: impl FnOnce(&Holds),
) -> Result<(), SessionError> {
    make_folder()?;
    let place = Place::of(key).map_err(failed("finding", key.to_string()))?;
    let _lock = only_one(&place)?;
    let file = KeyFile::of_key(&place.key)?;
    let key = match &place.key {
        KeyPlace::File(path) => StationKey::load(path, Some(&passphrase))?,
        KeyPlace::Token(uri) => StationKey::on_token(uri, &passphrase)?,
    };
    // Wiped: a token keeps who is logged in, and a key in memory needs it no more.
    drop(passphrase);
    memory::lock(key.memory()).map_err(SessionError::Memory)?;
    let since = now();
    let holds = Holds {
        kid: key.kid().to_owned(),
        x: key.public().x(),
        key: place.key.to_string(),
        file,
        since,
        until: since + lasts,
        process: std::process::id(),
        signed: 0,
    };
    let held = Arc::new(Held {
        key: Mutex::new(Some(key)),
        holds,
        begun: since_boot().map_err(|e| failed("asking the clock for", &place.socket)(e.into()))?,
        lasts,
        signed: AtomicU64::new(0),
        talking: AtomicUsize::new(0),
        ended: Notify::new(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed("starting the tasks at", &place.socket))?;
    let result = runtime.block_on(listen(&place, &held, ready));
    // The key is wiped with its last owner, and there is no other.
    drop(held.key.lock().unwrap_or_else(PoisonError::into_inner).take());
    result
}

/// The lock of the place; an error where another process holds it.
fn only_one(place: &Place) -> Result<Flock<File>, SessionError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&place.lock);
    let file = opened.map_err(failed("opening", &place.lock))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| match e {
        Errno::EWOULDBLOCK => SessionError::Open { key: place.key.clone() },
        e => failed("locking", &place.lock)(e.into()),
    })
}

async fn listen(place: &Place, held: &Arc<Held>, ready: impl FnOnce(&Holds)) -> Result<(), SessionError> {
    let failed = |doing| failed(doing, &place.socket);
    // Whoever left it is dead: the lock is ours.
    match fs::remove_file(&place.socket) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("removing")(e)),
        _ => {}
    }
    let listener = UnixListener::bind(&place.socket).map_err(failed("listening at"))?;
    fs::set_permissions(&place.socket, Permissions::from_mode(0o600)).map_err(failed("setting the permissions of"))?;
    let mine = KeyFile::of(&place.socket).map_err(failed("examining"))?;
    let mut signals = Vec::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        signals.push(signal(kind).map_err(failed("waiting for signals at"))?);
    }
    let [term, int, hup] = &mut signals[..] else { return Ok(()) };
    ready(&held.holds);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(stream, held),
                Err(_) => sleep(Duration::from_millis(100)).await, // no descriptors left: some come free
            },
            () = sleep(held.left().min(TICK)) => {
                if held.left().is_zero() || KeyFile::of(&place.socket).ok().as_ref() != Some(&mine) {
                    break;
                }
            }
            () = held.ended.notified() => break,
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => break,
        }
    }
    if KeyFile::of(&place.socket).ok().as_ref() == Some(&mine) {
        let _ = fs::remove_file(&place.socket); // one that stays is taken for what it is: nobody listens
    }
    Ok(())
}

/// Talks with a process of the same user; all others are turned away.
fn admit(stream: UnixStream, held: &Arc<Held>) {
    let own = stream.peer_cred().is_ok_and(|peer| peer.uid() == geteuid().as_raw());
    if !own || held.talking.load(Ordering::Relaxed) >= MOST {
        return;
    }
    held.talking.fetch_add(1, Ordering::Relaxed);
    let held = Arc::clone(held);
    tokio::spawn(async move {
        converse(stream, &held).await;
        held.talking.fetch_sub(1, Ordering::Relaxed);
    });
}

async fn converse(stream: UnixStream, held: &Held) {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    // A command may be silent for as long as it works.
    while reader.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(LONGEST_LINE);
        let whole = timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await;
        let good = matches!(whole, Ok(Ok(_))) && line.last() == Some(&b'\n');
        let ask = if good { serde_json::from_slice(&line).ok() } else { None };
        let answer = match &ask {
            Some(ask) => held.answer(ask),
            None => Answer::Refused("that is no request of this program".to_owned()),
        };
        let Ok(mut text) = serde_json::to_vec(&answer) else { return };
        text.push(b'\n');
        let sent = timeout(PATIENCE, write.write_all(&text)).await;
        if matches!(answer, Answer::Ends) {
            held.ended.notify_one();
        }
        if ask.is_none() || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

impl Held {
    fn answer(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::End => Answer::Ends,
            _ if self.left().is_zero() => {
                self.ended.notify_one();
                Answer::Refused(format!("the session ended at {}", crate::signed::format_time(self.holds.until)))
            }
            Ask::Who => Answer::Holds(Holds { signed: self.signed.load(Ordering::Relaxed), ..self.holds.clone() }),
            Ask::Sign(message) => match self.sign(message, now()) {
                Ok(signature) => Answer::Signature(encode_base64url(&signature)),
                Err(why) => Answer::Refused(format!("refused by the session: {why}")),
            },
        }
    }

    /// Signs an event of a register, dated within the session, and nothing else.
    fn sign(&self, message: &str, now: DateTime<Utc>) -> Result<[u8; 64], String> {
        let message = decode_base64url(message).map_err(|e| e.to_string())?;
        let event = Event::to_be_signed(&message, &self.holds.kid)?;
        if event.at < self.holds.since - SLACK || event.at > now + SLACK {
            return Err(format!("it is dated {}, outside of the session", crate::signed::format_time(event.at)));
        }
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = key.as_ref().ok_or("the key is wiped")?.sign_bytes(&message).map_err(|e| e.to_string())?;
        self.signed.fetch_add(1, Ordering::Relaxed);
        Ok(signature)
    }

    /// How long it lasts still. Sleep of the machine counts; setting the clock changes nothing.
    fn left(&self) -> Duration {
        since_boot().map_or(Duration::ZERO, |now| self.lasts.saturating_sub(now.saturating_sub(self.begun)))
    }
}

fn since_boot() -> Result<Duration, Errno> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from)
}

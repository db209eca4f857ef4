//! A TPer (TCG Storage core 2.01, Opal SSC 2.01, PSID feature set 1.00), as far as a revert by PSID goes: level 0
//! discovery, and a session of the Admin SP. What it is sent must be right to the byte.

use std::time::{Duration, Instant};

/// ComID of level 0 discovery, and the one to talk to this TPer.
const DISCOVERY: u16 = 0x0001;
pub const COM_ID: u16 = 0x07FE;
/// Security protocols: what there is, and TCG.
const PROTOCOL_LIST: u8 = 0;
const TCG: u8 = 1;

const COM_PACKET: usize = 20;
const PACKET: usize = 24;
const SUBPACKET: usize = 12;
const HEADERS: usize = COM_PACKET + PACKET + SUBPACKET;

const SESSION_MANAGER: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 0xFF];
const START_SESSION: [u8; 8] = [0, 0, 0, 0, 0, 0, 0xFF, 0x02];
const SYNC_SESSION: [u8; 8] = [0, 0, 0, 0, 0, 0, 0xFF, 0x03];
const ADMIN_SP: [u8; 8] = [0, 0, 0x02, 0x05, 0, 0, 0, 0x01];
const PSID_AUTHORITY: [u8; 8] = [0, 0, 0, 0x09, 0, 0x01, 0xFF, 0x01];
const REVERT: [u8; 8] = [0, 0, 0, 0x06, 0, 0, 0x02, 0x02];

const START_LIST: u8 = 0xF0;
const END_LIST: u8 = 0xF1;
const START_NAME: u8 = 0xF2;
const END_NAME: u8 = 0xF3;
const CALL: u8 = 0xF8;
const END_OF_DATA: u8 = 0xF9;
const END_OF_SESSION: u8 = 0xFA;

const SUCCESS: u8 = 0x00;
const NOT_AUTHORIZED: u8 = 0x01;
const NO_SESSIONS_AVAILABLE: u8 = 0x07;
const INVALID_PARAMETER: u8 = 0x0C;
const AUTHORITY_LOCKED_OUT: u8 = 0x12;
const FAIL: u8 = 0x3F;

/// TryLimit of the PSID.
pub const TRIES: u32 = 5;

/// What comes back of a revert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its method status.
    Given,
    /// The command that asks for it is aborted.
    Aborted,
    /// Nothing.
    Never,
}

/// What a TPer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// StartSession of the Admin SP as PSID, and the method status that it gave.
    StartSession(u8),
    Revert,
    EndOfSession,
    /// Something else, or with a wrong byte somewhere.
    Wrong(&'static str),
}

/// What it has for a host that asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Data(Vec<u8>),
    Aborted,
    Never,
    /// There is no such protocol or ComID.
    Invalid,
}

pub struct Tper {
    pub psid: [u8; 32],
    /// Feature code of its security subsystem class.
    pub ssc: u16,
    pub locking_enabled: bool,
    pub locked: bool,
    /// Wrong PSIDs so far.
    pub tries: u32,
    pub answer: Answer,
    /// SUCCESS, and locking stays as it was.
    pub keeps_locking: bool,
    pub told: Vec<Told>,
    /// Host and TPer session number.
    session: Option<(u32, u32)>,
    sessions: u32,
    reverting: Option<Instant>,
    response: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Uint(u64),
    Bytes(Vec<u8>),
    Control(u8),
}

impl Tper {
    /// Somebody took ownership; its ranges are not locked.
    pub fn new(psid: &str) -> Tper {
        Tper {
            psid: psid.as_bytes().try_into().unwrap(),
            ssc: 0x0203,
            locking_enabled: true,
            locked: false,
            tries: 0,
            answer: Answer::Given,
            keeps_locking: false,
            told: Vec::new(),
            session: None,
            sessions: 0,
            reverting: None,
            response: None,
        }
    }

    pub fn reverting(&self) -> bool {
        self.reverting.is_some()
    }

    /// A revert goes on, which takes so long, and it has come to its end.
    pub fn is_due(&self, after: Duration) -> bool {
        self.reverting.is_some_and(|since| since.elapsed() >= after)
    }

    /// The revert has come to its end. A session does not outlive it.
    pub fn reverted(&mut self, success: bool) {
        self.reverting = None;
        if success && !self.keeps_locking {
            (self.locking_enabled, self.locked) = (false, false);
        }
        let Some(session) = self.session else { return };
        if success {
            self.session = None;
        }
        self.response = Some(packet(session, &results(if success { SUCCESS } else { FAIL })));
    }

    /// Sessions, answers and wrong tries are forgotten; a revert is left where it was.
    pub fn power_off(&mut self) {
        (self.session, self.reverting, self.response, self.tries) = (None, None, None, 0);
    }

    /// Security Receive, IF-RECV.
    pub fn receive(&mut self, protocol: u8, com_id: u16, length: usize) -> Reply {
        let mut data = match (protocol, com_id) {
            (PROTOCOL_LIST, 0) => vec![0, 0, 0, 0, 0, 0, 0, 2, PROTOCOL_LIST, TCG],
            (TCG, DISCOVERY) => self.discovery(),
            // Outstanding data 1, minimum transfer 0: there will be an answer, and not yet.
            (TCG, COM_ID) if self.reverting() => com_packet(&[], 1),
            (TCG, COM_ID) => match (self.answer, self.response.take()) {
                (_, None) => com_packet(&[], 0),
                (Answer::Aborted, Some(_)) if self.told.last() == Some(&Told::Revert) => return Reply::Aborted,
                (Answer::Never, Some(_)) if self.told.last() == Some(&Told::Revert) => return Reply::Never,
                (_, Some(response)) => response,
            },
            _ => return Reply::Invalid,
        };
        data.resize(length, 0);
        Reply::Data(data)
    }

    /// Security Send, IF-SEND. False: there is no such protocol or ComID, or what was sent is wrong.
    pub fn send(&mut self, protocol: u8, com_id: u16, data: &[u8]) -> bool {
        if (protocol, com_id) != (TCG, COM_ID) || self.reverting() || self.response.is_some() {
            self.told.push(Told::Wrong("not now, or not here"));
            return false;
        }
        let told = match unpacked(data) {
            Ok((session, tokens)) => self.carry_out(session, &tokens),
            Err(why) => Told::Wrong(why),
        };
        self.told.push(told);
        !matches!(self.told.last(), Some(Told::Wrong(_)))
    }

    fn carry_out(&mut self, session: (u32, u32), tokens: &[Token]) -> Told {
        use Token::{Bytes, Control, Uint};
        // The kernel ends a session with what it puts after every method, too.
        if let [Control(END_OF_SESSION), rest @ ..] = tokens
            && (rest.is_empty() || is_end_of_method(rest))
        {
            if self.session.take() != Some(session) {
                return Told::Wrong("the end of no session");
            }
            self.response = Some(packet(session, &[END_OF_SESSION]));
            return Told::EndOfSession;
        }
        let [Control(CALL), Bytes(object), Bytes(method), Control(START_LIST), rest @ ..] = tokens else {
            return Told::Wrong("no method call");
        };
        let Some(at) = rest.len().checked_sub(END_OF_METHOD) else { return Told::Wrong("no end") };
        let (arguments, end) = rest.split_at(at);
        if !is_end_of_method(end) {
            return Told::Wrong("another end of a method");
        }
        if object[..] == SESSION_MANAGER && method[..] == START_SESSION && session == (0, 0) {
            let [
                Uint(host),
                Bytes(sp),
                Uint(1), // Write
                Control(START_NAME),
                Uint(0), // HostChallenge
                Bytes(challenge),
                Control(END_NAME),
                Control(START_NAME),
                Uint(3), // HostSigningAuthority
                Bytes(authority),
                Control(END_NAME),
            ] = arguments
            else {
                return Told::Wrong("arguments of StartSession");
            };
            let Ok(host @ 1..) = u32::try_from(*host) else { return Told::Wrong("host session number") };
            return self.start_session(host, sp, challenge, authority);
        }
        if self.session == Some(session) && object[..] == ADMIN_SP && method[..] == REVERT && arguments.is_empty() {
            self.reverting = Some(Instant::now());
            return Told::Revert;
        }
        Told::Wrong("another method, object or session")
    }

    fn start_session(&mut self, host: u32, sp: &[u8], challenge: &[u8], authority: &[u8]) -> Told {
        let status = if self.session.is_some() {
            NO_SESSIONS_AVAILABLE
        } else if sp != ADMIN_SP || authority != PSID_AUTHORITY {
            INVALID_PARAMETER
        } else if self.tries >= TRIES {
            AUTHORITY_LOCKED_OUT
        } else if challenge != self.psid {
            self.tries += 1;
            NOT_AUTHORIZED
        } else {
            SUCCESS
        };
        let mut sync = vec![CALL];
        sync.extend(short(&SESSION_MANAGER));
        sync.extend(short(&SYNC_SESSION));
        sync.push(START_LIST);
        if status == SUCCESS {
            self.tries = 0;
            self.sessions += 1;
            let tper = 0x1000 + self.sessions;
            self.session = Some((host, tper));
            for number in [host, tper] {
                sync.push(0x84);
                sync.extend(number.to_be_bytes());
            }
        }
        sync.extend([END_LIST, END_OF_DATA, START_LIST, status, 0, 0, END_LIST]);
        self.response = Some(packet((0, 0), &sync));
        Told::StartSession(status)
    }

    /// The header's length does not count itself.
    fn discovery(&self) -> Vec<u8> {
        let flags =
            1 | u8::from(self.locking_enabled) << 1 | u8::from(self.locked) << 2 | u8::from(self.encrypts()) << 3;
        let mut page = vec![0; 48];
        page[7] = 1;
        let mut feature = |code: u16, body: &[u8]| {
            page.extend(code.to_be_bytes());
            page.extend([0x10, body.len() as u8]);
            page.extend(body);
        };
        let flagged = |flags: u8| {
            let mut body = [0; 12];
            body[0] = flags;
            body
        };
        feature(0x0001, &flagged(0x11)); // synchronous, streaming
        feature(0x0002, &flagged(flags));
        // ComIDs from this one on, how many; no range crossing; 4 admins, 8 users; PINs as they were printed.
        let mut body = [0; 16];
        body[..2].copy_from_slice(&COM_ID.to_be_bytes());
        (body[3], body[6], body[8]) = (1, 4, 8);
        feature(self.ssc, &body);
        let length = page.len() as u32 - 4;
        page[..4].copy_from_slice(&length.to_be_bytes());
        page
    }

    /// Pyrite does not.
    fn encrypts(&self) -> bool {
        !matches!(self.ssc, 0x0302 | 0x0303)
    }
}

const END_OF_METHOD: usize = 7;

fn is_end_of_method(tokens: &[Token]) -> bool {
    use Token::{Control, Uint};
    *tokens
        == [Control(END_LIST), Control(END_OF_DATA), Control(START_LIST), Uint(0), Uint(0), Uint(0), Control(END_LIST)]
}

/// Session numbers (host, TPer) and tokens of a ComPacket with one packet with one data subpacket.
fn unpacked(data: &[u8]) -> Result<((u32, u32), Vec<Token>), &'static str> {
    let word = |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().unwrap());
    if data.len() < HEADERS {
        return Err("shorter than its headers");
    }
    let length = word(52) as usize;
    let padded = length.next_multiple_of(4);
    let expected = [
        (0, 0),
        (4, usize::from(COM_ID) << 16),
        (8, 0),
        (12, 0),
        (16, PACKET + SUBPACKET + padded),
        (28, 0),
        (32, 0),
        (36, 0),
        (40, SUBPACKET + padded),
        (44, 0),
        (48, 0),
    ];
    for (at, value) in expected.map(|(at, value)| (at, value as u32)) {
        if word(at) != value {
            return Err("a header");
        }
    }
    let Some((stream, rest)) = data[HEADERS..].split_at_checked(length) else { return Err("longer than its data") };
    if rest.iter().any(|byte| *byte != 0) {
        return Err("something after its end");
    }
    Ok(((word(24), word(20)), tokens(stream)?))
}

fn tokens(mut stream: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    while let [first, rest @ ..] = stream {
        let first = *first;
        let (header, length) = match first {
            0x80..=0xBF => (1, usize::from(first & 0x0F)),
            0xC0..=0xDF => (2, usize::from(first & 7) << 8 | usize::from(*rest.first().ok_or("cut short")?)),
            _ => (1, 0),
        };
        let body = stream.get(header..header + length).ok_or("cut short")?;
        tokens.push(match first {
            0x00..=0x3F => Token::Uint(first.into()),
            0x81..=0x88 => Token::Uint(body.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
            0xA0..=0xAF | 0xD0..=0xD7 => Token::Bytes(body.to_vec()),
            START_LIST..=END_NAME | CALL..=END_OF_SESSION => Token::Control(first),
            _ => return Err("a token that is none of these"),
        });
        stream = &stream[header + length..];
    }
    Ok(tokens)
}

fn short(bytes: &[u8; 8]) -> Vec<u8> {
    [&[0xA8], &bytes[..]].concat()
}

/// No results, and this status.
fn results(status: u8) -> [u8; 8] {
    [START_LIST, END_LIST, END_OF_DATA, START_LIST, status, 0, 0, END_LIST]
}

fn packet((host, tper): (u32, u32), stream: &[u8]) -> Vec<u8> {
    let padded = stream.len().next_multiple_of(4);
    let mut packet = Vec::new();
    for word in [tper, host, 0, 0, 0, (SUBPACKET + padded) as u32, 0, 0, stream.len() as u32] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(stream);
    packet.resize(PACKET + SUBPACKET + padded, 0);
    com_packet(&packet, 0)
}

fn com_packet(packet: &[u8], outstanding: u32) -> Vec<u8> {
    let mut data = Vec::new();
    for word in [0, u32::from(COM_ID) << 16, outstanding, 0, packet.len() as u32] {
        data.extend(word.to_be_bytes());
    }
    data.extend(packet);
    data
}

//! The far side of a redirected USB port (usb-redir protocol 0.7): one mass-storage device that speaks
//! bulk-only transport.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::memory::{u16_at, u32_at, u64_at};

/// What the device descriptor says.
#[derive(Clone, Debug)]
pub struct Identity {
    pub vendor: u16,
    pub product: u16,
    pub serial: String,
}

/// What stands behind the bulk pipes.
pub trait Storage: Send {
    /// A command block and what was sent with it. True: it passed. `None`: never answered.
    fn command(&self, cdb: &[u8], sent: &[u8]) -> Option<(bool, Vec<u8>)>;
    /// It was pulled.
    fn is_gone(&self) -> bool;
}

/// Serves one guest in a thread; ends when the guest goes.
pub fn serve(path: &Path, identity: Identity, storage: impl Storage + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut port = Port { stream, identity, storage, long_ids: false, attached: false, stage: Stage::Command };
        let _ = port.run();
    });
}

/// A controller and a redirected port for qemu, with a name nothing else has.
pub fn arguments(path: &Path, id: &str) -> Vec<String> {
    let chardev = format!("socket,id={id},path={}", path.display());
    let controller = format!("qemu-xhci,id={id}x");
    let device = format!("usb-redir,chardev={id},bus={id}x.0");
    ["-device", &controller, "-chardev", &chardev, "-device", &device].map(str::to_owned).into()
}

enum Stage {
    Command,
    /// Data are on their way to the device: command block, how many, so far.
    Out {
        tag: u32,
        cdb: Vec<u8>,
        length: usize,
        have: Vec<u8>,
    },
    /// Data wait for the host, then the status.
    In {
        data: Vec<u8>,
        status: Vec<u8>,
    },
    Status(Vec<u8>),
    /// Never answers again.
    Dead,
}

struct Port<S> {
    stream: UnixStream,
    identity: Identity,
    storage: S,
    long_ids: bool,
    attached: bool,
    stage: Stage,
}

// Packet types.
const HELLO: u32 = 0;
const CONNECT: u32 = 1;
const DISCONNECT: u32 = 2;
const RESET: u32 = 3;
const INTERFACES: u32 = 4;
const ENDPOINTS: u32 = 5;
const SET_CONFIGURATION: u32 = 6;
const GET_CONFIGURATION: u32 = 7;
const CONFIGURATION: u32 = 8;
const SET_ALTERNATE: u32 = 9;
const GET_ALTERNATE: u32 = 10;
const ALTERNATE: u32 = 11;
const CONTROL: u32 = 100;
const BULK: u32 = 101;

const STALL: u8 = 4;

impl<S: Storage> Port<S> {
    fn run(&mut self) -> Option<()> {
        let mut hello = b"lastwrite rig".to_vec();
        hello.resize(64, 0);
        // Capabilities: device version in connect, packet sizes, 64-bit ids, 32-bit bulk lengths.
        hello.extend((1u32 << 1 | 1 << 4 | 1 << 5 | 1 << 6).to_le_bytes());
        self.send(HELLO, 0, &hello)?;
        loop {
            let header = self.receive(if self.long_ids { 16 } else { 12 })?;
            let (kind, length) = (u32_at(&header, 0), u32_at(&header, 4) as usize);
            let id = if self.long_ids { u64_at(&header, 8) } else { u32_at(&header, 8).into() };
            let body = self.receive(length)?;
            self.packet(kind, id, &body)?;
        }
    }

    fn packet(&mut self, kind: u32, id: u64, body: &[u8]) -> Option<()> {
        match kind {
            HELLO => {
                self.long_ids = true;
                self.attach()
            }
            SET_CONFIGURATION => {
                self.send(ENDPOINTS, 0, &endpoints())?;
                self.send(INTERFACES, 0, &interfaces())?;
                self.send(CONFIGURATION, id, &[0, body[0]])
            }
            GET_CONFIGURATION => self.send(CONFIGURATION, id, &[0, 1]),
            SET_ALTERNATE => self.send(ALTERNATE, id, &[0, body[0], body[1]]),
            GET_ALTERNATE => self.send(ALTERNATE, id, &[0, body[0], 0]),
            RESET => {
                self.stage = Stage::Command;
                Some(())
            }
            CONTROL => self.control(id, body),
            BULK => self.bulk(id, body),
            _ => Some(()),
        }
    }

    fn attach(&mut self) -> Option<()> {
        self.attached = true;
        self.send(ENDPOINTS, 0, &endpoints())?;
        self.send(INTERFACES, 0, &interfaces())?;
        let mut connect = vec![2, 0, 0, 0];
        for word in [self.identity.vendor, self.identity.product, 0x100] {
            connect.extend(word.to_le_bytes());
        }
        self.send(CONNECT, 0, &connect)
    }

    fn control(&mut self, id: u64, body: &[u8]) -> Option<()> {
        let (endpoint, request, kind) = (body[0], body[1], body[2]);
        let (value, index, length) = (u16_at(body, 4), u16_at(body, 6), u16_at(body, 8));
        let mut status = 0;
        let mut data = match (request, kind) {
            (6, 0x80) => match self.descriptor(value) {
                Some(descriptor) => descriptor,
                None => {
                    status = STALL;
                    Vec::new()
                }
            },
            (0xfe, _) => vec![0], // one logical unit
            (0xff, 0x21) => {
                self.stage = Stage::Command;
                Vec::new()
            }
            (0, kind) if kind & 0x80 != 0 => vec![0, 0],
            _ => Vec::new(),
        };
        data.truncate(length.into());
        let mut reply = vec![endpoint, request, kind, status];
        for word in [value, index, data.len() as u16] {
            reply.extend(word.to_le_bytes());
        }
        reply.extend(data);
        self.send(CONTROL, id, &reply)
    }

    fn descriptor(&self, value: u16) -> Option<Vec<u8>> {
        match value >> 8 {
            1 => {
                let mut d = vec![18, 1, 0, 2, 0, 0, 0, 64];
                d.extend(self.identity.vendor.to_le_bytes());
                d.extend(self.identity.product.to_le_bytes());
                d.extend([0, 1, 1, 2, 3, 1]);
                Some(d)
            }
            2 => Some(vec![
                9, 2, 32, 0, 1, 1, 0, 0xc0, 50, // configuration
                9, 4, 0, 0, 2, 8, 6, 0x50, 0, // mass storage, SCSI, bulk-only
                7, 5, 0x81, 2, 0, 2, 0, // bulk in
                7, 5, 0x02, 2, 0, 2, 0, // bulk out
            ]),
            3 => {
                let text = match value & 0xff {
                    0 => return Some(vec![4, 3, 9, 4]),
                    1 => "RIG",
                    2 => "SAT Bridge",
                    3 => &self.identity.serial,
                    _ => return None,
                };
                let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let mut d = vec![2 + units.len() as u8, 3];
                d.extend(units);
                Some(d)
            }
            _ => None,
        }
    }

    fn bulk(&mut self, id: u64, body: &[u8]) -> Option<()> {
        let endpoint = body[0];
        let length = usize::from(u16_at(body, 2)) | usize::from(u16_at(body, 8)) << 16;
        let stream = u32_at(body, 4);
        let mut reply = vec![endpoint, 0];
        let mut data = Vec::new();
        if endpoint & 0x80 == 0 {
            self.out(&body[10..]);
            reply.extend(&body[2..4]);
        } else {
            data = self.fetch(length);
            reply.extend((data.len() as u16).to_le_bytes());
        }
        if matches!(self.stage, Stage::Dead) {
            return Some(());
        }
        reply.extend(stream.to_le_bytes());
        let high = if endpoint & 0x80 == 0 { (length >> 16) as u16 } else { (data.len() >> 16) as u16 };
        reply.extend(high.to_le_bytes());
        reply.extend(data);
        self.send(BULK, id, &reply)
    }

    /// Bytes for the device: a command block wrapper, or its data.
    fn out(&mut self, bytes: &[u8]) {
        match std::mem::replace(&mut self.stage, Stage::Command) {
            Stage::Out { tag, cdb, length, mut have } => {
                have.extend_from_slice(bytes);
                if have.len() >= length {
                    self.carry_out(tag, &cdb, length, false, &have);
                } else {
                    self.stage = Stage::Out { tag, cdb, length, have };
                }
            }
            Stage::Dead => self.stage = Stage::Dead,
            _ if bytes.len() >= 31 && bytes.starts_with(b"USBC") => {
                let (tag, length) = (u32_at(bytes, 4), u32_at(bytes, 8) as usize);
                let (to_host, cdb) = (bytes[12] & 0x80 != 0, bytes[15..31].to_vec());
                if length > 0 && !to_host {
                    self.stage = Stage::Out { tag, cdb, length, have: Vec::new() };
                } else {
                    self.carry_out(tag, &cdb, length, to_host, &[]);
                }
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, tag: u32, cdb: &[u8], length: usize, to_host: bool, sent: &[u8]) {
        let Some((passed, mut data)) = self.storage.command(cdb, sent) else {
            self.stage = Stage::Dead;
            return;
        };
        data.truncate(if to_host { length } else { 0 });
        let used = if to_host { data.len() } else { sent.len() };
        let mut status = b"USBS".to_vec();
        status.extend(tag.to_le_bytes());
        status.extend((length.saturating_sub(used) as u32).to_le_bytes());
        status.push(u8::from(!passed));
        self.stage = if to_host && length > 0 { Stage::In { data, status } } else { Stage::Status(status) };
    }

    /// Bytes for the host: data first, then the status wrapper.
    fn fetch(&mut self, length: usize) -> Vec<u8> {
        match std::mem::replace(&mut self.stage, Stage::Command) {
            Stage::In { mut data, status } => {
                let rest = data.split_off(length.min(data.len()));
                self.stage = if rest.is_empty() { Stage::Status(status) } else { Stage::In { data: rest, status } };
                data
            }
            Stage::Status(status) => status,
            other => {
                self.stage = other;
                Vec::new()
            }
        }
    }

    fn send(&mut self, kind: u32, id: u64, body: &[u8]) -> Option<()> {
        let mut packet = Vec::new();
        packet.extend(kind.to_le_bytes());
        packet.extend((body.len() as u32).to_le_bytes());
        if self.long_ids {
            packet.extend(id.to_le_bytes())
        } else {
            packet.extend((id as u32).to_le_bytes())
        }
        packet.extend(body);
        self.stream.write_all(&packet).ok()
    }

    /// `None`: the guest is gone. While nothing comes, sees whether the device was pulled or came back.
    fn receive(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        let mut have = 0;
        while have < n {
            match self.stream.read(&mut bytes[have..]) {
                Ok(0) => return None,
                Ok(got) => have += got,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let gone = self.storage.is_gone();
                    if gone && self.attached {
                        self.attached = false;
                        self.send(DISCONNECT, 0, &[])?;
                    } else if !gone && !self.attached && self.long_ids {
                        self.stage = Stage::Command;
                        self.attach()?;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(bytes)
    }
}

/// Types, intervals and interfaces of 32 endpoints, then their packet sizes.
fn endpoints() -> Vec<u8> {
    let mut kinds = [255u8; 32];
    (kinds[0], kinds[16], kinds[2], kinds[17]) = (0, 0, 2, 2);
    let mut sizes = [0u16; 32];
    (sizes[0], sizes[16], sizes[2], sizes[17]) = (64, 64, 512, 512);
    let mut packet = kinds.to_vec();
    packet.resize(96, 0);
    packet.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
    packet
}

fn interfaces() -> Vec<u8> {
    let mut packet = 1u32.to_le_bytes().to_vec();
    for value in [0u8, 8, 6, 0x50] {
        packet.push(value);
        packet.resize(packet.len() + 31, 0);
    }
    packet
}

//! The server's side of vfio-user (qemu's docs/interop/vfio-user): a PCI device in a thread of the test.

use std::fs::File;
use std::io::{IoSliceMut, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::memory::{Memory, put, u16_at, u32_at, u64_at};

/// What a device can do to the guest.
#[derive(Default)]
pub struct Host {
    pub memory: Memory,
    vectors: Vec<Option<File>>,
}

impl Host {
    pub fn interrupt(&self, vector: usize) {
        if let Some(Some(event)) = self.vectors.get(vector) {
            let mut event: &File = event;
            let _ = event.write(&1u64.to_ne_bytes());
        }
    }
}

/// A device with one memory BAR of 16 KiB: registers, then the MSI-X table at 2000h and 3000h.
pub trait Device: Send {
    const BAR: u32;
    const VECTORS: u32;
    /// Vendor, device and class code.
    const IDS: (u16, u16, u32);
    /// Interrupts by the pin and not by MSI-X, for drivers that ask for nothing else.
    const BY_PIN: bool = false;

    /// The same of this very one.
    fn ids(&self) -> (u16, u16, u32) {
        Self::IDS
    }

    fn read(&mut self, at: u64, length: usize) -> Vec<u8>;
    fn write(&mut self, at: u64, bytes: &[u8], host: &Host);
    /// Called every few milliseconds, for what takes time.
    fn tick(&mut self, host: &Host);
    /// The pin may be pulled again.
    fn unmask(&mut self, _: &Host) {}
    /// The function is reset (also when a guest starts or wakes).
    fn reset(&mut self);
}

const BAR_SIZE: u64 = 0x4000;
const TICK: Duration = Duration::from_millis(5);

/// Serves one guest in a thread; ends when the guest goes.
pub fn serve<D: Device + 'static>(path: &Path, device: Arc<Mutex<D>>) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        stream.set_read_timeout(Some(TICK)).unwrap();
        let config = config_space::<D>(device.lock().unwrap().ids());
        let server = Server { stream, device, host: Host::default(), config, fds: Vec::new() };
        server.run();
    });
}

fn config_space<D: Device>((vendor, device, class): (u16, u16, u32)) -> Vec<u8> {
    let mut c = vec![0; 4096];
    put(&mut c, 0, &vendor.to_le_bytes());
    put(&mut c, 2, &device.to_le_bytes());
    put(&mut c, 6, &[0x10]); // capabilities list
    put(&mut c, 8, &[1]);
    put(&mut c, 9, &class.to_le_bytes()[..3]);
    put(&mut c, 0x2c, &[0xf4, 0x1a, 0x00, 0x11]);
    if D::BY_PIN {
        put(&mut c, 6, &[0]);
        put(&mut c, 0x3d, &[1]);
    } else {
        put(&mut c, 0x34, &[0x40]);
    }
    if D::BAR == 0 {
        put(&mut c, 0x10, &[4]); // 64 bits wide
    }
    if !D::BY_PIN {
        put(&mut c, 0x40, &[0x11, 0]); // MSI-X
        put(&mut c, 0x42, &(D::VECTORS as u16 - 1).to_le_bytes());
        put(&mut c, 0x44, &(0x2000 | D::BAR).to_le_bytes());
        put(&mut c, 0x48, &(0x3000 | D::BAR).to_le_bytes());
    }
    c
}

struct Server<D: Device> {
    stream: UnixStream,
    device: Arc<Mutex<D>>,
    host: Host,
    config: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl<D: Device> Server<D> {
    fn run(mut self) {
        while let Some(header) = self.receive(16) {
            let (id, command) = (u16_at(&header, 0), u16_at(&header, 2));
            let (size, flags) = (u32_at(&header, 4) as usize, u32_at(&header, 8));
            let body = if size > 16 { self.receive(size - 16) } else { Some(Vec::new()) };
            let Some(body) = body else { return };
            let answer = self.command(command, &body);
            if flags & 0x10 != 0 {
                continue; // no reply wanted
            }
            let (error, payload) = match answer {
                Some(payload) => (0u32, payload),
                None => (38, Vec::new()),
            };
            let mut reply = Vec::new();
            reply.extend(id.to_le_bytes());
            reply.extend(command.to_le_bytes());
            reply.extend((16 + payload.len() as u32).to_le_bytes());
            reply.extend((1u32 | if error > 0 { 0x20 } else { 0 }).to_le_bytes());
            reply.extend(error.to_le_bytes());
            reply.extend(payload);
            if self.stream.write_all(&reply).is_err() {
                return;
            }
        }
    }

    /// `n` bytes, and the descriptors beside them; `None` when the guest is gone.
    fn receive(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        let mut have = 0;
        while have < n {
            let mut room = nix::cmsg_space!([std::os::fd::RawFd; 16]);
            let mut parts = [IoSliceMut::new(&mut bytes[have..])];
            let got = recvmsg::<()>(self.stream.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC);
            match got {
                Ok(message) => {
                    for part in message.cmsgs().into_iter().flatten() {
                        if let ControlMessageOwned::ScmRights(fds) = part {
                            // SAFETY: the kernel just made these descriptors for us; nobody else owns them.
                            self.fds.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                        }
                    }
                    if message.bytes == 0 {
                        return None;
                    }
                    have += message.bytes;
                }
                Err(Errno::EAGAIN) => self.device.lock().unwrap().tick(&self.host),
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
        Some(bytes)
    }

    fn command(&mut self, command: u16, body: &[u8]) -> Option<Vec<u8>> {
        let mut fds = std::mem::take(&mut self.fds).into_iter();
        Some(match command {
            1 => {
                let mut reply = vec![0, 0, body[2], body[3]];
                reply.extend(br#"{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":1048576,"pgsizes":4096}}"#);
                reply.push(0);
                reply
            }
            2 => {
                let (offset, start, length) = (u64_at(body, 8), u64_at(body, 16), u64_at(body, 24));
                if let Some(fd) = fds.next() {
                    self.host.memory.map(start, length, File::from(fd), offset);
                }
                Vec::new()
            }
            3 => {
                self.host.memory.unmap(u64_at(body, 8));
                body.to_vec()
            }
            4 => [16u32, 3, 9, 5].iter().flat_map(|v| v.to_le_bytes()).collect(),
            5 => {
                let index = u32_at(body, 8);
                let (size, flags) = match index {
                    i if i == D::BAR => (BAR_SIZE, 3u32),
                    7 => (4096, 3),
                    _ => (0, 0),
                };
                let mut reply: Vec<u8> = [32u32, flags, index, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
                reply.extend(size.to_le_bytes());
                reply.extend(0u64.to_le_bytes());
                reply
            }
            7 => {
                let index = u32_at(body, 8);
                let (flags, count) = match index {
                    0 if D::BY_PIN => (7, 1), // eventfd, maskable, masked by itself
                    2 if !D::BY_PIN => (9, D::VECTORS),
                    _ => (0, 0),
                };
                [16, flags, index, count].iter().flat_map(|v| v.to_le_bytes()).collect()
            }
            8 => {
                let (flags, index) = (u32_at(body, 4), u32_at(body, 8));
                let (start, count) = (u32_at(body, 12) as usize, u32_at(body, 16));
                if index != if D::BY_PIN { 0 } else { 2 } {
                    return Some(Vec::new());
                }
                if count == 0 {
                    self.host.vectors.clear();
                } else if flags & 0x10 != 0 {
                    self.device.lock().unwrap().unmask(&self.host);
                } else if flags & 0x24 == 0x24 {
                    self.host.vectors.resize_with(D::VECTORS as usize, || None);
                    for (n, fd) in fds.enumerate() {
                        self.host.vectors[start + n] = Some(File::from(fd));
                    }
                }
                Vec::new()
            }
            9 => {
                let (at, region, length) = (u64_at(body, 0), u32_at(body, 8), u32_at(body, 12) as usize);
                let mut reply = body[..16].to_vec();
                if region == 7 {
                    reply.extend(&self.config[at as usize..at as usize + length]);
                } else {
                    let mut device = self.device.lock().unwrap();
                    device.tick(&self.host);
                    reply.extend(device.read(at, length));
                }
                reply
            }
            10 => {
                let (at, region, length) = (u64_at(body, 0), u32_at(body, 8), u32_at(body, 12) as usize);
                let bytes = &body[16..16 + length];
                if region == 7 {
                    self.configure(at as usize, bytes);
                } else {
                    self.device.lock().unwrap().write(at, bytes, &self.host);
                }
                body[..16].to_vec()
            }
            13 => {
                self.device.lock().unwrap().reset();
                Vec::new()
            }
            _ => return None,
        })
    }

    fn configure(&mut self, at: usize, bytes: &[u8]) {
        for (n, &byte) in bytes.iter().enumerate() {
            match at + n {
                o @ (4 | 5 | 0x0c | 0x3c) => self.config[o] = byte,
                0x43 if !D::BY_PIN => self.config[0x43] = self.config[0x43] & !0xc0 | byte & 0xc0,
                _ => {}
            }
        }
        let bar = 0x10 + 4 * D::BAR as usize;
        if at == bar && bytes.len() == 4 {
            let kind = self.config[bar] & 0xf;
            let address = u32_at(bytes, 0) & !(BAR_SIZE as u32 - 1) | u32::from(kind);
            put(&mut self.config, bar, &address.to_le_bytes());
        }
        if D::BAR == 0 && at == bar + 4 && bytes.len() == 4 {
            put(&mut self.config, at, bytes);
        }
    }
}

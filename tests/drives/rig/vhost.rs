//! The server's side of vhost-user: split virtqueues in memory that qemu shares.

use std::collections::HashMap;
use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::memory::{Memory, u16_at, u32_at, u64_at};

/// What stands behind the command queues.
pub trait Handler: Send {
    /// `out` is what the guest sent, `room` what it has space for. `None`: never answered.
    fn request(&self, out: &[u8], room: usize) -> Option<Vec<u8>>;
}

/// Control and event queue come first.
const FIRST_COMMAND_QUEUE: u32 = 2;
const EVENT_QUEUE: u32 = 1;

/// Serves one guest in a thread; ends when the guest goes.
pub fn serve(path: &Path, handler: impl Handler + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let server = Server {
            stream,
            handler,
            physical: Memory::default(),
            virtual_: Memory::default(),
            queues: HashMap::new(),
            fds: Vec::new(),
        };
        server.run();
    });
}

#[derive(Default)]
struct Queue {
    size: u16,
    descriptors: u64,
    available: u64,
    used: u64,
    next: u16,
    kick: Option<File>,
    call: Option<File>,
}

impl Queue {
    fn interrupt(&mut self) {
        if let Some(call) = &mut self.call {
            let _ = call.write(&1u64.to_ne_bytes());
        }
    }
}

struct Server<H> {
    stream: UnixStream,
    handler: H,
    /// The guest's memory by its own addresses, and by qemu's.
    physical: Memory,
    virtual_: Memory,
    queues: HashMap<u32, Queue>,
    fds: Vec<OwnedFd>,
}

impl<H: Handler> Server<H> {
    fn run(mut self) {
        loop {
            let kicks: Vec<(u32, RawFd)> = self
                .queues
                .iter()
                .filter(|(i, _)| **i != EVENT_QUEUE)
                .filter_map(|(i, q)| Some((*i, q.kick.as_ref()?.as_raw_fd())))
                .collect();
            let mut fds = vec![self.stream.as_raw_fd()];
            fds.extend(kicks.iter().map(|(_, fd)| *fd));
            let ready = readable(&fds);
            // Messages first: a kick that came after one of them is answered as that message says.
            if ready[0] {
                if self.message().is_none() {
                    return;
                }
                continue;
            }
            for ((queue, _), _) in kicks.iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
                if let Some(kick) = self.queues.get_mut(queue).and_then(|q| q.kick.as_mut()) {
                    let _ = kick.read(&mut [0; 8]);
                }
                self.drain(*queue);
            }
        }
    }

    /// `None`: the guest is gone.
    fn message(&mut self) -> Option<()> {
        let header = self.receive(12)?;
        let (request, flags) = (u32_at(&header, 0), u32_at(&header, 4));
        let body = self.receive(u32_at(&header, 8) as usize)?;
        let mut fds = std::mem::take(&mut self.fds).into_iter().map(File::from);
        let mut reply = None;
        match request {
            // Features: Virtio 1, protocol features; of those, several queues.
            1 => reply = Some((1u64 << 32 | 1 << 30).to_le_bytes().to_vec()),
            15 => reply = Some(1u64.to_le_bytes().to_vec()),
            17 => reply = Some(8u64.to_le_bytes().to_vec()),
            5 => {
                (self.physical, self.virtual_) = (Memory::default(), Memory::default());
                for n in 0..u32_at(&body, 0) as usize {
                    let at = |field: usize| u64_at(&body, 8 + 32 * n + 8 * field);
                    let file = fds.next()?;
                    self.virtual_.map(at(2), at(1), file.try_clone().ok()?, at(3));
                    self.physical.map(at(0), at(1), file, at(3));
                }
            }
            8 | 10 | 11 => {
                let (index, number) = (u32_at(&body, 0), u32_at(&body, 4));
                let queue = self.queues.entry(index).or_default();
                match request {
                    8 => queue.size = number as u16,
                    10 => queue.next = number as u16,
                    _ => {
                        queue.kick = None;
                        reply = Some([index.to_le_bytes(), u32::from(queue.next).to_le_bytes()].concat());
                    }
                }
            }
            9 => {
                let queue = self.queues.entry(u32_at(&body, 0)).or_default();
                (queue.descriptors, queue.used, queue.available) =
                    (u64_at(&body, 8), u64_at(&body, 16), u64_at(&body, 24));
            }
            12 => self.queues.entry(u32::from(body[0])).or_default().kick = fds.next(),
            13 => {
                let queue = self.queues.entry(u32::from(body[0])).or_default();
                queue.call = fds.next();
                // What was answered while nobody listened to the call before this one; one too many harms nobody.
                queue.interrupt();
            }
            _ => {}
        }
        match reply {
            Some(reply) => self.send(request, &reply),
            None if flags & 8 != 0 => self.send(request, &0u64.to_le_bytes()),
            None => Some(()),
        }
    }

    fn send(&mut self, request: u32, body: &[u8]) -> Option<()> {
        let mut message = Vec::new();
        for word in [request, 5, body.len() as u32] {
            message.extend(word.to_le_bytes());
        }
        message.extend(body);
        self.stream.write_all(&message).ok()
    }

    fn receive(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        let mut have = 0;
        while have < n {
            let mut room = nix::cmsg_space!([RawFd; 16]);
            let mut parts = [IoSliceMut::new(&mut bytes[have..])];
            match recvmsg::<()>(self.stream.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC) {
                Ok(message) if message.bytes == 0 => return None,
                Ok(message) => {
                    for part in message.cmsgs().into_iter().flatten() {
                        if let ControlMessageOwned::ScmRights(fds) = part {
                            // SAFETY: the kernel just made these descriptors for us; nobody else owns them.
                            self.fds.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                        }
                    }
                    have += message.bytes;
                }
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
        Some(bytes)
    }

    /// Takes up what the guest put into a queue.
    fn drain(&mut self, index: u32) {
        let Some(queue) = self.queues.get_mut(&index).filter(|q| q.size > 0 && q.available > 0) else { return };
        while u16_at(&self.virtual_.read(queue.available + 2, 2), 0) != queue.next {
            let entry = u64::from(queue.next % queue.size) * 2;
            let head = u16_at(&self.virtual_.read(queue.available + 4 + entry, 2), 0);
            queue.next = queue.next.wrapping_add(1);
            let (from, to) = chain(&self.virtual_, queue.descriptors, head);
            let out: Vec<u8> = from.into_iter().flat_map(|(at, n)| self.physical.read(at, n)).collect();
            let room = to.iter().map(|(_, n)| n).sum();
            let answer = match index {
                i if i < FIRST_COMMAND_QUEUE => Some(vec![0]),
                _ if out.len() < 51 => Some(vec![0; room]),
                _ => self.handler.request(&out, room),
            };
            let Some(answer) = answer else { continue };
            let mut written = 0;
            for (at, n) in to {
                let n = n.min(answer.len() - written);
                self.physical.write(at, &answer[written..written + n]);
                written += n;
            }
            let done = u16_at(&self.virtual_.read(queue.used + 2, 2), 0);
            let element = [u32::from(head).to_le_bytes(), (written as u32).to_le_bytes()].concat();
            self.virtual_.write(queue.used + 4 + 8 * u64::from(done % queue.size), &element);
            self.virtual_.write(queue.used + 2, &done.wrapping_add(1).to_le_bytes());
            queue.interrupt();
        }
    }
}

type Pieces = Vec<(u64, usize)>;

/// What a descriptor chain holds for the device, and has room for.
fn chain(memory: &Memory, table: u64, head: u16) -> (Pieces, Pieces) {
    let (mut from, mut to, mut at) = (Vec::new(), Vec::new(), head);
    loop {
        let entry = memory.read(table + 16 * u64::from(at), 16);
        let (address, length, flags) = (u64_at(&entry, 0), u32_at(&entry, 8) as usize, u16_at(&entry, 12));
        if flags & 2 != 0 {
            to.push((address, length))
        } else {
            from.push((address, length))
        }
        if flags & 1 == 0 {
            return (from, to);
        }
        at = u16_at(&entry, 14);
    }
}

/// Waits until at least one of them can be read from.
fn readable(fds: &[RawFd]) -> Vec<bool> {
    let mut polled: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: the pointer and the count are those of one live vector.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, -1) };
    polled.iter().map(|p| p.revents != 0).collect()
}

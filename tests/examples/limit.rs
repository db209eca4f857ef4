//! What the machine can do at best, for scripts/bench: the same ring and the same cipher as the
//! program's, driven by the barest loop. No faults, no journal, no evidence, one drive.
//!
//!   limit write-zero|write-random|verify-random DEVICE
//!
//! Prints one line of JSON: bytes a second and CPU seconds a GiB of the loop alone. Writes on DEVICE
//! and asks nothing; only the bench calls it, on loop devices of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastwrite::scheme::{Pattern, StreamKey};
use lastwrite::sys::{Arena, Buffer, BufferRegistration, Moved, Ring, RingOptions};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

const REQUEST: usize = 4 << 20;
const DEPTH: usize = 4;

fn main() {
    let mut args = std::env::args().skip(1);
    let (what, device) = (args.next().expect("what"), args.next().expect("a device"));
    let (moved, random) = match what.as_str() {
        "write-zero" => (Moved::Written, false),
        "write-random" => (Moved::Written, true),
        "verify-random" => (Moved::Read, true),
        other => panic!("{other}: not one of write-zero, write-random, verify-random"),
    };
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(&device).expect("open");
    let size = file.seek(SeekFrom::End(0)).expect("size");
    let pattern = if random { Pattern::Random { key: StreamKey([7; 16]) } } else { Pattern::Byte { byte: 0 } };
    let pattern = pattern.compile();
    let arena = Arena::new(REQUEST * DEPTH).expect("buffers");
    let options = RingOptions { entries: 16, registration: BufferRegistration::Try, kernel_workers: 2 };
    let mut ring: Ring<u64> = Ring::new(&arena, options).expect("io_uring");
    let constant = (!random).then(|| {
        let mut block = arena.take(REQUEST).expect("a block");
        pattern.fill(0, block.bytes_mut());
        Arc::new(block)
    });

    let (started, before) = (Instant::now(), cpu());
    let (mut next, mut wrong) = (0, 0);
    let mut done = Vec::new();
    loop {
        while next < size && ring.in_flight() < DEPTH {
            let len = REQUEST.min((size - next) as usize);
            let buffer = match &constant {
                Some(block) => Buffer::Shared(Arc::clone(block)),
                None => {
                    let mut run = arena.take(len).expect("as many buffers as requests");
                    if moved == Moved::Written {
                        pattern.fill(next, &mut run.bytes_mut()[..len]);
                    }
                    Buffer::Own(run)
                }
            };
            assert!(ring.push(moved, file.as_raw_fd(), next, len, buffer, next).is_ok(), "no room in the ring");
            next += len as u64;
            if random && moved == Moved::Written {
                ring.submit().expect("submit");
            }
        }
        if ring.in_flight() == 0 {
            break;
        }
        ring.wait(1, Duration::from_micros(200), Duration::from_secs(60)).expect("wait");
        ring.reap(&mut done);
        for completion in done.drain(..) {
            let len = completion.result.expect("an answer");
            assert_eq!(len, REQUEST.min((size - completion.keep) as usize), "a short answer");
            if moved == Moved::Read
                && pattern.first_mismatch(completion.keep, &completion.buffer.bytes()[..len]).is_some()
            {
                wrong += 1;
            }
        }
    }
    if moved == Moved::Written {
        file.sync_data().expect("flush");
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu() - before);
    assert_eq!(wrong, 0, "{wrong} requests hold something else");
    let gib = size as f64 / (1 << 30) as f64;
    println!("{}", serde_json::json!({ "bytes_per_second": size as f64 / seconds, "cpu_s_per_gib": cpu / gib }));
}

fn cpu() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage");
    (used.user_time().num_microseconds() + used.system_time().num_microseconds()) as f64 / 1e6
}

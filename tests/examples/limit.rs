//! What the machine can do at best, for scripts/bench: the same ring and the same cipher as the
//! program's, driven by the barest loop. No faults, no journal, no evidence, one drive.
//!
//!   limit read|write-zero|write-random|verify-random DEVICE [MIB DEPTH]
//!
//! DEPTH requests of MIB each in flight, 4 of 4 MiB unless told otherwise. `read` only reads, as fio does.
//! Prints one line of JSON: bytes a second and CPU seconds a GiB of the loop alone. Writes on DEVICE
//! and asks nothing; only the bench calls it, on loop devices of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastwrite::scheme::{Pattern, StreamKey};
use lastwrite::sys::{Arena, Buffer, BufferRegistration, Completion, Moved, Ring, RingOptions};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Bytes, as in the program.
const MOST_BUFFERS: usize = 20 << 20;

fn main() {
    let mut args = std::env::args().skip(1);
    let (what, device) = (args.next().expect("what"), args.next().expect("a device"));
    let mut number = |or: usize| args.next().map_or(or, |n| n.parse().expect("a number"));
    let (request, depth) = (number(4) << 20, number(4));
    let (moved, random) = match what.as_str() {
        "read" => (Moved::Read, false),
        "write-zero" => (Moved::Written, false),
        "write-random" => (Moved::Written, true),
        "verify-random" => (Moved::Read, true),
        other => panic!("{other}: not one of read, write-zero, write-random, verify-random"),
    };
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(&device).expect("open");
    let size = file.seek(SeekFrom::End(0)).expect("size");
    let pattern = if random { Pattern::Random { key: StreamKey([7; 16]) } } else { Pattern::Byte { byte: 0 } };
    let pattern = pattern.compile();
    // What came is compared while the next is read.
    let spare = if moved == Moved::Read { (MOST_BUFFERS / request).saturating_sub(depth).min(depth) } else { 0 };
    let arena = Arena::new(request * (depth + spare)).expect("buffers");
    let options = RingOptions { entries: 16, registration: BufferRegistration::Try, kernel_workers: 1 };
    let mut ring: Ring<u64> = Ring::new(&arena, options).expect("io_uring");
    let constant = (moved == Moved::Written && !random).then(|| {
        let mut block = arena.take(request).expect("a block");
        pattern.fill(0, block.bytes_mut());
        Arc::new(block)
    });
    // As fio does, before its time begins.
    while ring.pin_next() {}

    let (started, before) = (Instant::now(), cpu());
    let (mut next, mut wrong) = (0, 0);
    let (mut done, mut waiting) = (Vec::new(), VecDeque::<Completion<u64>>::new());
    loop {
        while next < size && ring.in_flight() < depth && (constant.is_some() || arena.free() >= request) {
            let len = request.min((size - next) as usize);
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
        if ring.in_flight() == 0 && waiting.is_empty() {
            break;
        }
        // The next reads go out first.
        if let Some(completion) = waiting.pop_front() {
            ring.submit().expect("submit");
            let len = completion.result.expect("an answer");
            assert_eq!(len, request.min((size - completion.keep) as usize), "a short answer");
            if moved == Moved::Read
                && random
                && pattern.first_mismatch(completion.keep, &completion.buffer.bytes()[..len]).is_some()
            {
                wrong += 1;
            }
        } else {
            ring.wait(3.min(ring.in_flight() / 2), Duration::from_millis(2), Duration::from_secs(60)).expect("wait");
        }
        ring.reap(&mut done);
        waiting.extend(done.drain(..));
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

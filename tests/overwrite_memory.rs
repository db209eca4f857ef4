//! What drives that hang for ever leave of the memory to those that are well.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use lastwrite::overwrite::*;
use lastwrite::scheme::{Pattern, StreamKey};
use lastwrite::units::{Bytes, SectorSize};

/// Writes never complete: a pipe that nobody empties for io_uring, a call that does not return for the other.
struct Silent {
    pipe: Option<(io::PipeReader, io::PipeWriter)>,
    released: Mutex<bool>,
    changed: Condvar,
}

impl Silent {
    fn new(choice: IoChoice) -> Arc<Silent> {
        let pipe = (choice == IoChoice::Uring).then(|| {
            let (reader, mut writer) = io::pipe().unwrap();
            nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
            while writer.write(&[0; 4096]).is_ok() {}
            nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).unwrap();
            (reader, writer)
        });
        Arc::new(Silent { pipe, released: Mutex::new(false), changed: Condvar::new() })
    }

    fn release(&self) {
        *self.released.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl Disk for Silent {
    fn raw_fd(&self) -> Option<RawFd> {
        self.pipe.as_ref().map(|(_, writer)| writer.as_raw_fd())
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        let mut released = self.released.lock().unwrap();
        while !*released {
            released = self.changed.wait(released).unwrap();
        }
        Err(io::ErrorKind::TimedOut.into())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn job(disk: Arc<dyn Disk>, size: u64, op: PassOp, pattern: Pattern, stall_timeout: Duration) -> PassJob {
    PassJob {
        disk,
        size: Bytes(size),
        block: SectorSize::B512,
        op,
        pattern,
        extents: Extents::All { from: Bytes(0) },
        faults: FaultLimits { stall_timeout, ..FaultLimits::default() },
    }
}

/// Bytes of constant patterns are drawn for each medium, so that each drive has a block of its own; and the
/// blocks of those that hang are never given back, also after they were given up.
#[test]
fn drives_that_hang_with_constant_patterns_leave_memory_for_the_rest() {
    for choice in [IoChoice::Uring, IoChoice::Plain] {
        let engine = match Engine::start(EngineConfig { io: choice, ..EngineConfig::default() }) {
            Ok(engine) => engine,
            Err(error) => return common::skip(&format!("{error}")),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let silent: Vec<_> = (0..5).map(|_| Silent::new(choice)).collect();
        let patience = Duration::from_secs(6);
        let hung = silent.iter().zip(1..).map(|(disk, byte)| {
            engine.submit(job(disk.clone(), 1 << 30, PassOp::Write, Pattern::Byte { byte }, patience))
        });
        let hung: Vec<_> = hung.collect();
        // Each has what it can get before the drive that is well asks.
        std::thread::sleep(Duration::from_secs(1));
        let size = 8 << 20;
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        let disk = Arc::new(FileDisk(file.reopen().unwrap()));
        let key = Pattern::Random { key: StreamKey([3; 16]) };
        let patterns = [key.clone(), Pattern::Byte { byte: 0x77 }, key];
        let well = |engine: &Engine, op, pattern: &Pattern| {
            let pass = engine.submit(job(disk.clone(), size, op, pattern.clone(), Duration::from_secs(300)));
            let ended = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), pass.wait()).await });
            let outcome = ended.unwrap_or_else(|_| panic!("{choice:?}, {op:?} {pattern:?}: no memory for it"));
            assert!(matches!(outcome.end, PassEnd::Complete) && outcome.ledger.is_clean(), "{outcome:?}");
        };
        let all_is_well = || {
            for pattern in &patterns {
                well(&engine, PassOp::Write, pattern);
                well(&engine, PassOp::Verify, pattern);
            }
        };
        all_is_well();
        for hung in hung {
            let outcome = runtime.block_on(hung.wait());
            assert!(matches!(outcome.end, PassEnd::Stalled { .. }), "{outcome:?}");
        }
        // They were given up, and keep what they have.
        all_is_well();
        silent.iter().for_each(|disk| disk.release());
    }
}

//! One request of a pass on its way: its shape, its memory, its place in the ring.

use std::io;
use std::sync::Arc;

use super::{Ticket, Work};
use crate::overwrite::engine::Shared;
use crate::overwrite::pass::PassOp;
use crate::sys::{Buffer, Moved, Ring};

/// What came of the wish for one more request.
pub(super) enum Issued {
    Yes,
    /// The drive has all its requests in flight, or all its share.
    Enough,
    /// No memory or no room in the ring now.
    Later,
}

/// Takes the next request of at most `wanted` bytes, and gives it to the ring.
pub(super) fn issue(shared: &Shared, ring: &mut Ring<Ticket>, work: &mut Work, wanted: u64) -> Issued {
    let memory = &shared.memory;
    if let (Some(byte), None) = (work.pass.constant_write(), &work.constant) {
        work.constant = memory.constant(byte);
    }
    let shape = match &work.constant {
        Some(block) => memory.constant_shape(block.len()),
        None => memory.shape(work.pace.size(ring.registered())),
    };
    if !shape.admits(work.flying, work.held) {
        return Issued::Enough;
    }
    let most = shape.request;
    let mut buffer = match &work.constant {
        Some(block) => Buffer::Shared(Arc::clone(block)),
        None => match memory.arena.take(wanted.min(most as u64) as usize) {
            Some(run) => Buffer::Own(run),
            None => return Issued::Later,
        },
    };
    let now = work.reporter.link.now();
    let Some(request) = work.pass.take(most.min(buffer.bytes().len()), now) else { return Issued::Later };
    let held = match &mut buffer {
        Buffer::Own(run) => {
            work.pass.prepare(&request, run.bytes_mut());
            run.len()
        }
        Buffer::Shared(_) => 0,
    };
    let moved = match work.op {
        PassOp::Write => Moved::Written,
        PassOp::Verify => Moved::Read,
    };
    let (offset, len) = (request.offset(), request.len());
    let ticket = Ticket { work: work.id, request, held, _disk: Arc::clone(&work.disk) };
    if let Err((_, ticket)) = ring.push(moved, work.fd, offset, len, buffer, ticket) {
        let called_back = io::Error::from_raw_os_error(libc::ECANCELED);
        work.pass.complete(ticket.request, Err(called_back), &[], now);
        return Issued::Later;
    }
    if work.flying == 0 && !work.suspect {
        work.last_answer = now;
    }
    work.flying += 1;
    work.held += held;
    if work.suspect {
        memory.stick(held);
    }
    if held > 0 && moved == Moved::Written {
        // On its way while the next block is made. What fails here goes out with the next wait.
        let _ = ring.submit();
    }
    Issued::Yes
}

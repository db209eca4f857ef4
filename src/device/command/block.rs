//! Requests that the kernel's block layer translates for the drive.

use crate::units::Bytes;

/// What the block layer is asked for. Ranges are bytes, aligned to the logical block (zones: to the
/// zone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `BLKREPORTZONE`: the zones from `from` on, at most `limit`.
    ReportZones {
        /// Where to start.
        from: Bytes,
        /// How many at most.
        limit: u32,
    },
    /// `BLKRESETZONE`: write pointers back to the start; what the zones held cannot be read any more,
    /// but is not erased by that.
    ResetZones {
        /// First byte.
        from: Bytes,
        /// Length.
        length: Bytes,
    },
    /// Tells the kernel to ask the drive for its capacity again.
    Rescan,
    /// Capacity as the kernel has it now (`BLKGETSIZE64`).
    Size,
}

impl Request {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Request::ReportZones { .. } => "BLKREPORTZONE",
            Request::ResetZones { .. } => "BLKRESETZONE",
            Request::Rescan => "RESCAN",
            Request::Size => "BLKGETSIZE64",
        }
    }

    /// As the record shows it: the range, 8 bytes each, most significant byte first.
    pub fn bytes(&self) -> Vec<u8> {
        let (a, b) = match *self {
            Request::ReportZones { from, limit } => (from.0, u64::from(limit)),
            Request::ResetZones { from, length } => (from.0, length.0),
            Request::Rescan | Request::Size => return Vec::new(),
        };
        [a.to_be_bytes(), b.to_be_bytes()].concat()
    }
}

/// What the block layer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Zones in order.
    Zones(Vec<Zone>),
    /// Capacity.
    Size(Bytes),
}

/// One zone (`struct blk_zone`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// First byte.
    pub start: Bytes,
    /// Length in bytes.
    pub length: Bytes,
    /// Bytes that can be written; equal to the length where the kernel does not say.
    pub capacity: Bytes,
    /// Where the next write goes, for sequential zones.
    pub write_pointer: Bytes,
    /// Sort.
    pub kind: ZoneKind,
    /// Condition.
    pub condition: ZoneCondition,
}

/// `enum blk_zone_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneKind {
    /// Can be written anywhere.
    Conventional,
    /// Must be written in order.
    SequentialRequired,
    /// Should be written in order.
    SequentialPreferred,
    /// Not known here.
    Other(u8),
}

/// `enum blk_zone_cond`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneCondition {
    /// Has no write pointer.
    NotWritePointer,
    /// Nothing written since the reset.
    Empty,
    /// Open, by itself or by request, or closed with something in it.
    Open,
    /// Written to its end.
    Full,
    /// Cannot be written any more.
    ReadOnly,
    /// Cannot be reached any more.
    Offline,
    /// Not known here.
    Other(u8),
}

impl ZoneKind {
    pub(crate) fn from_raw(raw: u8) -> ZoneKind {
        match raw {
            1 => ZoneKind::Conventional,
            2 => ZoneKind::SequentialRequired,
            3 => ZoneKind::SequentialPreferred,
            other => ZoneKind::Other(other),
        }
    }
}

impl ZoneCondition {
    pub(crate) fn from_raw(raw: u8) -> ZoneCondition {
        match raw {
            0x0 => ZoneCondition::NotWritePointer,
            0x1 => ZoneCondition::Empty,
            0x2..=0x4 => ZoneCondition::Open,
            0xD => ZoneCondition::ReadOnly,
            0xE => ZoneCondition::Full,
            0xF => ZoneCondition::Offline,
            other => ZoneCondition::Other(other),
        }
    }
}

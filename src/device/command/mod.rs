//! Encoders and parsers of the drives' own commands, named after the standards. Pure: no I/O, and
//! no bytes that a drive may send can make them panic or read beyond what was given.

#![allow(dead_code, unused_imports)] // The transports that use the rest follow.

pub mod ata;
pub mod block;
pub mod mmc;
pub mod nvme;
pub mod opal;
pub mod scsi;

mod bytes;

pub(crate) use bytes::{be16, be24, be32, be64, hex, le16, le32, le64, le128, text};

/// The data phase of a command.
#[derive(Debug)]
pub enum Data<'a> {
    /// None.
    None,
    /// From the drive. What it does not fill stays as it was.
    In(&'a mut [u8]),
    /// To the drive.
    Out(&'a [u8]),
    /// To the drive, and never to be written down: passwords.
    Secret(&'a [u8]),
}

impl Data<'_> {
    /// How many bytes.
    pub fn len(&self) -> usize {
        match self {
            Data::None => 0,
            Data::In(bytes) => bytes.len(),
            Data::Out(bytes) | Data::Secret(bytes) => bytes.len(),
        }
    }

    /// No data phase, or an empty one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

//! What the SCSI model says of itself: INQUIRY, capacity, mode pages, supported commands.

use super::scsi::{Answer, GivesBack, Scsi, be, cut};
use crate::rig::medium::SECTOR;

impl Scsi {
    pub fn inquiry(&self, cdb: &[u8]) -> Answer {
        let length = be(&cdb[3..5]) as usize;
        if cdb[1] & 1 == 0 {
            let mut data = vec![0, 0, 6, 0x12, 91, 0, 0, 2];
            data.extend(padded("RIGSAS", 8));
            data.extend(padded(&self.product, 16));
            data.extend(b"0001");
            data.resize(96, 0);
            return Answer::data(cut(data, length));
        }
        let page = cdb[2];
        let body = match page {
            0x00 => vec![0, 0x80, 0x83, 0xb0, 0xb1, 0xb2],
            0x80 => padded(&self.serial, 20),
            0x83 => {
                let mut body = vec![1, 3, 0, 8];
                body.extend(self.naa.to_be_bytes());
                body
            }
            0xb0 => vec![0; 60],
            0xb1 => {
                let mut body = vec![0; 60];
                body[..2].copy_from_slice(&self.rotation.to_be_bytes());
                body[3] = u8::from(self.announces_it) << 7;
                body
            }
            0xb2 => vec![0; 4],
            _ => return Answer::check(5, 0x24, 0),
        };
        let mut data = vec![0, page];
        data.extend((body.len() as u16).to_be_bytes());
        data.extend(body);
        Answer::data(cut(data, length))
    }

    pub fn capacity10(&self) -> Answer {
        let mut data = ((self.accessible() - 1).min(u32::MAX.into()) as u32).to_be_bytes().to_vec();
        data.extend((SECTOR as u32).to_be_bytes());
        Answer::data(data)
    }

    pub fn capacity16(&self) -> Answer {
        let mut data = (self.accessible() - 1).to_be_bytes().to_vec();
        data.extend((SECTOR as u32).to_be_bytes());
        data.resize(32, 0);
        Answer::data(data)
    }

    pub fn mode_sense(&self, cdb: &[u8]) -> Answer {
        let (long, page) = (cdb[0] == 0x5a, cdb[2] & 0x3f);
        let no_descriptor = cdb[1] & 8 != 0;
        // Current or default values differ in the capacity alone.
        let sectors = if cdb[2] >> 6 == 2 && self.tells_reduced { self.medium.sectors } else { self.accessible() };
        let mut descriptor = Vec::new();
        if !no_descriptor {
            descriptor.extend((sectors as u32).to_be_bytes());
            descriptor.extend((SECTOR as u32).to_be_bytes());
        }
        let mut pages = Vec::new();
        if matches!(page, 0x08 | 0x3f) {
            pages.extend([0x08, 0x12, 4]);
            pages.resize(pages.len() + 17, 0);
        }
        if matches!(page, 0x0a | 0x3f) {
            pages.extend([0x0a, 0x0a]);
            pages.resize(pages.len() + 10, 0);
        }
        if pages.is_empty() && page != 0 {
            return Answer::check(5, 0x24, 0);
        }
        let specific = 0x10 | if self.write_protected { 0x80 } else { 0 };
        let mut data = if long {
            let length = (6 + descriptor.len() + pages.len()) as u16;
            let [high, low] = length.to_be_bytes();
            vec![high, low, 0, specific, 0, 0, 0, descriptor.len() as u8]
        } else {
            vec![(3 + descriptor.len() + pages.len()) as u8, 0, specific, descriptor.len() as u8]
        };
        data.extend(descriptor);
        data.extend(pages);
        let room = if long { be(&cdb[7..9]) as usize } else { cdb[4].into() };
        Answer::data(cut(data, room))
    }

    /// A block descriptor of all ones gives back the whole capacity; other numbers set it.
    pub fn mode_select(&mut self, cdb: &[u8], sent: &[u8]) -> Answer {
        let header = if cdb[0] == 0x55 { 8 } else { 4 };
        let Some(descriptor) = sent.get(header..header + 8) else { return Answer::good() };
        if sent[header - 1] != 8 {
            return Answer::good();
        }
        match be(&descriptor[..4]) {
            0xffff_ffff => match self.gives_back {
                GivesBack::Honestly => self.reduced = 0,
                GivesBack::ByItsWord => {}
                GivesBack::Never => return Answer::check(5, 0x26, 0),
            },
            0 => {}
            sectors if sectors <= self.medium.sectors => self.reduced = self.medium.sectors - sectors,
            _ => return Answer::check(5, 0x26, 0),
        }
        Answer::good()
    }

    /// The page of supported pages, and those that it lists.
    pub fn log_sense(&self, cdb: &[u8]) -> Answer {
        let page = cdb[2] & 0x3f;
        let body = match self.logs.iter().find(|(code, _)| *code == page) {
            _ if page == 0 => std::iter::once(0).chain(self.logs.iter().map(|(code, _)| *code)).collect(),
            Some((_, body)) => body.clone(),
            None => return Answer::check(5, 0x24, 0),
        };
        let mut data = vec![page, 0, 0, body.len() as u8];
        data.extend(body);
        Answer::data(cut(data, be(&cdb[7..9]) as usize))
    }

    /// One command asked for (reporting options 1 to 3), or all.
    pub fn supported_opcodes(&self, cdb: &[u8]) -> Answer {
        if !self.reports_opcodes {
            return Answer::check(5, 0x20, 0);
        }
        let (options, opcode, action) = (cdb[2] & 7, cdb[3], cdb[5]);
        let length = be(&cdb[6..10]) as usize;
        let supported = match opcode {
            0x48 => {
                self.sanitizes >> (action & 7) & 1 == 1 && (1..=3).contains(&action)
                    || action == 0x1f && self.sanitizes > 0
            }
            0x04 => self.formats,
            0x00 | 0x03 | 0x12 | 0x15 | 0x1a | 0x25 | 0x28 | 0x2a | 0x35 | 0x4d | 0x55 | 0x5a | 0x88 | 0x8a | 0x91
            | 0xa0 => true,
            _ => false,
        };
        if options == 0 {
            return Answer::check(5, 0x24, 0);
        }
        let size: u8 = match opcode >> 5 {
            0 => 6,
            1 | 2 => 10,
            4 => 16,
            _ => 12,
        };
        let mut data = vec![0, if supported { 3 } else { 1 }, 0, size];
        if supported {
            data.push(opcode);
            data.resize(4 + usize::from(size), 0xff);
        } else {
            data[3] = 0;
        }
        Answer::data(cut(data, length))
    }
}

fn padded(text: &str, length: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(length, b' ');
    bytes
}

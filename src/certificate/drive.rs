//! A technique of the drive's own: whether what its certificate says can be true, and how it is said.

use crate::media::{CommandSet, Exchange, Reach, Reply};
use crate::policy::{Technique, VerificationLevel};
use crate::sanitize::record::{FirmwareFacts, Proven, ReachedFacts, RunFacts};

const PSID_REVERT: &str = "IOC_OPAL_PSID_REVERT_TPR";
const OPAL_STATUS: &str = "IOC_OPAL_GET_STATUS";

/// What no certificate of such a technique can rule out, in the words that stand on every one of them.
pub(super) const CANNOT_BE_TOLD: &str =
    "A drive that only unmaps its blocks and reads zeros back cannot be told from one that erases them, by any host.";

/// A technique before which no known content could be written, and after which none can be expected.
pub(super) const ONLY_ITS_WORD: &str = "The drive erased itself by its own command and reported success. Nothing was known of its content before, so \
     nothing shows that it is gone; the drive's word is all there is.";

/// The sentence on what is proven; `None` for other sorts of proof.
pub(super) fn proven(proven: Proven) -> Option<&'static str> {
    match proven {
        Proven::ErasedFullRead => Some(
            "The drive erased itself by its own command and reported success. Blocks of known content that were written \
             before are gone, so are the sampled blocks of the earlier content, and every addressable byte was read \
             afterwards.",
        ),
        Proven::ErasedSampled => Some(
            "The drive erased itself by its own command and reported success. Blocks of known content that were written \
             before are gone, so are the sampled blocks of the earlier content, and representative samples were read \
             afterwards; the rest was not read.",
        ),
        Proven::ErasedKnownContent => Some(
            "The drive erased itself by its own command and reported success. Blocks of known content that were written \
             before are gone, and so are the sampled blocks of the earlier content; no representative sampling was done.",
        ),
        _ => None,
    }
}

/// The same for a line of a form.
pub(super) fn proven_briefly(proven: Proven) -> &'static str {
    match proven {
        Proven::ErasedFullRead => "erased by the drive, known content is gone, every addressable byte was read",
        Proven::ErasedSampled => "erased by the drive, known content is gone, representative samples were read",
        Proven::ErasedKnownContent => "erased by the drive, known content is gone, nothing else was shown",
        Proven::FullReadback => "every addressable byte was read back and matched",
        Proven::SampledReadback => "every sampled byte was read back and matched",
        Proven::QuickReadback => "a few hundred places were read back and matched",
        Proven::ReadbackWithExceptions => "what was read back matched, with the exceptions that are listed",
        Proven::CompletionOnly => "completion only, nothing was read back",
        Proven::Nothing => "nothing is proven",
    }
}

/// What the proof claims of the reading afterwards.
pub(super) fn level_fits(proven: Proven, level: VerificationLevel) -> Option<bool> {
    match proven {
        Proven::ErasedFullRead => Some(level == VerificationLevel::Full),
        Proven::ErasedSampled => Some(level == VerificationLevel::Sample),
        Proven::ErasedKnownContent => Some(matches!(level, VerificationLevel::None | VerificationLevel::Quick)),
        _ => None,
    }
}

/// The facts of a technique of the drive's own against each other, on a certificate; and that no other
/// technique has any.
pub(super) fn check(facts: &RunFacts) -> Result<String, String> {
    let technique: Technique = facts.technique.parse().map_err(|_| format!("{} is no technique", facts.technique))?;
    steps_down(facts, technique)?;
    let by_drive = technique != Technique::Overwrite;
    let said = match technique {
        Technique::Overwrite => proven(facts.proven).is_some(),
        Technique::ZoneResetOverwrite => proven(facts.proven).is_none(),
        _ => proven(facts.proven).is_some() || facts.proven == Proven::CompletionOnly,
    };
    let Some(firmware) = &facts.firmware else {
        return match (by_drive, said) {
            (true, _) => Err(format!("{technique} without a word on what was sent to the drive")),
            (false, true) => Err("an erase by the drive is claimed, and the host wrote".to_owned()),
            (false, false) => Ok("the host wrote; nothing was sent to the drive".to_owned()),
        };
    };
    require(by_drive && said, || format!("{technique} is no technique of the drive's own"))?;
    require(facts.passes.is_empty(), || "passes are listed although the drive erased itself".to_owned())?;
    require(facts.scheme.name == facts.technique, || "the scheme is another one than the technique".to_owned())?;
    path(firmware)?;
    times(facts, firmware)?;
    known_content(facts, firmware)?;
    found(facts, firmware)?;
    let sent = sent(facts, firmware, technique)?;
    let unattached = &firmware.unattached;
    require(unattached.is_empty() || firmware.reach == Reach::Subsystem, || {
        "other namespaces are told of, and the command reaches one".to_owned()
    })?;
    require(unattached.iter().all(|nsid| *nsid > 0) && unattached.is_sorted_by(|a, b| a < b), || {
        "the numbers of other namespaces are not in order, or 0 is among them".to_owned()
    })?;
    for other in &firmware.also {
        require(other.identity.digest() == other.identity_digest, || {
            format!("the identity's digest of {} is not what is written", other.path.display())
        })?;
        along(facts, other)?;
    }
    Ok(format!(
        "{sent}; {} blocks of known content and {} samples are gone",
        firmware.canaries.gone, firmware.samples.gone
    ))
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Each step leads from the technique before to the next, all were allowed, the last leads here.
fn steps_down(facts: &RunFacts, technique: Technique) -> Result<(), String> {
    let mut before: Option<&str> = None;
    for step in &facts.steps_down {
        let follows = before.is_none_or(|before| before == step.from) && step.from != step.to;
        require(follows, || format!("the step down from {} does not follow from the one before", step.from))?;
        if let Some(policy) = &facts.policy {
            let allowed = policy.ladder.iter().any(|rung| rung.technique.name() == step.from);
            require(allowed, || format!("{} was tried and is not among what was allowed", step.from))?;
        }
        before = Some(&step.to);
    }
    require(before.is_none_or(|last| last == technique.name()), || {
        format!("the last step down leads to {}, and {technique} is claimed", before.unwrap_or_default())
    })
}

fn path(firmware: &FirmwareFacts) -> Result<(), String> {
    require(firmware.path.returns_status, || "the path did not return the drive's status".to_owned())?;
    require(firmware.path.identity_agrees != Some(false), || {
        "the drive named another serial number than the kernel does".to_owned()
    })?;
    let said = firmware.status.as_ref().is_some_and(|words| !words.is_empty());
    require(said, || "the drive's last word is missing".to_owned())
}

fn times(facts: &RunFacts, firmware: &FirmwareFacts) -> Result<(), String> {
    // Whether they are in order is told by the check of the times: a clock may have been set.
    require(firmware.sent.is_some() && firmware.ended.is_some(), || {
        "when the command was sent, or when the drive had ended, is missing".to_owned()
    })?;
    require(facts.io.direct, || "the blocks were read through the host's cache".to_owned())
}

fn known_content(facts: &RunFacts, firmware: &FirmwareFacts) -> Result<(), String> {
    let (canaries, samples) = (firmware.canaries, firmware.samples);
    // A claim that known content is gone needs some.
    require(canaries.known > 0 || proven(facts.proven).is_none(), || "no known content was written before".to_owned())?;
    require(canaries.gone == canaries.known, || {
        format!("{} of {} blocks of known content are gone", canaries.gone, canaries.known)
    })?;
    require(samples.gone == samples.known, || format!("{} of {} samples are gone", samples.gone, samples.known))
}

fn found(facts: &RunFacts, firmware: &FirmwareFacts) -> Result<(), String> {
    let block = u64::from(facts.medium.geometry.logical_block);
    let read = facts.verification.matched.0;
    let blocks = match (&firmware.found, facts.verification.level) {
        (None, VerificationLevel::None) => return Ok(()),
        (None, _) => return Err("what was found in the blocks that were read is missing".to_owned()),
        (Some(found), _) => [found.zeros, found.ones, found.other].iter().fold(0u64, |sum, n| sum.saturating_add(n.0)),
    };
    require(blocks.checked_mul(block) == Some(read), || {
        format!("{blocks} blocks are told of, and {read} bytes were read")
    })
}

/// What was read of a medium that was erased along: nothing, or all of it.
fn along(facts: &RunFacts, other: &ReachedFacts) -> Result<(), String> {
    let Some(read) = &other.read else { return Ok(()) };
    let path = other.path.display();
    for (known, what) in [(read.canaries, "blocks of known content"), (read.samples, "samples")] {
        require(known.gone == known.known, || format!("{} of {} {what} of {path} are gone", known.gone, known.known))?;
    }
    require(read.canaries.known > 0, || format!("no known content was written to {path} before"))?;
    let blocks = [read.found.zeros, read.found.ones, read.found.other].iter().fold(0u64, |n, b| n.saturating_add(b.0));
    let size = other.identity.size;
    require(blocks.checked_mul(u64::from(facts.medium.geometry.logical_block)) == Some(size.0), || {
        format!("{blocks} blocks of {path} are told of, and it has {size} bytes")
    })
}

/// The erasing command is among what was sent, the drive did not reject it, and where its standard has
/// a status for that, the drive's last status says that this very command succeeded.
fn sent(facts: &RunFacts, firmware: &FirmwareFacts, technique: Technique) -> Result<String, String> {
    let set = firmware.path.set;
    let erasing = firmware.exchanges.iter().rposition(|e| e.set == set && erases(technique, e));
    let Some(at) = erasing else {
        // A power cut can fall between the command and the note of its answer.
        require(!facts.resumed.is_empty(), || format!("no command of {technique} is among what was sent"))?;
        return Ok("the command was sent before an interruption, and its answer is lost".to_owned());
    };
    let exchange = &firmware.exchanges[at];
    require(!is_rejection(exchange), || format!("the drive rejected {}", exchange.name))?;
    let after = &firmware.exchanges[at..];
    match technique {
        Technique::NvmeSanitizeBlock | Technique::NvmeSanitizeCrypto | Technique::NvmeSanitizeOverwrite => {
            sanitize_status(exchange, after)?;
        }
        Technique::AtaSanitizeBlock | Technique::AtaSanitizeCrypto | Technique::AtaSanitizeOverwrite => {
            sanitize_registers(after)?;
        }
        Technique::OpalPsidRevert => factory_state(after)?,
        _ => {}
    }
    Ok(format!("{} was sent", exchange.name))
}

/// Whether this is the technique's erasing command.
fn erases(technique: Technique, exchange: &Exchange) -> bool {
    use Technique as T;
    let bytes: Vec<u8> = exchange
        .command
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let ata = |command: u8, feature: u8| at(11) == command && at(1) == feature;
    // NVMe: opcode, NSID, CDW10, each dword most significant byte first.
    let nvme_sanitize = |action: u8| at(0) == 0x84 && bytes.get(1..5) == Some(&[0; 4]) && at(8) & 7 == action;
    let nvme_format = |ses: u8| at(0) == 0x80 && at(7) >> 1 & 7 == ses;
    let scsi_sanitize = |action: u8| at(0) == 0x48 && at(1) & 0x1F == action;
    // MMC: an index and four bytes of argument for each step.
    let mmc = |index: u8, argument: u32| {
        bytes.chunks(5).any(|c| c.first() == Some(&index) && c.get(1..) == Some(&argument.to_be_bytes()[..]))
    };
    match technique {
        T::NvmeSanitizeBlock => nvme_sanitize(2),
        T::NvmeSanitizeOverwrite => nvme_sanitize(3),
        T::NvmeSanitizeCrypto => nvme_sanitize(4),
        T::NvmeFormatUser => nvme_format(1),
        T::NvmeFormatCrypto => nvme_format(2),
        T::AtaSanitizeCrypto => ata(0xB4, 0x11),
        T::AtaSanitizeBlock => ata(0xB4, 0x12),
        T::AtaSanitizeOverwrite => ata(0xB4, 0x14),
        T::AtaSecurityErase | T::AtaSecurityEraseEnhanced => at(11) == 0xF4,
        T::ScsiSanitizeOverwrite => scsi_sanitize(1),
        T::ScsiSanitizeBlock => scsi_sanitize(2),
        T::ScsiSanitizeCrypto => scsi_sanitize(3),
        T::ScsiFormat => at(0) == 0x04,
        T::MmcSecureErase => mmc(38, 0x8000_0000),
        T::MmcSecureTrim => mmc(38, 0x8000_8000),
        T::MmcSanitize => mmc(6, 0x03A5_0100),
        // It carries nothing but the secret: all that is written down of it is its name.
        T::OpalPsidRevert => exchange.name == PSID_REVERT,
        T::ZoneResetOverwrite => true,
        _ => false,
    }
}

/// The drive said positively that it did not take the command. An NVMe status of type 3 is the path's or the host's
/// own; and of a Sanitize that was broken off, or met one that runs, the log says what became of it.
fn is_rejection(exchange: &Exchange) -> bool {
    let sanitizes = exchange.command.starts_with("84");
    match &exchange.reply {
        Reply::Nvme { status, .. } => match u16::from_str_radix(status, 16).unwrap_or(0) & 0x7FF {
            0 | 0x300..=0x3FF => false,
            0x005 | 0x007 | 0x008 | 0x01D => !sanitizes,
            _ => true,
        },
        // Status register, the last byte: ERR.
        Reply::AtaRegisters { registers, .. } => {
            registers.get(20..22).and_then(|hex| u8::from_str_radix(hex, 16).ok()).is_some_and(|status| status & 1 != 0)
        }
        Reply::Scsi { status, .. } => status != "00",
        Reply::Opal { code } => code != "0",
        Reply::Mmc { .. } | Reply::NoRegisters | Reply::Done | Reply::Failed { .. } => false,
    }
}

/// The last Sanitize Status log after the command: SSTAT 1 or 4, and SCDW10 of this very command.
fn sanitize_status(command: &Exchange, after: &[Exchange]) -> Result<(), String> {
    let log = after.iter().rfind(|e| e.set == CommandSet::Nvme && e.name == "Get Log Page (Sanitize Status)");
    let data = log.and_then(|e| e.data_in.as_deref()).ok_or("the drive's Sanitize Status log is missing")?;
    let little = |at: usize, length: usize| {
        (0..length).rev().fold(0u32, |n, i| {
            let byte = data.get(2 * (at + i)..2 * (at + i) + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            n << 8 | u32::from(byte.unwrap_or(0))
        })
    };
    let (status, said) = (little(2, 2), little(4, 4));
    require(matches!(status & 7, 1 | 4), || format!("the Sanitize Status log says SSTAT {status:04x}h, no success"))?;
    let sent = command.command.get(10..18).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    require(sent == Some(said), || format!("the Sanitize Status log is of another Sanitize (SCDW10 {said:08x}h)"))
}

/// The last SANITIZE STATUS EXT after the command: COUNT bit 15, completed without error.
fn sanitize_registers(after: &[Exchange]) -> Result<(), String> {
    let status =
        after.iter().rfind(|e| e.set == CommandSet::Ata && e.command.starts_with("0000") && e.command.ends_with("b4"));
    let Some(Reply::AtaRegisters { registers, count_high: true, .. }) = status.map(|e| &e.reply) else {
        return Err("the registers of the drive's last SANITIZE STATUS are missing".to_owned());
    };
    let count = registers.get(2..6).and_then(|hex| u16::from_str_radix(hex, 16).ok()).unwrap_or(0);
    require(count & 0x8000 != 0, || format!("the last SANITIZE STATUS says COUNT {count:04x}h, no success"))
}

/// The last status flags after the revert: locking is neither enabled (bit 2) nor are ranges locked (bit 3).
fn factory_state(after: &[Exchange]) -> Result<(), String> {
    let status = after.iter().rfind(|e| e.set == CommandSet::Opal && e.name == OPAL_STATUS);
    let Some(Reply::Opal { code }) = status.map(|e| &e.reply) else {
        return Err("the drive's Opal status after the revert is missing".to_owned());
    };
    let is_hex = code.len() <= 8 && code.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let flags = u32::from_str_radix(code, 16).ok().filter(|_| is_hex);
    // Supported, and neither locking enabled nor a range locked; bit 1 tells of locking at all (linux/sed-opal.h).
    require(flags.is_some_and(|flags| flags & 0x0D == 0x01), || {
        format!("the drive's Opal status {code:?} does not say that locking is off")
    })
}

#[cfg(test)]
#[path = "drive_tests.rs"]
pub(super) mod tests;

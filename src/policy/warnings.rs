//! What a person should know before they agree, and why things are so, in sentences.

use super::VerificationLevel;
use super::decide::Scope;
use super::ladder::Rung;
use super::technique::Way;
use crate::media::{Kind, MediumClass};
use crate::scheme::{Scheme, VerifyRule};

/// The conditions of a cryptographic erase.
pub const CRYPTO_ERASE: &str = "a cryptographic erase counts only if everything was encrypted from the first byte on, with keys of at least \
     128 bits of which no copy or escrow is left (SP 800-88r2 section 3.2); no host can see whether that is so";

/// What the warnings hang on.
pub struct Warned<'a> {
    /// The overwrite scheme.
    pub scheme: &'a Scheme,
    /// Sort of medium.
    pub kind: Kind,
    /// Physical, virtual or an image.
    pub class: MediumClass,
    /// How much of it.
    pub scope: Scope,
    /// The host writes first of all.
    pub host_writes: bool,
}

/// Everything worth a warning.
pub fn warn(of: &Warned<'_>, level: VerificationLevel, warnings: &mut Vec<String>) {
    warn_of_verification(of, level, warnings);
    warn_of_medium(of, warnings);
    if of.host_writes {
        warn_of_passes(of, warnings);
    }
}

/// What a technique reaches.
pub fn reach(rung: &Rung, scope: Scope) -> String {
    let method = rung.method.name();
    let what = match scope {
        Scope::WholeMedium => "the medium",
        Scope::Partition => "the partition",
    };
    match rung.technique.way() {
        Way::Host => format!(
            "{method}: every user-addressable location of {what} is overwritten by the host (SP 800-88r2 section 3.1.1)"
        ),
        _ => format!("{method}: {} is rated so on this medium", rung.technique.describe()),
    }
}

/// What a level of read-back means.
pub fn level(level: VerificationLevel) -> &'static str {
    match level {
        VerificationLevel::Full => "every addressable byte is read back from the medium and compared",
        VerificationLevel::Sample => {
            "representative samples are read back from the medium and compared (SP 800-88r1 section 4.7)"
        }
        VerificationLevel::Quick => {
            "a few hundred places are read back and compared: enough to notice a drive that did nothing, too few to prove"
        }
        VerificationLevel::None => "nothing is read back: the run can only be complete, never proven",
    }
}

fn warn_of_verification(request: &Warned<'_>, level: VerificationLevel, warnings: &mut Vec<String>) {
    if level == VerificationLevel::Quick {
        warnings.push(
            "a quick check is no representative sampling: the certificate says so, and no policy that comes along \
             releases a medium on it"
                .to_owned(),
        );
    }
    if level != VerificationLevel::None {
        return;
    }
    warnings.push(
        "without verification the certificate says completion only: writes that a drive acknowledged \
         and dropped stay unseen"
            .to_owned(),
    );
    if request.host_writes && request.scheme.verify == VerifyRule::Expected {
        warnings.push(format!("{} expects the last pass to be verified", request.scheme.title));
    }
}

fn warn_of_medium(request: &Warned<'_>, warnings: &mut Vec<String>) {
    if request.scope == Scope::Partition {
        warnings.push("only one partition is overwritten: the rest of the disk keeps its data".to_owned());
    }
    match request.class {
        MediumClass::Physical => {}
        MediumClass::Virtual => warnings.push(
            "this is a virtual device: what lies below it (snapshots, copies, other layers) is not reached, \
             and its certificate closes no physical asset"
                .to_owned(),
        ),
        MediumClass::Image => warnings.push(
            "this is an image file: copies, snapshots and freed blocks of its file system are not reached, \
             and its certificate closes no physical asset"
                .to_owned(),
        ),
    }
    if is_flash(request.kind) && request.host_writes {
        warnings.push(format!(
            "{} keeps spare and remapped blocks that the host cannot address: they may hold old data after Clear; \
             where the drive has a sanitize command, that is the stronger technique",
            capitalized(describe(request.kind))
        ));
    }
    if request.kind == Kind::Usb {
        warnings.push(
            "behind a USB bridge neither the kind of medium nor its hidden areas can be known; spare and remapped \
             blocks are not reached. For the native commands attach the drive directly"
                .to_owned(),
        );
    }
    if request.kind == Kind::Unknown {
        warnings.push("the kind of medium could not be determined; nothing is assumed in its favour".to_owned());
    }
}

fn warn_of_passes(request: &Warned<'_>, warnings: &mut Vec<String>) {
    let scheme = request.scheme;
    let passes = scheme.pass_count();
    let small_flash = matches!(request.kind, Kind::Usb | Kind::Sd);
    if is_flash(request.kind) && passes > 1 && !(small_flash && passes == 2) {
        warnings.push(format!(
            "{passes} passes on flash add wear and no security (SP 800-88r2 section 3.1.1, appendix D): one pass suffices"
        ));
    } else if passes > 1 && !small_flash {
        warnings.push(format!("one pass suffices (SP 800-88r2 section 3.1.1); {} writes {passes}", scheme.title));
    } else if passes == 1 && small_flash {
        warnings.push(
            "SP 800-88r1 asked for two passes, a pattern and its complement, on USB flash and memory cards; \
             `--scheme nist-clear-flash` writes them"
                .to_owned(),
        );
    }
}

fn is_flash(kind: Kind) -> bool {
    matches!(kind, Kind::SataSsd | Kind::SasSsd | Kind::Nvme | Kind::Emmc | Kind::Sd | Kind::Ufs)
}

/// A medium of that kind, with its article.
pub fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Hdd => "a hard disk",
        Kind::SataSsd => "a SATA SSD",
        Kind::SasSsd => "a SAS SSD",
        Kind::Nvme => "an NVMe namespace",
        Kind::Usb => "a USB drive",
        Kind::Emmc => "an eMMC",
        Kind::Sd => "an SD card",
        Kind::Ufs => "a UFS unit",
        Kind::Virtual => "a virtual device",
        Kind::Image => "an image file",
        Kind::Unknown => "a medium of unknown kind",
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

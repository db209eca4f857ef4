//! The built-in rule: a host overwrite attains Clear, on every medium, and nothing more.

use thiserror::Error;

use super::{Method, VerificationLevel};
use crate::media::{Kind, MediumClass};
use crate::scheme::{Scheme, VerifyRule};

/// What is asked for, and of which medium.
#[derive(Clone, Debug)]
pub struct PolicyRequest<'a> {
    /// The method wanted; Clear when nothing else is said.
    pub method: Method,
    /// The overwrite scheme.
    pub scheme: &'a Scheme,
    /// How much is to be read back.
    pub verification: VerificationLevel,
    /// What sort of medium it is.
    pub kind: Kind,
    /// Physical, virtual or an image.
    pub class: MediumClass,
    /// How much of the medium is meant.
    pub scope: Scope,
}

/// How much of a medium is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    WholeMedium,
    /// One partition.
    Partition,
}

/// What will be done, and why. Nothing in it was inferred from a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The method that was asked for.
    pub requested: Method,
    /// What a host overwrite can attain on this medium.
    pub attainable: Method,
    /// How much is read back; at least what was asked for.
    pub verification: VerificationLevel,
    /// Why it is so, in sentences.
    pub reasons: Vec<String>,
    /// What a person should know before they agree, in sentences.
    pub warnings: Vec<String>,
}

/// The request breaks a rule. Names the rule and what would satisfy it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Software never destroys a medium.
    #[error(
        "refused: Destroy leaves a medium that can no longer store data, and no software can do that \
         (SP 800-88r2 section 3.1.3). Destroy the medium physically and record it; or request clear"
    )]
    DestroyBySoftware,
    /// The technique is not rated for the method.
    #[error(
        "refused: {} was requested, but a host overwrite attains only Clear on {}: it reaches the \
         user-addressable locations and no others (SP 800-88r2 section 3.1.1). Request clear, or \
         use a technique that attains Purge: the drive's own sanitize or a cryptographic erase, or \
         destruction", requested.name(), describe(*kind)
    )]
    MethodNotAttainable {
        /// What was asked for.
        requested: Method,
        /// Of which medium.
        kind: Kind,
    },
    /// The scheme itself demands verification.
    #[error(
        "refused: {title} demands verification ({rule}), and `none` was requested. Use `--verify \
         {satisfied_by}`, or a scheme without that rule"
    )]
    VerificationDemanded {
        /// The scheme's title.
        title: &'static str,
        /// Its rule in words.
        rule: &'static str,
        /// The least that satisfies it.
        satisfied_by: &'static str,
    },
}

/// Decides whether the request can be carried out, and on which terms.
pub fn plan(request: &PolicyRequest<'_>) -> Result<Decision, Refusal> {
    match request.method {
        Method::Destroy => return Err(Refusal::DestroyBySoftware),
        Method::Purge => {
            return Err(Refusal::MethodNotAttainable { requested: request.method, kind: request.kind });
        }
        Method::Clear => {}
    }
    let mut reasons = vec![format!(
        "Clear: every user-addressable location of {} is overwritten by the host (SP 800-88r2 section 3.1.1)",
        match request.scope {
            Scope::WholeMedium => "the medium",
            Scope::Partition => "the partition",
        }
    )];
    let verification = verification_of(request, &mut reasons)?;
    let mut warnings = Vec::new();
    warn_of_verification(request, verification, &mut warnings);
    warn_of_medium(request, &mut warnings);
    warn_of_passes(request, &mut warnings);
    Ok(Decision { requested: request.method, attainable: Method::Clear, verification, reasons, warnings })
}

/// Applies the scheme's own rule: it can raise the level, never lower it.
fn verification_of(request: &PolicyRequest<'_>, reasons: &mut Vec<String>) -> Result<VerificationLevel, Refusal> {
    let asked = request.verification;
    let scheme = request.scheme;
    let least = match scheme.verify {
        VerifyRule::AsRequested | VerifyRule::Expected => VerificationLevel::None,
        VerifyRule::TenPercent | VerifyRule::EachPass => VerificationLevel::Sample,
        VerifyRule::Mandatory => VerificationLevel::Full,
    };
    if asked == VerificationLevel::None && least > asked {
        let satisfied_by = least.name();
        return Err(Refusal::VerificationDemanded {
            title: scheme.title,
            rule: scheme.verify.describe(),
            satisfied_by,
        });
    }
    let level = asked.max(least);
    if level > asked {
        reasons.push(format!(
            "verification raised from {} to {}: {} demands it ({})",
            asked.name(),
            level.name(),
            scheme.title,
            scheme.verify.describe()
        ));
    }
    reasons.push(match level {
        VerificationLevel::Full => "every addressable byte is read back from the medium and compared".to_owned(),
        VerificationLevel::Sample => {
            "representative samples are read back from the medium and compared (SP 800-88r1 section 4.7)".to_owned()
        }
        VerificationLevel::None => "nothing is read back: the run can only be complete, never proven".to_owned(),
    });
    Ok(level)
}

fn warn_of_verification(request: &PolicyRequest<'_>, level: VerificationLevel, warnings: &mut Vec<String>) {
    if level != VerificationLevel::None {
        return;
    }
    warnings.push(
        "without verification the certificate says completion only: writes that a drive acknowledged \
         and dropped stay unseen"
            .to_owned(),
    );
    if request.scheme.verify == VerifyRule::Expected {
        warnings.push(format!("{} expects the last pass to be verified", request.scheme.title));
    }
}

fn warn_of_medium(request: &PolicyRequest<'_>, warnings: &mut Vec<String>) {
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
    if is_flash(request.kind) {
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

fn warn_of_passes(request: &PolicyRequest<'_>, warnings: &mut Vec<String>) {
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

fn describe(kind: Kind) -> &'static str {
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

#[cfg(test)]
#[path = "builtin_tests.rs"]
mod tests;

//! What each technique is rated for, as tables with their sources.
//!
//! Two columns: IEEE 2883 as openSeaChest codes it (its authors had the standard; we had not), and
//! the minimums of SP 800-88r1 appendix A. Where they conflict, or where a rating hangs on something
//! that cannot be read from the drive, a switch of the policy decides; the default is the stricter.
//! Everything here is "aligned with" these texts; no conformity is claimed.

use serde::{Deserialize, Serialize};

use super::{Method, Technique};
use crate::media::{Kind, MediumClass};

/// What holds the data, as far as ratings care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Magnetic platters.
    Magnetic,
    /// Flash with a controller: spare and remapped blocks lie out of the host's reach.
    Flash,
    /// Not known; nothing is assumed in its favour.
    Unknown,
    /// No hardware of its own: a virtual device, an image file.
    NoHardware,
}

/// One row of the tables: what a source says of a technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which technique.
    pub technique: Technique,
    /// On which media; empty: on all.
    pub storage: &'static [Storage],
    /// What the source rates it for; `None`: named as no longer sufficient for any method.
    pub method: Option<Method>,
    /// Project or document, and where in it.
    pub source: &'static str,
}

const SEAGATE: &str =
    "IEEE 2883 as openSeaChest codes it (opensea-operations e2ab17e, include/operations.h:347, src/operations.c:880)";
const SEAGATE_TCG: &str = "IEEE 2883 as openSeaChest codes it (openSeaChest_Erase.8, TCG revert)";
const SNIA: &str = "IEEE 2883 as SNIA and the SP 800-88r2 FAQ (Q11) report it";
const A5: &str = "SP 800-88r1 table A-5 (ATA hard disks)";
const A5_SCSI: &str = "SP 800-88r1 table A-5 (SCSI hard disks)";
const A8: &str = "SP 800-88r1 table A-8 (ATA SSD)";
const A8_SCSI: &str = "SP 800-88r1 table A-8 (SCSI SSD)";
const A8_NVME: &str = "SP 800-88r1 table A-8 (NVMe SSD)";
const A_MOBILE: &str = "SP 800-88r1 table A-3 (mobile devices with eMMC)";
const FAQ: &str = "SP 800-88r2 FAQ of 16 July 2026, Q10 and Q11";

const MAGNETIC: &[Storage] = &[Storage::Magnetic];
const FLASH: &[Storage] = &[Storage::Flash];
const ALL: &[Storage] = &[];

const fn row(technique: Technique, storage: &'static [Storage], method: Option<Method>, source: &'static str) -> Row {
    Row { technique, storage, method, source }
}

use Method::{Clear, Destroy, Purge};
use Technique as T;

/// IEEE 2883-2022 as `reference/sanitization-standards.md` 2.1 collects it.
pub const IEEE_2883: &[Row] = &[
    row(T::NvmeSanitizeBlock, ALL, Some(Purge), SEAGATE),
    row(T::NvmeSanitizeCrypto, ALL, Some(Purge), SEAGATE),
    row(T::NvmeSanitizeOverwrite, ALL, Some(Purge), SEAGATE),
    row(T::NvmeFormatUser, ALL, Some(Clear), SEAGATE),
    row(T::NvmeFormatCrypto, ALL, Some(Clear), SEAGATE),
    row(T::AtaSanitizeBlock, ALL, Some(Purge), SEAGATE),
    row(T::AtaSanitizeCrypto, ALL, Some(Purge), SEAGATE),
    row(T::AtaSanitizeOverwrite, ALL, Some(Purge), SEAGATE),
    row(T::AtaSecurityErase, ALL, Some(Clear), SEAGATE),
    row(T::AtaSecurityEraseEnhanced, ALL, Some(Purge), SEAGATE),
    row(T::ScsiSanitizeBlock, ALL, Some(Purge), SEAGATE),
    row(T::ScsiSanitizeCrypto, ALL, Some(Purge), SEAGATE),
    row(T::ScsiSanitizeOverwrite, ALL, Some(Purge), SEAGATE),
    row(T::ScsiFormat, ALL, Some(Clear), SEAGATE),
    row(T::OpalPsidRevert, ALL, Some(Purge), SEAGATE_TCG),
    row(T::ZoneResetOverwrite, ALL, Some(Clear), SEAGATE),
    row(T::Overwrite, ALL, Some(Clear), SEAGATE),
    row(T::Degauss, MAGNETIC, Some(Purge), SNIA),
    row(T::Shred, ALL, None, SNIA),
    row(T::Pulverize, ALL, None, SNIA),
    row(T::Disintegrate, ALL, Some(Destroy), SNIA),
    row(T::Incinerate, ALL, Some(Destroy), SNIA),
    row(T::Melt, ALL, Some(Destroy), SNIA),
];

/// SP 800-88r1 appendix A as `reference/sanitization-standards.md` 1.6 collects it. NVMe Sanitize is
/// younger than the text and stands in no row.
pub const SP_800_88R1: &[Row] = &[
    row(T::AtaSanitizeOverwrite, MAGNETIC, Some(Purge), A5),
    row(T::AtaSanitizeCrypto, MAGNETIC, Some(Purge), A5),
    row(T::AtaSecurityEraseEnhanced, MAGNETIC, Some(Purge), A5),
    row(T::AtaSecurityErase, MAGNETIC, Some(Clear), A5),
    row(T::OpalPsidRevert, MAGNETIC, Some(Purge), A5),
    row(T::ScsiSanitizeOverwrite, MAGNETIC, Some(Purge), A5_SCSI),
    row(T::ScsiSanitizeCrypto, MAGNETIC, Some(Purge), A5_SCSI),
    row(T::AtaSanitizeBlock, FLASH, Some(Purge), A8),
    row(T::AtaSanitizeCrypto, FLASH, Some(Purge), A8),
    // Listed for hard disks, left out of the table for SSD.
    row(T::AtaSanitizeOverwrite, FLASH, Some(Clear), A8),
    row(T::AtaSecurityErase, FLASH, Some(Clear), A8),
    row(T::AtaSecurityEraseEnhanced, FLASH, Some(Clear), A8),
    row(T::OpalPsidRevert, FLASH, Some(Purge), A8),
    row(T::ScsiSanitizeBlock, FLASH, Some(Purge), A8_SCSI),
    row(T::ScsiSanitizeCrypto, FLASH, Some(Purge), A8_SCSI),
    row(T::ScsiSanitizeOverwrite, FLASH, Some(Clear), A8_SCSI),
    row(T::NvmeFormatUser, FLASH, Some(Purge), A8_NVME),
    row(T::NvmeFormatCrypto, FLASH, Some(Purge), A8_NVME),
    row(T::MmcSecureErase, FLASH, Some(Purge), A_MOBILE),
    row(T::MmcSecureTrim, FLASH, Some(Purge), A_MOBILE),
    row(T::ZoneResetOverwrite, ALL, Some(Clear), "SP 800-88r1 appendix A (overwrite)"),
    row(T::Overwrite, ALL, Some(Clear), "SP 800-88r1 appendix A (overwrite)"),
    row(T::Degauss, MAGNETIC, Some(Purge), FAQ),
    row(T::Shred, ALL, Some(Destroy), "SP 800-88r1 appendix A (destroy); FAQ of r2: only for the lowest categories"),
    row(
        T::Pulverize,
        ALL,
        Some(Destroy),
        "SP 800-88r1 appendix A (destroy); FAQ of r2: only for the lowest categories",
    ),
    row(T::Disintegrate, ALL, Some(Destroy), "SP 800-88r1 appendix A (destroy)"),
    row(T::Incinerate, ALL, Some(Destroy), FAQ),
    row(T::Melt, ALL, Some(Destroy), FAQ),
];

/// Where sources conflict or the drive does not tell: what the policy counts. The default is the
/// stricter of the two everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// SECURITY ERASE UNIT, enhanced, on flash: r1 says Clear, 2883 says Purge.
    pub enhanced_erase_on_flash: Method,
    /// SANITIZE overwrite on flash (ATA, SCSI): r1 does not list it, 2883 says Purge.
    pub sanitize_overwrite_on_flash: Method,
    /// Format NVM, user data erase: 2883 says Clear, r1 says Purge.
    pub nvme_format_user: Method,
    /// Format NVM, cryptographic erase: 2883 says Clear, and Purge only where the vendor states that it
    /// behaves as 2883 wants; r1 says Purge.
    pub nvme_format_crypto: Method,
    /// FORMAT UNIT: Clear, and Purge only with security initialize where the drive supports it.
    pub scsi_format: Method,
    /// eMMC sanitize: neither source rates it (JESD84-B51: physically removes unmapped data).
    pub mmc_sanitize: Method,
    /// Shredding and pulverizing: r1 says Destroy, 2883 counts them for nothing on today's media.
    pub shredding: Shredding,
}

/// Whether shredding and pulverizing destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shredding {
    /// They count for nothing.
    Refused,
    /// They destroy media of the lowest category, as the FAQ of SP 800-88r2 allows.
    LowOnly,
    /// They destroy.
    Destroys,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            enhanced_erase_on_flash: Clear,
            sanitize_overwrite_on_flash: Clear,
            nvme_format_user: Clear,
            nvme_format_crypto: Clear,
            scsi_format: Clear,
            mmc_sanitize: Clear,
            shredding: Shredding::LowOnly,
        }
    }
}

/// What a technique counts for on a medium, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// The method; `None`: it counts for nothing there.
    pub method: Option<Method>,
    /// IEEE 2883, where it says something.
    pub ieee_2883: Option<&'static Row>,
    /// SP 800-88r1, where it says something.
    pub sp_800_88r1: Option<&'static Row>,
    /// The switch that decided, where the sources conflict or are silent.
    pub switch: Option<&'static str>,
}

/// Rates a technique on a medium.
pub fn rate(technique: Technique, storage: Storage, switches: &Switches) -> Rating {
    let ieee_2883 = find(IEEE_2883, technique, storage);
    let sp_800_88r1 = find(SP_800_88R1, technique, storage);
    let switched = match technique {
        // Beneath an unknown controller there may be flash.
        T::AtaSecurityEraseEnhanced if storage != Storage::Magnetic => {
            Some(("enhanced_erase_on_flash", Some(switches.enhanced_erase_on_flash)))
        }
        T::AtaSanitizeOverwrite | T::ScsiSanitizeOverwrite if storage != Storage::Magnetic => {
            Some(("sanitize_overwrite_on_flash", Some(switches.sanitize_overwrite_on_flash)))
        }
        T::NvmeFormatUser => Some(("nvme_format_user", Some(switches.nvme_format_user))),
        T::NvmeFormatCrypto => Some(("nvme_format_crypto", Some(switches.nvme_format_crypto))),
        T::ScsiFormat => Some(("scsi_format", Some(switches.scsi_format))),
        T::MmcSanitize => Some(("mmc_sanitize", Some(switches.mmc_sanitize))),
        T::Shred | T::Pulverize => {
            Some(("shredding", (switches.shredding != Shredding::Refused).then_some(Method::Destroy)))
        }
        _ => None,
    };
    let method = match (&switched, ieee_2883, sp_800_88r1) {
        (Some((_, method)), _, _) => *method,
        (None, Some(a), Some(b)) => a.method.min(b.method),
        (None, Some(one), None) | (None, None, Some(one)) => one.method,
        (None, None, None) => None,
    };
    // There is nothing to put into a furnace.
    let method = method.filter(|_| storage != Storage::NoHardware || !technique.is_physical());
    // Software reaches no hardware beneath a virtual device, whatever the device says; no switch lifts
    // a technique above what it can be.
    let ceiling = if storage == Storage::NoHardware && !technique.is_physical() { Clear } else { technique.at_most() };
    Rating { method: method.map(|m| m.min(ceiling)), ieee_2883, sp_800_88r1, switch: switched.map(|(name, _)| name) }
}

impl Rating {
    /// The sources in one line.
    pub fn sources(&self) -> String {
        let said = [self.ieee_2883, self.sp_800_88r1].into_iter().flatten();
        let mut words: Vec<String> = said
            .map(|row| format!("{}: {}", row.source, row.method.map_or("not sufficient any more", Method::name)))
            .collect();
        if words.is_empty() {
            words.push("no source rates it".to_owned());
        }
        if let Some(switch) = self.switch {
            words.push(format!("decided by the policy's switch {switch}"));
        }
        words.join("; ")
    }
}

impl Storage {
    /// What holds the data of a medium. `rotational` is what the drive itself or the kernel says of a
    /// medium whose kind does not tell.
    pub fn of(kind: Kind, class: MediumClass, rotational: Option<bool>) -> Storage {
        match (class, kind) {
            (MediumClass::Virtual | MediumClass::Image, _) | (_, Kind::Virtual | Kind::Image) => Storage::NoHardware,
            (_, Kind::Hdd) => Storage::Magnetic,
            (_, Kind::SataSsd | Kind::SasSsd | Kind::Nvme | Kind::Emmc | Kind::Sd | Kind::Ufs) => Storage::Flash,
            // Bridges report "rotational" for whatever is behind them.
            (_, Kind::Usb) => Storage::Unknown,
            (_, Kind::Unknown) if rotational == Some(false) => Storage::Flash,
            (_, Kind::Unknown) => Storage::Unknown,
        }
    }
}

fn find(table: &'static [Row], technique: Technique, storage: Storage) -> Option<&'static Row> {
    let rows = || table.iter().filter(move |row| row.technique == technique);
    let exact = |s: Storage| rows().find(move |row| row.storage.is_empty() || row.storage.contains(&s));
    match storage {
        // The lowest of what the source says of any medium it may be.
        Storage::Unknown => rows()
            .min_by_key(|row| row.method)
            .filter(|_| exact(Storage::Magnetic).is_some() && exact(Storage::Flash).is_some()),
        other => exact(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_say_each_thing_once_and_name_their_source() {
        for table in [IEEE_2883, SP_800_88R1] {
            for (i, row) in table.iter().enumerate() {
                assert!(!row.source.is_empty());
                assert!(row.method.is_none_or(|m| m <= row.technique.at_most()), "{}", row.technique);
                let twice = table[i + 1..].iter().any(|other| {
                    other.technique == row.technique
                        && (row.storage.is_empty()
                            || other.storage.is_empty()
                            || row.storage.iter().any(|s| other.storage.contains(s)))
                });
                assert!(!twice, "{} twice", row.technique);
            }
        }
    }

    #[test]
    fn conflicts_are_decided_by_the_policy_and_by_default_strictly() {
        let strict = Switches::default();
        let method = |t, s, switches: &Switches| rate(t, s, switches).method;
        for technique in Technique::ALL {
            for storage in [Storage::Magnetic, Storage::Flash, Storage::Unknown, Storage::NoHardware] {
                let rating = rate(technique, storage, &strict);
                // By default never more than the lower of what is said of it; shredding has its own rule.
                let said = [rating.ieee_2883, rating.sp_800_88r1].into_iter().flatten().map(|r| r.method).min();
                if let (Some(lowest), false) = (said, matches!(technique, T::Shred | T::Pulverize)) {
                    assert!(rating.method <= lowest, "{technique} on {storage:?}: {rating:?}");
                }
                assert!(rating.method <= Some(technique.at_most()));
                assert!(technique.is_physical() || rating.method < Some(Destroy), "software never destroys");
                assert!(storage != Storage::NoHardware || technique.is_physical() || rating.method <= Some(Clear));
            }
        }
        let lenient = Switches {
            enhanced_erase_on_flash: Purge,
            sanitize_overwrite_on_flash: Purge,
            nvme_format_user: Purge,
            nvme_format_crypto: Purge,
            scsi_format: Purge,
            mmc_sanitize: Purge,
            shredding: Shredding::Destroys,
        };
        for (technique, storage) in [
            (T::AtaSecurityEraseEnhanced, Storage::Flash),
            (T::AtaSecurityEraseEnhanced, Storage::Unknown),
            (T::AtaSanitizeOverwrite, Storage::Flash),
            (T::ScsiSanitizeOverwrite, Storage::Flash),
            (T::NvmeFormatUser, Storage::Flash),
            (T::NvmeFormatCrypto, Storage::Flash),
            (T::ScsiFormat, Storage::Magnetic),
            (T::MmcSanitize, Storage::Flash),
        ] {
            assert_eq!(method(technique, storage, &strict), Some(Clear), "{technique}");
            assert_eq!(method(technique, storage, &lenient), Some(Purge), "{technique}");
            assert!(rate(technique, storage, &strict).switch.is_some());
        }
        // A switch set too high lifts nothing above what it can be.
        let wild = Switches { scsi_format: Destroy, ..strict };
        assert_eq!(method(T::ScsiFormat, Storage::Magnetic, &wild), Some(Purge));
        assert_eq!(method(T::Shred, Storage::Flash, &Switches { shredding: Shredding::Refused, ..strict }), None);
    }

    #[test]
    fn what_everybody_knows_stands() {
        let strict = Switches::default();
        let method = |t, s| rate(t, s, &strict).method;
        assert_eq!(method(T::NvmeSanitizeBlock, Storage::Flash), Some(Purge));
        assert_eq!(method(T::AtaSecurityEraseEnhanced, Storage::Magnetic), Some(Purge));
        assert_eq!(method(T::AtaSecurityErase, Storage::Magnetic), Some(Clear));
        assert_eq!(method(T::Overwrite, Storage::Magnetic), Some(Clear));
        assert_eq!(method(T::OpalPsidRevert, Storage::Flash), Some(Purge));
        assert_eq!(method(T::MmcSecureErase, Storage::Flash), Some(Purge));
        assert_eq!(method(T::Degauss, Storage::Magnetic), Some(Purge));
        assert_eq!(method(T::Degauss, Storage::Flash), None, "flash holds no magnetism");
        assert_eq!(method(T::Degauss, Storage::Unknown), None, "there may be flash in it");
        assert_eq!(method(T::Incinerate, Storage::Flash), Some(Destroy));
        assert_eq!(method(T::AtaSanitizeBlock, Storage::Unknown), Some(Purge));
        assert_eq!(method(T::AtaSanitizeCrypto, Storage::NoHardware), Some(Clear));
        assert_eq!(method(T::Melt, Storage::NoHardware), None);
    }

    #[test]
    fn a_bridge_tells_nothing_of_what_is_behind_it() {
        assert_eq!(Storage::of(Kind::Usb, MediumClass::Physical, Some(true)), Storage::Unknown);
        assert_eq!(Storage::of(Kind::Unknown, MediumClass::Physical, Some(false)), Storage::Flash);
        assert_eq!(Storage::of(Kind::Unknown, MediumClass::Physical, Some(true)), Storage::Unknown);
        assert_eq!(Storage::of(Kind::Nvme, MediumClass::Virtual, None), Storage::NoHardware);
    }
}

//! What can be done to a medium, by the names of the command line and the certificate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Method;

/// One sanitization technique (SP 800-88r2 section 3.1: a method is carried out by a technique).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Technique {
    /// NVMe Sanitize, block erase (NVM Express base 2.1, SANACT 2).
    NvmeSanitizeBlock,
    /// NVMe Sanitize, crypto erase (SANACT 4).
    NvmeSanitizeCrypto,
    /// NVMe Sanitize, overwrite (SANACT 3).
    NvmeSanitizeOverwrite,
    /// Format NVM with user data erase (SES 1).
    NvmeFormatUser,
    /// Format NVM with cryptographic erase (SES 2).
    NvmeFormatCrypto,
    /// ATA SANITIZE, BLOCK ERASE EXT (ACS-4).
    AtaSanitizeBlock,
    /// ATA SANITIZE, CRYPTO SCRAMBLE EXT.
    AtaSanitizeCrypto,
    /// ATA SANITIZE, OVERWRITE EXT.
    AtaSanitizeOverwrite,
    /// ATA SECURITY ERASE UNIT, normal.
    AtaSecurityErase,
    /// ATA SECURITY ERASE UNIT, enhanced.
    AtaSecurityEraseEnhanced,
    /// SCSI SANITIZE, BLOCK ERASE (SBC-4).
    ScsiSanitizeBlock,
    /// SCSI SANITIZE, CRYPTOGRAPHIC ERASE.
    ScsiSanitizeCrypto,
    /// SCSI SANITIZE, OVERWRITE.
    ScsiSanitizeOverwrite,
    /// SCSI FORMAT UNIT.
    ScsiFormat,
    /// eMMC CMD38, secure erase (JESD84-B51).
    MmcSecureErase,
    /// eMMC CMD38, secure trim, steps 1 and 2.
    MmcSecureTrim,
    /// eMMC SANITIZE_START.
    MmcSanitize,
    /// TCG Opal or Pyrite, Revert with the PSID printed on the drive.
    OpalPsidRevert,
    /// Zones reset and written anew by the host.
    ZoneResetOverwrite,
    /// Every addressable block written by the host.
    Overwrite,
    /// Degaussing: physical, magnetic media only.
    Degauss,
    /// Shredding to particles (ISO/IEC 21964).
    Shred,
    /// Pulverizing.
    Pulverize,
    /// Disintegrating to particles.
    Disintegrate,
    /// Incinerating.
    Incinerate,
    /// Melting.
    Melt,
}

/// Which way a technique takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The host writes.
    Host,
    /// A command of the ATA command set.
    Ata,
    /// A command of the SCSI command set.
    Scsi,
    /// A command of the NVMe command set.
    Nvme,
    /// A command of the eMMC command set.
    Mmc,
    /// TCG storage security.
    Tcg,
    /// A machine or a furnace: software can only record it.
    Physical,
}

/// A word that names no technique.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no technique{hint}", word = .0, hint = did_you_mean(.0))]
pub struct UnknownTechnique(pub String);

use Technique as T;

impl Technique {
    /// Every technique, strongest reach first within its command set.
    pub const ALL: [Technique; 26] = [
        T::NvmeSanitizeBlock,
        T::NvmeSanitizeCrypto,
        T::NvmeSanitizeOverwrite,
        T::NvmeFormatUser,
        T::NvmeFormatCrypto,
        T::AtaSanitizeBlock,
        T::AtaSanitizeCrypto,
        T::AtaSanitizeOverwrite,
        T::AtaSecurityErase,
        T::AtaSecurityEraseEnhanced,
        T::ScsiSanitizeBlock,
        T::ScsiSanitizeCrypto,
        T::ScsiSanitizeOverwrite,
        T::ScsiFormat,
        T::MmcSecureErase,
        T::MmcSecureTrim,
        T::MmcSanitize,
        T::OpalPsidRevert,
        T::ZoneResetOverwrite,
        T::Overwrite,
        T::Degauss,
        T::Shred,
        T::Pulverize,
        T::Disintegrate,
        T::Incinerate,
        T::Melt,
    ];

    /// The word of the command line, of JSON and of certificates.
    pub fn name(self) -> &'static str {
        match self {
            T::NvmeSanitizeBlock => "nvme-sanitize-block",
            T::NvmeSanitizeCrypto => "nvme-sanitize-crypto",
            T::NvmeSanitizeOverwrite => "nvme-sanitize-overwrite",
            T::NvmeFormatUser => "nvme-format-user",
            T::NvmeFormatCrypto => "nvme-format-crypto",
            T::AtaSanitizeBlock => "ata-sanitize-block",
            T::AtaSanitizeCrypto => "ata-sanitize-crypto",
            T::AtaSanitizeOverwrite => "ata-sanitize-overwrite",
            T::AtaSecurityErase => "ata-security-erase",
            T::AtaSecurityEraseEnhanced => "ata-security-erase-enhanced",
            T::ScsiSanitizeBlock => "scsi-sanitize-block",
            T::ScsiSanitizeCrypto => "scsi-sanitize-crypto",
            T::ScsiSanitizeOverwrite => "scsi-sanitize-overwrite",
            T::ScsiFormat => "scsi-format",
            T::MmcSecureErase => "mmc-secure-erase",
            T::MmcSecureTrim => "mmc-secure-trim",
            T::MmcSanitize => "mmc-sanitize",
            T::OpalPsidRevert => "opal-psid-revert",
            T::ZoneResetOverwrite => "zone-reset-overwrite",
            T::Overwrite => "overwrite",
            T::Degauss => "degauss",
            T::Shred => "shred",
            T::Pulverize => "pulverize",
            T::Disintegrate => "disintegrate",
            T::Incinerate => "incinerate",
            T::Melt => "melt",
        }
    }

    /// What it is, for a person: `ATA SANITIZE, block erase`.
    pub fn describe(self) -> &'static str {
        match self {
            T::NvmeSanitizeBlock => "NVMe Sanitize, block erase",
            T::NvmeSanitizeCrypto => "NVMe Sanitize, crypto erase",
            T::NvmeSanitizeOverwrite => "NVMe Sanitize, overwrite by the drive",
            T::NvmeFormatUser => "NVMe Format, user data erase",
            T::NvmeFormatCrypto => "NVMe Format, cryptographic erase",
            T::AtaSanitizeBlock => "ATA SANITIZE, block erase",
            T::AtaSanitizeCrypto => "ATA SANITIZE, crypto scramble",
            T::AtaSanitizeOverwrite => "ATA SANITIZE, overwrite by the drive",
            T::AtaSecurityErase => "ATA SECURITY ERASE UNIT, normal",
            T::AtaSecurityEraseEnhanced => "ATA SECURITY ERASE UNIT, enhanced",
            T::ScsiSanitizeBlock => "SCSI SANITIZE, block erase",
            T::ScsiSanitizeCrypto => "SCSI SANITIZE, cryptographic erase",
            T::ScsiSanitizeOverwrite => "SCSI SANITIZE, overwrite by the drive",
            T::ScsiFormat => "SCSI FORMAT UNIT",
            T::MmcSecureErase => "eMMC secure erase",
            T::MmcSecureTrim => "eMMC secure trim",
            T::MmcSanitize => "eMMC sanitize",
            T::OpalPsidRevert => "TCG revert by PSID",
            T::ZoneResetOverwrite => "zone reset and overwrite by the host",
            T::Overwrite => "overwrite by the host",
            T::Degauss => "degaussing",
            T::Shred => "shredding",
            T::Pulverize => "pulverizing",
            T::Disintegrate => "disintegrating",
            T::Incinerate => "incinerating",
            T::Melt => "melting",
        }
    }

    /// Which way it takes.
    pub fn way(self) -> Way {
        match self {
            T::NvmeSanitizeBlock
            | T::NvmeSanitizeCrypto
            | T::NvmeSanitizeOverwrite
            | T::NvmeFormatUser
            | T::NvmeFormatCrypto => Way::Nvme,
            T::AtaSanitizeBlock
            | T::AtaSanitizeCrypto
            | T::AtaSanitizeOverwrite
            | T::AtaSecurityErase
            | T::AtaSecurityEraseEnhanced => Way::Ata,
            T::ScsiSanitizeBlock | T::ScsiSanitizeCrypto | T::ScsiSanitizeOverwrite | T::ScsiFormat => Way::Scsi,
            T::MmcSecureErase | T::MmcSecureTrim | T::MmcSanitize => Way::Mmc,
            T::OpalPsidRevert => Way::Tcg,
            T::ZoneResetOverwrite | T::Overwrite => Way::Host,
            T::Degauss | T::Shred | T::Pulverize | T::Disintegrate | T::Incinerate | T::Melt => Way::Physical,
        }
    }

    /// A machine or a furnace does it, and software can only record it.
    pub fn is_physical(self) -> bool {
        self.way() == Way::Physical
    }

    /// It destroys keys and leaves the ciphertext: SP 800-88r2 section 3.2 states conditions for it,
    /// and there is no expected content to compare with afterwards.
    pub fn is_cryptographic(self) -> bool {
        matches!(
            self,
            T::NvmeSanitizeCrypto
                | T::NvmeFormatCrypto
                | T::AtaSanitizeCrypto
                | T::ScsiSanitizeCrypto
                | T::OpalPsidRevert
        )
    }

    /// By which rule of its standard it reaches also what the host cannot address; `None` where the standard does
    /// not say so. No host can read these areas and see.
    pub fn reaches_hidden(self) -> Option<&'static str> {
        match self {
            T::NvmeSanitizeBlock | T::NvmeSanitizeCrypto | T::NvmeSanitizeOverwrite => Some(
                "NVM Express base 2.1, Sanitize: all media of the NVM subsystem that hold user data, unallocated and \
                 spare areas included",
            ),
            T::ScsiSanitizeBlock | T::ScsiSanitizeCrypto | T::ScsiSanitizeOverwrite => {
                Some("SBC-5, SANITIZE: all blocks of the logical unit, also those that are not addressable")
            }
            T::AtaSanitizeBlock | T::AtaSanitizeCrypto | T::AtaSanitizeOverwrite => {
                Some("ACS-5, SANITIZE DEVICE: all user data areas, also those that are not addressable now")
            }
            T::MmcSanitize => Some("JESD84-B51, SANITIZE_START: all unmapped user areas"),
            _ => None,
        }
    }

    /// Whether that rule is enough for an organization that takes no medium of which a part stays unreached. It is
    /// for NVMe alone, whose standard names unallocated areas. ACS and SBC name no HPA, AMAC, DCO or block
    /// descriptor; there the area has to be given back.
    pub fn answers_for_hidden(self) -> bool {
        self.way() == Way::Nvme && self.reaches_hidden().is_some()
    }

    /// The most that anybody rates it for, on any medium. What counts is [`super::rate`].
    pub fn at_most(self) -> Method {
        match self {
            T::Overwrite | T::ZoneResetOverwrite | T::AtaSecurityErase => Method::Clear,
            T::Shred | T::Pulverize | T::Disintegrate | T::Incinerate | T::Melt => Method::Destroy,
            _ => Method::Purge,
        }
    }
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Technique {
    type Err = UnknownTechnique;

    fn from_str(word: &str) -> Result<Technique, UnknownTechnique> {
        Technique::ALL
            .into_iter()
            .find(|technique| technique.name() == word)
            .ok_or_else(|| UnknownTechnique(word.to_owned()))
    }
}

fn did_you_mean(word: &str) -> String {
    let nearest = Technique::ALL
        .into_iter()
        .map(|technique| (strsim::jaro_winkler(word, technique.name()), technique))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, technique)) if likeness > 0.8 => format!("; did you mean {technique}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_and_are_the_names_in_json() {
        for technique in Technique::ALL {
            assert_eq!(technique.name().parse(), Ok(technique));
            assert_eq!(serde_json::to_value(technique).unwrap(), technique.name());
            assert!(!technique.describe().is_empty());
        }
        let mut names: Vec<_> = Technique::ALL.iter().map(|t| t.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Technique::ALL.len());
    }

    #[test]
    fn discard_is_no_technique_and_a_slip_gets_a_hint() {
        let refused = |word: &str| word.parse::<Technique>().unwrap_err().to_string();
        assert_eq!(refused("discard"), "\"discard\" is no technique");
        assert_eq!(
            refused("nvme-sanitise-block"),
            "\"nvme-sanitise-block\" is no technique; did you mean nvme-sanitize-block?"
        );
    }
}

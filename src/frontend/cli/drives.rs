//! `lastwrite drives`

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::media::{Kind, Medium, Transport};
use crate::station::{self, DriveReport};
use crate::units::human_bytes;

#[derive(Debug, Args)]
pub struct DrivesArgs {
    /// Only what the kernel knows; the drives themselves are not asked
    #[arg(long)]
    quick: bool,
}

/// A drive with what it says of itself.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    medium: Medium,
    /// Absent: it was not asked, or has no commands of its own.
    report: Option<DriveReport>,
}

pub fn run(common: &Common, args: DrivesArgs) -> Result<Exit, Failure> {
    let drives = station::inventory()
        .map_err(|e| Failure::new(Exit::Other, &e).hint("is /sys mounted? lastwrite reads the drives from there"))?;
    let reports = match args.quick {
        true => drives.iter().map(|_| None).collect(),
        false => station::reports(&station::live(), &drives),
    };
    let lost = station::lost_boot_medium();
    if common.json {
        let mut document = drives_json(drives, reports);
        if let Some(words) = lost {
            document["warnings"] = json!([words]);
        }
        output::json(&document);
        return Ok(Exit::Done);
    }
    if let Some(words) = lost {
        output::line_err(&format!("warning: {words}"));
    }
    let drives = listed(drives, reports);
    if drives.is_empty() {
        output::line("No drives.");
        return Ok(Exit::Done);
    }
    output::line(&render(&drives));
    Ok(Exit::Done)
}

fn listed(drives: Vec<Medium>, reports: Vec<Option<DriveReport>>) -> Vec<Listed> {
    drives.into_iter().zip(reports).map(|(medium, report)| Listed { medium, report }).collect()
}

/// What `drives --json` prints of these drives and what each said of itself.
pub fn drives_json(drives: Vec<Medium>, reports: Vec<Option<DriveReport>>) -> Value {
    json!({ "schema": 1, "drives": listed(drives, reports) })
}

fn render(drives: &[Listed]) -> String {
    let header = ["DRIVE", "SIZE", "KIND", "BUS", "MODEL OR FILE", "SERIAL", "CONFIRM TOKEN", "MAY BE WIPED"];
    let mut rows = Vec::new();
    for Listed { medium: drive, report } in drives {
        let verdict = match drive.protections.first() {
            None => "yes".to_owned(),
            Some(reason) => format!("no: {reason}"),
        };
        rows.push(vec![
            drive.path.display().to_string(),
            human_bytes(drive.geometry.size.0),
            kind_word(drive.kind).to_owned(),
            transport_word(drive.transport).to_owned(),
            model(drive),
            drive.identity.serial.clone().unwrap_or_else(|| "-".to_owned()),
            drive.confirm_token.clone(),
            verdict,
        ]);
        for reason in drive.protections.iter().skip(1) {
            let mut row = vec![String::new(); header.len() - 1];
            row.push(format!("no: {reason}"));
            rows.push(row);
        }
        if !drive.other_paths.is_empty() {
            let others: Vec<_> = drive.other_paths.iter().map(|p| p.display().to_string()).collect();
            let mut row = vec![String::new(); header.len() - 1];
            row.push(format!("also reached as {}", others.join(", ")));
            rows.push(row);
        }
        for line in report.iter().flat_map(DriveReport::lines) {
            let mut row = vec![String::new(); header.len() - 1];
            row.push(line);
            rows.push(row);
        }
    }
    output::table(&header, &rows)
}

/// The model; for a loop device the file behind it.
fn model(drive: &Medium) -> String {
    let backing = || drive.identity.backing.as_ref().map(|b| b.path.display().to_string());
    drive.identity.model.clone().or_else(backing).unwrap_or_else(|| "-".to_owned())
}

pub(super) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Hdd => "HDD",
        Kind::SataSsd => "SATA SSD",
        Kind::SasSsd => "SAS SSD",
        Kind::Nvme => "NVMe",
        Kind::Usb => "USB",
        Kind::Emmc => "eMMC",
        Kind::Sd => "SD card",
        Kind::Ufs => "UFS",
        Kind::Virtual => "virtual",
        Kind::Image => "image",
        Kind::Unknown => "unknown",
    }
}

fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Ata => "ATA",
        Transport::Sas => "SAS",
        Transport::Scsi => "SCSI",
        Transport::NvmePcie => "PCIe",
        Transport::NvmeFabrics => "NVMe-oF",
        Transport::Usb => "USB",
        Transport::Mmc => "MMC",
        Transport::Ufs => "UFS",
        Transport::Virtio => "virtio",
        Transport::Network => "network",
        Transport::Loop => "loop",
        Transport::File => "file",
        Transport::Memory => "memory",
        Transport::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::*;
    use crate::media::Protection;

    #[test]
    fn a_mount_point_that_is_no_text_is_told_all_the_same() {
        let image = tempfile::NamedTempFile::new().unwrap();
        let mut medium = station::look_at(&station::live(), image.path()).unwrap();
        let odd = Path::new(OsStr::from_bytes(b"/m\xff")).to_owned();
        medium.identity.backing.as_mut().unwrap().path.clone_from(&odd);
        medium.path.clone_from(&odd);
        medium.protections = vec![
            Protection::Mounted { node: "/dev/sdb1".into(), mount_point: odd.clone() },
            Protection::CarriesTable { partitions: vec![odd] },
        ];
        let told = drives_json(vec![medium], vec![None]);
        let drive = &told["drives"][0];
        assert_eq!(drive["protections"][0]["mount_point"], "/m\u{fffd}", "{drive}");
        assert_eq!(drive["protections"][1]["partitions"][0], "/m\u{fffd}", "{drive}");
        assert_eq!(
            (&drive["path"], &drive["identity"]["backing"]["path"]),
            (&"/m\u{fffd}".into(), &"/m\u{fffd}".into())
        );
    }
}

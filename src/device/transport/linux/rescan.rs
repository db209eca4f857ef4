//! The kernel asks a drive again what it is.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io, thread};

use super::Linux;
use crate::media::CommandSet;
use crate::sys::ioctl;

/// So long libata may take over a scan of one bus, which it does by itself.
const SCAN: Duration = Duration::from_secs(2);

impl Linux {
    /// SCSI and ATA disks, then NVMe controllers, each by the attribute the kernel has for it.
    pub(super) fn rescan(&self) -> io::Result<()> {
        if self.offers.contains(&CommandSet::Ata) && ioctl::size(&self.file).is_ok_and(|size| size == 0) {
            // libata takes a locked drive for one without capacity, and asks it again only when its bus is
            // scanned. Where that is not allowed, the size tells.
            let _ = self.scan_bus();
        }
        match fs::write(self.device.join("rescan"), "1") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::write(self.device.join("rescan_controller"), "1")
            }
            other => other,
        }
    }

    /// Has the drive's capacity read again, of an ATA disk after a scan of its bus: libata reads IDENTIFY
    /// DEVICE again only then; a drive that grew by more than a host protected area it drops and shows
    /// anew, under another name while this descriptor is open. Blocks for some seconds.
    pub fn scan_again(&self) -> io::Result<()> {
        if self.offers.first() != Some(&CommandSet::Ata) {
            return fs::write(self.device.join("rescan"), "1");
        }
        let scanned = self.scan_bus();
        // Where the drive was dropped there is nothing to ask any more.
        match fs::write(self.device.join("rescan"), "1") {
            Ok(()) => Ok(()),
            Err(_) => scanned,
        }
    }

    /// Has the kernel forget the drive and look at its bus anew, for kernels that do not read it again
    /// otherwise. Only for a drive that is held exclusively: it is gone for everybody.
    pub fn forget_and_scan(&self) -> io::Result<()> {
        let scan = self.scan_attribute()?;
        fs::write(self.device.join("delete"), "1")?;
        fs::write(scan, "- - -")?;
        thread::sleep(SCAN);
        Ok(())
    }

    fn scan_bus(&self) -> io::Result<()> {
        fs::write(self.scan_attribute()?, "- - -")?;
        thread::sleep(SCAN);
        Ok(())
    }

    /// The attribute by which the host of this device is scanned.
    fn scan_attribute(&self) -> io::Result<PathBuf> {
        let device = fs::canonicalize(&self.device)?;
        // `0:0:0:0`: host, channel, target, unit.
        let name = device.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let host = name.split(':').next().filter(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit()));
        let host = host.ok_or(io::ErrorKind::NotFound)?;
        let host =
            device.ancestors().find(|place| place.ends_with(format!("host{host}"))).ok_or(io::ErrorKind::NotFound)?;
        let name = host.file_name().unwrap_or_default();
        Ok(host.join("scsi_host").join(name).join("scan"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drive_is_forgotten_on_its_own_host_and_no_other() {
        let place = tempfile::tempdir().unwrap();
        let host = place.path().join("pci/ata3/host2");
        let device = host.join("target2:0:0/2:0:0:0");
        for (folder, file) in [(&device, "delete"), (&device, "rescan"), (&host.join("scsi_host/host2"), "scan")] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(file), "").unwrap();
        }
        let file = fs::File::open(device.join("delete")).unwrap();
        let linux = Linux { file, offers: vec![CommandSet::Ata], device: device.clone(), areas: Vec::new() };
        let said = |path: PathBuf| fs::read_to_string(path).unwrap();
        linux.scan_again().unwrap();
        assert_eq!(said(host.join("scsi_host/host2/scan")), "- - -");
        assert_eq!((said(device.join("rescan")), said(device.join("delete"))), ("1".to_owned(), String::new()));
        fs::write(host.join("scsi_host/host2/scan"), "").unwrap();
        fs::write(device.join("rescan"), "").unwrap();
        let scsi = Linux {
            file: linux.file.try_clone().unwrap(),
            offers: vec![CommandSet::Scsi, CommandSet::Ata],
            device: device.clone(),
            areas: Vec::new(),
        };
        scsi.scan_again().unwrap();
        assert_eq!(said(device.join("rescan")), "1");
        assert_eq!(said(host.join("scsi_host/host2/scan")), "", "other disks of the host are left alone");
        linux.forget_and_scan().unwrap();
        assert_eq!(said(device.join("delete")), "1");
        fs::remove_file(host.join("scsi_host/host2/scan")).unwrap();
        fs::remove_dir_all(&device).unwrap();
        assert!(linux.scan_again().is_err() && linux.forget_and_scan().is_err());
    }
}

//! Drives that qemu has of its own: their media are files of ours, their behaviour is qemu's.

use std::path::Path;

use crate::common::station::marks;
use crate::rig::Medium;
use crate::rig::plug::{Drive, Plug, Socket};

type Arguments = Box<dyn Fn(&Path, &str) -> Vec<String> + Send + Sync>;

pub struct Stock {
    medium: Medium,
    /// From the medium's file and a name nothing else has.
    arguments: Arguments,
}

impl Plug for Stock {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        (self.arguments)(self.medium.path(), &sockets.id())
    }
}

impl Drive for Stock {
    fn left(&self) -> (usize, usize) {
        (self.medium.left(), self.medium.all())
    }
}

/// The file as a drive of qemu, by name `ID`.
fn drive(file: &Path, id: &str) -> Vec<String> {
    words(&["-drive", &format!("if=none,id={id},format=raw,file={}", file.display())])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn stock(mebibytes: u64, arguments: impl Fn(&Path, &str) -> Vec<String> + Send + Sync + 'static) -> Stock {
    Stock { medium: Medium::new(mebibytes), arguments: Box::new(arguments) }
}

/// NVMe that carries out Format NVM and knows no Sanitize.
pub fn nvme(serial: &str, mebibytes: u64) -> Stock {
    let serial = serial.to_owned();
    stock(mebibytes, move |file, id| {
        let mut all = drive(file, id);
        all.extend(words(&["-device", &format!("nvme,serial={serial},drive={id}")]));
        all
    })
}

/// An NVMe controller with two namespaces, in a subsystem: the kernel hides a path node for each.
/// The first namespace's medium; the second is `second`'s.
pub fn nvme_with_two_namespaces(serial: &str, mebibytes: u64, second: &Medium) -> Stock {
    let (serial, other) = (serial.to_owned(), second.path().to_owned());
    stock(mebibytes, move |file, id| {
        let mut all = drive(file, id);
        all.extend(drive(&other, &format!("{id}b")));
        all.extend(words(&["-device", &format!("nvme-subsys,id={id}s,nqn={id}")]));
        all.extend(words(&["-device", &format!("nvme,id={id}c,serial={serial},subsys={id}s")]));
        all.extend(words(&["-device", &format!("nvme-ns,bus={id}c,drive={id},nsid=1")]));
        all.extend(words(&["-device", &format!("nvme-ns,bus={id}c,drive={id}b,nsid=2")]));
        all
    })
}

/// NVMe zoned namespace: host-managed, zones of 4 MiB.
pub fn zoned_nvme(serial: &str, mebibytes: u64) -> Stock {
    let serial = serial.to_owned();
    stock(mebibytes, move |file, id| {
        let mut all = drive(file, id);
        all.extend(words(&["-device", &format!("nvme,id={id}c,serial={serial}")]));
        let zones = "zoned=true,zoned.zone_size=4M,zoned.zone_capacity=4M";
        all.extend(words(&["-device", &format!("nvme-ns,bus={id}c,drive={id},nsid=1,{zones}")]));
        all
    })
}

pub fn virtio_blk(serial: &str, mebibytes: u64) -> Stock {
    let serial = serial.to_owned();
    stock(mebibytes, move |file, id| {
        let mut all = drive(file, id);
        all.extend(words(&["-device", &format!("virtio-blk-pci,drive={id},serial={serial}")]));
        all
    })
}

/// `device` is `sd-card` or `emmc`. Their serial number is always 0xdeadbeef.
pub fn card(device: &'static str, mebibytes: u64) -> Stock {
    stock(mebibytes, move |file, id| {
        let mut all = drive(file, id);
        all.extend(words(&["-device", &format!("sdhci-pci,id={id}h")]));
        // The bus has one name whatever the host is called: one card a guest.
        all.extend(words(&["-device", &format!("{device},drive={id},bus=sd-bus")]));
        all
    })
}

/// An eMMC of so many MiB, with two boot partitions before its main area in the file, and of so many MiB each.
pub struct Emmc {
    card: Stock,
    boot: usize,
}

pub fn emmc(mebibytes: u64, boot: u64) -> Emmc {
    let card = stock(mebibytes + 2 * boot, move |file, id| {
        let mut all = drive(file, id);
        all.extend(words(&["-device", &format!("sdhci-pci,id={id}h")]));
        let size = format!("boot-partition-size={}", boot << 20);
        all.extend(words(&["-device", &format!("emmc,drive={id},bus=sd-bus,{size}")]));
        all
    });
    Emmc { card, boot: (boot << 11) as usize }
}

impl Emmc {
    /// Sectors of the old content that are left in boot0, boot1 and the main area.
    pub fn parts(&self) -> [usize; 3] {
        let bytes = std::fs::read(self.card.medium.path()).unwrap();
        let (boot, main) = bytes.split_at(2 * self.boot * 512);
        let (first, second) = boot.split_at(self.boot * 512);
        [first, second, main].map(marks)
    }
}

impl Plug for Emmc {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        self.card.plug(sockets)
    }
}

impl Drive for Emmc {
    fn left(&self) -> (usize, usize) {
        self.card.left()
    }
}

/// Blocks of 4,096 bytes. Its serial number is the name of qemu's drive.
pub fn ufs(serial: &str, mebibytes: u64) -> Stock {
    let serial = serial.to_owned();
    stock(mebibytes, move |file, id| {
        let mut all = drive(file, &serial);
        all.extend(words(&["-device", &format!("ufs,id={id}u")]));
        all.extend(words(&["-device", &format!("ufs-lu,drive={serial},bus={id}u,lun=0")]));
        all
    })
}

/// A SCSI disk whose FORMAT UNIT ends in GOOD and erases nothing.
pub fn scsi(serial: &str, mebibytes: u64) -> Stock {
    let serial = serial.to_owned();
    stock(mebibytes, move |file, id| {
        let mut all = drive(file, id);
        all.extend(words(&["-device", &format!("virtio-scsi-pci,id={id}h")]));
        let names = format!("serial={serial},wwn={}", wwn(&serial));
        all.extend(words(&["-device", &format!("scsi-hd,bus={id}h.0,drive={id},{names}")]));
        all
    })
}

/// Two paths to one medium.
pub fn multipath(serial: &str, mebibytes: u64) -> Stock {
    let serial = serial.to_owned();
    stock(mebibytes, move |file, id| {
        let mut all = Vec::new();
        all.extend(words(&["-device", &format!("virtio-scsi-pci,id={id}h")]));
        for path in ["a", "b"] {
            let node = format!("driver=raw,node-name={id}{path},file.driver=file,file.locking=off");
            all.extend(words(&["-blockdev", &format!("{node},file.filename={}", file.display())]));
            let names = format!("serial={serial},wwn={}", wwn(&serial));
            all.extend(words(&["-device", &format!("scsi-hd,bus={id}h.0,drive={id}{path},share-rw=on,{names}")]));
        }
        all
    })
}

/// A SCSI disk; reads or writes (`iotype`) of one sector fail.
pub fn scsi_with_error(serial: &str, mebibytes: u64, iotype: &'static str, sector: u64) -> Stock {
    let serial = serial.to_owned();
    stock(mebibytes, move |file, id| {
        let error = format!(
            r#"{{"event":"none","iotype":"{iotype}","errno":5,"sector":{sector},"once":false,"immediately":true}}"#
        );
        let image = format!(r#"{{"driver":"file","filename":"{}"}}"#, file.display());
        let debug = format!(r#"{{"driver":"blkdebug","image":{image},"inject-error":[{error}]}}"#);
        let mut all = words(&["-blockdev", &format!(r#"{{"driver":"raw","node-name":"{id}","file":{debug}}}"#)]);
        all.extend(words(&["-device", &format!("virtio-scsi-pci,id={id}h")]));
        let faults = "werror=report,rerror=report";
        all.extend(words(&["-device", &format!("scsi-hd,bus={id}h.0,drive={id},serial={serial},{faults}")]));
        all
    })
}

/// A name authority of its own for each serial number.
fn wwn(serial: &str) -> String {
    let tail = serial.bytes().fold(0u64, |sum, b| (sum << 5 ^ u64::from(b)) & 0xffff_ffff);
    format!("{:#x}", 0x5000_c50b_0000_0000u64 | tail)
}

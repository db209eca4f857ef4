//! Signatures read from the first and last blocks, for hosts without udev: members of
//! multi-device volumes (which may be in use without a trace in sysfs), LUKS, swap, and the
//! filesystems that systems boot from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What was found: libblkid's name for it, and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub of: &'static str,
    pub label: Option<String>,
    /// In udev's spelling.
    pub uuid: Option<String>,
}

impl Found {
    fn plain(of: &'static str) -> Found {
        Found { of, label: None, uuid: None }
    }
}

/// Probes `size` bytes that `read` reads from. Reads at most ~0.5 MiB.
pub(crate) fn probe(file: &File, size: u64) -> io::Result<Option<Found>> {
    let head = read(file, 0, 256 * 1024)?;
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    let plain = |of| Ok(Some(Found::plain(of)));

    if at(0, b"LUKS\xba\xbe") {
        return plain("crypto_LUKS");
    }
    // LVM2 looks for its label in the first four sectors.
    if (0..4).any(|sector| at(sector * 512, b"LABELONE") && at(sector * 512 + 24, b"LVM2 001")) {
        return plain("LVM2_member");
    }
    const MD_MAGIC: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();
    if at(0, &MD_MAGIC) || at(4096, &MD_MAGIC) {
        return plain("linux_raid_member");
    }
    if at(4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81") {
        return plain("bcache");
    }
    if at(0x1_0040, b"_BHRfS_M") {
        let (label, uuid) = (text(&head, 0x1_012b, 256), uuid(&head, 0x1_0020));
        return Ok(Some(Found { of: "btrfs", label, uuid }));
    }
    if let Some(found) = zfs(&head) {
        return Ok(Some(found));
    }
    if [4096, 8192, 16384, 65536].iter().any(|page| at(page - 10, b"SWAPSPACE2") || at(page - 10, b"SWAP-SPACE")) {
        return plain("swap");
    }
    match tail(file, size)? {
        Some(found) => Ok(Some(found)),
        None => Ok(filesystem(&head)),
    }
}

/// ISO 9660, FAT and ext2/3/4, what bootable media carry.
fn filesystem(head: &[u8]) -> Option<Found> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if at(0x8001, b"CD001") {
        // The primary volume descriptor: modification date at 830, creation date at 813.
        let date = [0x8000 + 830, 0x8000 + 813].into_iter().find_map(|offset| {
            let digits = text(head, offset, 16).filter(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_digit()))?;
            (digits.bytes().any(|b| b != b'0')).then(|| {
                let parts =
                    [&digits[..4], &digits[4..6], &digits[6..8], &digits[8..10], &digits[10..12], &digits[12..14]];
                format!("{}-{}", parts.join("-"), &digits[14..])
            })
        });
        return Some(Found { of: "iso9660", label: text(head, 0x8000 + 40, 32), uuid: date });
    }
    let fat = [(82, b"FAT32   ", 71, 67), (54, b"FAT16   ", 43, 39), (54, b"FAT12   ", 43, 39)];
    if let Some((_, _, label, serial)) = fat.into_iter().find(|(offset, magic, _, _)| at(*offset, *magic)) {
        let serial = head.get(serial..serial + 4).map(|b| format!("{:02X}{:02X}-{:02X}{:02X}", b[3], b[2], b[1], b[0]));
        let label = text(head, label, 11).filter(|label| label != "NO NAME");
        return Some(Found { of: "vfat", label, uuid: serial });
    }
    at(0x438, b"\x53\xef").then(|| Found { of: "ext4", label: text(head, 0x478, 16), uuid: uuid(head, 0x468) })
}

/// Text of at most `length` bytes, up to the first NUL, without trailing blanks.
fn text(head: &[u8], offset: usize, length: usize) -> Option<String> {
    let bytes = head.get(offset..offset + length)?;
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(length);
    let text = std::str::from_utf8(&bytes[..end]).ok()?.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

fn uuid(head: &[u8], offset: usize) -> Option<String> {
    let bytes = head.get(offset..offset + 16)?;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// md superblocks 0.90 and 1.0 and the two ZFS labels at the end.
fn tail(file: &File, size: u64) -> io::Result<Option<Found>> {
    const SPAN: u64 = 512 * 1024;
    let Some(start) = size.checked_sub(SPAN) else { return Ok(None) };
    let start = start & !(256 * 1024 - 1);
    let end = read(file, start, usize::try_from(size - start).unwrap_or(0))?;
    let at = |offset: u64| usize::try_from(offset.wrapping_sub(start)).ok().and_then(|n| end.get(n..));
    let is_md = |offset: u64| {
        at(offset).is_some_and(|bytes| {
            bytes.starts_with(&0xa92b_4efc_u32.to_le_bytes()) || bytes.starts_with(&0xa92b_4efc_u32.to_be_bytes())
        })
    };
    // 0.90: 64 KiB aligned, at least 64 KiB before the end. 1.0: 4 KiB aligned, at least 8 KiB.
    if is_md((size & !0xffff) - 0x1_0000) || is_md((size - 0x2000) & !0xfff) {
        return Ok(Some(Found::plain("linux_raid_member")));
    }
    let labels = (size & !(256 * 1024 - 1)).checked_sub(512 * 1024);
    Ok(labels.and_then(at).and_then(|bytes| zfs(bytes.get(..256 * 1024)?)))
}

/// A vdev label (ZFS on-disk specification, chapter 1): 256 KiB with the name-value list at
/// 16 KiB and uberblocks from 128 KiB on.
fn zfs(label: &[u8]) -> Option<Found> {
    const UBERBLOCK: u64 = 0x00ba_b10c;
    let uberblocks = label
        .get(128 * 1024..256 * 1024)?
        .chunks_exact(1024)
        .any(|block| block.starts_with(&UBERBLOCK.to_le_bytes()) || block.starts_with(&UBERBLOCK.to_be_bytes()));
    let pairs = label.get(16 * 1024..128 * 1024)?;
    let name = pool_name(pairs);
    (uberblocks || name.is_some()).then_some(Found { of: "zfs_member", label: name, uuid: None })
}

/// The string pair `name` of an XDR-encoded name-value list.
fn pool_name(list: &[u8]) -> Option<String> {
    // Encoding 1 is XDR; the second byte is the endianness of the writer.
    if list.first() != Some(&1) {
        return None;
    }
    // A pair: encoded size, decoded size, name (length, bytes padded to 4), type, count, value.
    let key = [&4_u32.to_be_bytes()[..], b"name", &9_u32.to_be_bytes(), &1_u32.to_be_bytes()].concat();
    let at = list.windows(key.len()).take(16 * 1024).position(|window| window == key)? + key.len();
    let length = usize::try_from(u32::from_be_bytes(list.get(at..at + 4)?.try_into().ok()?)).ok()?;
    let name = list.get(at + 4..(at + 4).checked_add(length)?)?;
    (length > 0 && length < 256).then(|| String::from_utf8(name.to_vec()).ok()).flatten()
}

/// Up to `length` bytes; less at the end of the device.
fn read(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let mut done = 0;
    while done < length {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(done);
    Ok(buffer)
}

/// [`probe`] of a path, not waiting for a medium to be inserted.
pub(crate) fn probe_path(path: &Path, size: u64) -> io::Result<Option<Found>> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    probe(&file, size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_hostile_pool_name_never_panics(tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut list = vec![1, 1, 0, 0, 0, 0, 0, 4];
            list.extend(b"name");
            for word in [9_u32, 1] {
                list.extend(word.to_be_bytes());
            }
            list.extend(tail);
            let _ = pool_name(&list);
        }
    }

    fn image(size: u64, parts: &[(u64, &[u8])]) -> Option<Found> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        for (offset, bytes) in parts {
            file.write_all_at(bytes, *offset).unwrap();
        }
        probe(&file, size).unwrap()
    }

    #[test]
    fn signatures_where_their_formats_put_them() {
        let mib = 1 << 20;
        let name = |parts: &[(u64, &[u8])]| image(8 * mib, parts).map(|found| found.of);
        let md = 0xa92b_4efc_u32.to_le_bytes();
        assert_eq!(name(&[]), None);
        assert_eq!(name(&[(512, b"LABELONE"), (536, b"LVM2 001")]), Some("LVM2_member"));
        assert_eq!(name(&[(4096, &md)]), Some("linux_raid_member"));
        assert_eq!(name(&[(8 * mib - 8192, &md)]), Some("linux_raid_member"));
        assert_eq!(name(&[(8 * mib - 65536, &md)]), Some("linux_raid_member"));
        assert_eq!(name(&[(0, b"LUKS\xba\xbe")]), Some("crypto_LUKS"));
        assert_eq!(name(&[(0x10040, b"_BHRfS_M")]), Some("btrfs"));
        assert_eq!(name(&[(4086, b"SWAPSPACE2")]), Some("swap"));
    }

    #[test]
    fn boot_media_by_their_names() {
        let iso =
            image(1 << 20, &[(0x8001, b"CD001"), (0x8028, b"LASTWRITE LIVE  "), (0x8000 + 813, b"2026112407030500")]);
        let iso = iso.unwrap();
        assert_eq!(iso.label.as_deref(), Some("LASTWRITE LIVE"));
        assert_eq!(iso.uuid.as_deref(), Some("2026-11-24-07-03-05-00"));
        let fat = image(1 << 20, &[(82, b"FAT32   "), (71, b"STICK      "), (67, &[0x34, 0x12, 0xcd, 0xab])]).unwrap();
        assert_eq!((fat.label.as_deref(), fat.uuid.as_deref()), (Some("STICK"), Some("ABCD-1234")));
    }

    #[test]
    fn a_zfs_label_names_its_pool() {
        let mut list = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        for word in [32_u32, 32, 4] {
            list.extend(word.to_be_bytes());
        }
        list.extend(b"name");
        for word in [9_u32, 1, 4] {
            list.extend(word.to_be_bytes());
        }
        list.extend(b"tank");
        let found = image(8 << 20, &[(16 * 1024, &list)]).unwrap();
        assert_eq!(found, Found { of: "zfs_member", label: Some("tank".into()), uuid: None });
        let uber = 0x00ba_b10c_u64.to_le_bytes();
        let last = (8 << 20) - 256 * 1024 + 128 * 1024;
        assert_eq!(image(8 << 20, &[(last, &uber)]), None, "only the third label's place is searched at the end");
        assert_eq!(image(8 << 20, &[(last - 256 * 1024, &uber)]).unwrap().of, "zfs_member");
    }

    #[test]
    fn tiny_devices_are_no_trouble() {
        for size in [0, 1, 512, 4095, 70_000, 524_288, 524_289] {
            assert_eq!(image(size, &[]), None);
        }
    }
}

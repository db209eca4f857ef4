//! Recorded machines: one text file each, expanded into a temporary folder.
//!
//! ```text
//! # a comment
//! [sys/devices/pci0000:00/.../block/sda]   what follows is below this folder
//! size = 500118192                         a file with a line of text
//! device/vpd_pg80 := 0080 0004 ...         a file with these bytes
//! device -> ../../../0:0:0:0               a symbolic link
//! part sda1 8:1 2048 1048576               a partition: number of the device, start, size
//! sda1/holders/ dm-0 dm-1                  a folder with empty entries of these names
//! ro !                                     a file that this machine does not have
//! /proc/self/mountinfo <<                  a file with lines, until `>>`; `/` starts at the root
//! ```
//! A section whose path ends in `block/NAME` (or `nvme-subsysN/NAME`) is a disk: `/sys/block/NAME`
//! links to it, and the attributes that every disk has get their usual values where none is given.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lastwrite::device::Roots;
use tempfile::TempDir;

const USUAL: [(&str, &str); 7] = [
    ("ro", "0"),
    ("removable", "0"),
    ("hidden", "0"),
    ("queue/rotational", "0"),
    ("queue/zoned", "none"),
    ("queue/logical_block_size", "512"),
    ("queue/physical_block_size", "512"),
];

/// An expanded machine; the folder goes away with it.
pub struct FixtureTree {
    folder: TempDir,
}

impl FixtureTree {
    /// `tests/machines/NAME.txt`.
    pub fn machine(name: &str) -> FixtureTree {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines").join(format!("{name}.txt"));
        FixtureTree::parse(&fs::read_to_string(file).unwrap())
    }

    /// From the text itself.
    pub fn parse(text: &str) -> FixtureTree {
        let folder = TempDir::new().unwrap();
        for always in ["sys/block", "proc/self", "dev"] {
            fs::create_dir_all(folder.path().join(always)).unwrap();
        }
        let mut expansion = Expansion {
            root: folder.path(),
            section: folder.path().to_owned(),
            disks: Vec::new(),
            left_out: BTreeSet::new(),
        };
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            expansion.line(line.trim(), &mut lines);
        }
        expansion.finish();
        FixtureTree { folder }
    }

    /// Where to read this machine from.
    pub fn roots(&self) -> Roots {
        Roots::recorded(self.folder.path())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

struct Expansion<'a> {
    root: &'a Path,
    section: PathBuf,
    disks: Vec<PathBuf>,
    left_out: BTreeSet<PathBuf>,
}

impl Expansion<'_> {
    fn line<'t>(&mut self, line: &str, lines: &mut impl Iterator<Item = &'t str>) {
        if line.is_empty() || line.starts_with('#') {
        } else if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            self.section = self.root.join(section);
            fs::create_dir_all(&self.section).unwrap();
            let above = self.section.parent().and_then(|p| p.file_name()?.to_str()).unwrap_or_default();
            if section.starts_with("sys/devices") && (above == "block" || above.starts_with("nvme-subsys")) {
                self.disks.push(self.section.clone());
            }
        } else if let Some(words) = line.strip_prefix("part ") {
            let words: Vec<&str> = words.split_whitespace().collect();
            let [name, number, start, size] = words[..] else { panic!("{line}") };
            let partition = name.chars().rev().take_while(char::is_ascii_digit).collect::<Vec<_>>();
            let partition: String = partition.into_iter().rev().collect();
            for (attribute, value) in
                [("dev", number), ("start", start), ("size", size), ("ro", "0"), ("partition", &partition)]
            {
                self.write(&format!("{name}/{attribute}"), format!("{value}\n").as_bytes());
            }
        } else if let Some((path, hex)) = line.split_once(" :=") {
            let digits: String = hex.split_whitespace().collect();
            let bytes: Vec<u8> =
                (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
            self.write(path, &bytes);
        } else if let Some(path) = line.strip_suffix(" <<") {
            let body: Vec<&str> = lines.map(str::trim_start).take_while(|line| *line != ">>").collect();
            self.write(path, format!("{}\n", body.join("\n")).as_bytes());
        } else if let Some(path) = line.strip_suffix(" !") {
            self.left_out.insert(self.place(path));
        } else if let Some((path, target)) = line.split_once(" -> ") {
            let link = self.place(path);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, link).unwrap();
        } else if let Some((path, value)) = line.split_once(" =") {
            self.write(path, format!("{}\n", value.trim_start()).as_bytes());
        } else if let Some((folder, names)) = line.split_once("/ ") {
            for name in names.split_whitespace() {
                self.write(&format!("{folder}/{name}"), b"");
            }
        } else {
            panic!("not understood: {line}");
        }
    }

    fn finish(&self) {
        for disk in &self.disks {
            for (attribute, value) in USUAL {
                let path = disk.join(attribute);
                if !path.exists() && !self.left_out.contains(&path) {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, format!("{value}\n")).unwrap();
                }
            }
            let link = self.root.join("sys/block").join(disk.file_name().unwrap());
            symlink(Path::new("..").join(disk.strip_prefix(self.root.join("sys")).unwrap()), link).unwrap();
        }
    }

    fn place(&self, path: &str) -> PathBuf {
        match path.trim().strip_prefix('/') {
            Some(absolute) => self.root.join(absolute),
            None => self.section.join(path.trim()),
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.place(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

//! The emulator: started out of the unpacked tree, with no file of this machine's but the test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::program::initramfs_with_program;
use crate::common::{is_left_out, skip};

/// Where `scripts/test-drives --prepare` put qemu, the kernel and the initramfs.
pub struct Rig {
    folder: PathBuf,
}

impl Rig {
    /// The rig, or a loud word (a failure under `LASTWRITE_NO_SKIP=1`) where there is none.
    pub fn find() -> Option<Rig> {
        if is_left_out("drives") {
            return None;
        }
        let folder = std::env::var_os("LASTWRITE_DRIVES")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/drives"), PathBuf::from);
        let here = ["recipe", "vmlinuz", "initramfs.cpio"].iter().all(|f| folder.join(f).exists());
        if !here {
            skip("the rig of virtual drives is not there: `scripts/test-drives --prepare` makes it");
            return None;
        }
        Some(Rig { folder: folder.canonicalize().unwrap() })
    }

    /// A guest with these devices; `place` holds its sockets and its console's text.
    pub fn start(&self, place: &Path, share: &Path, devices: &[String]) -> Child {
        let root = self.folder.join("root");
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let accelerator = std::env::var("LASTWRITE_ACCEL").unwrap_or_else(|_| accelerator().into());
        let at = |name: &str| place.join(name).display().to_string();
        let mut qemu = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"));
        qemu.arg("--library-path").arg(format!("{0}:{0}/pulseaudio", libraries.display()));
        qemu.arg(root.join("usr/bin/qemu-system-x86_64"));
        qemu.env("QEMU_MODULE_DIR", libraries.join("qemu"));
        for firmware in ["qemu", "seabios"] {
            qemu.arg("-L").arg(root.join("usr/share").join(firmware));
        }
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "640M"]);
        // A processor without AES, SHA and a source of randomness emulates them instruction by instruction, and waits
        // for randomness; five levels of page tables only cost time.
        qemu.args(["-cpu", "max,-la57"]);
        qemu.args(["-accel", &accelerator, "-machine", "q35,sata=off,memory-backend=ram"]);
        qemu.args(["-object", "memory-backend-memfd,id=ram,size=640M,share=on"]);
        qemu.arg("-kernel").arg(self.folder.join("vmlinuz"));
        qemu.arg("-initrd").arg(initramfs_with_program(&self.folder.join("initramfs.cpio")));
        qemu.args(["-append", "console=ttyS0 loglevel=7 panic=-1 mitigations=off nokaslr no_timer_check"]);
        qemu.args(["-serial", &format!("file:{}", at("console"))]);
        qemu.args(["-device", "virtio-serial-pci"]);
        qemu.args(["-chardev", &format!("socket,id=rig,path={},server=on,wait=off", at("agent"))]);
        qemu.args(["-device", "virtserialport,chardev=rig,name=rig"]);
        qemu.args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp"))]);
        qemu.arg("-virtfs");
        qemu.arg(format!("local,path={},mount_tag=share,security_model=none", share.display()));
        qemu.args(devices);
        qemu.stdin(Stdio::null()).stdout(Stdio::null());
        qemu.stderr(std::fs::File::create(place.join("qemu.err")).unwrap());
        qemu.spawn().expect("qemu starts")
    }
}

/// KVM where the processor has it. A /dev/kvm alone is not enough: on some hosts it is there without the
/// processor's help, and guests die of it.
fn accelerator() -> &'static str {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let helps = flags.split_whitespace().any(|word| matches!(word, "vmx" | "svm"));
    let opens = std::fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    if helps && opens { "kvm" } else { "tcg" }
}

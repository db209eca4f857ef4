//! Host overwrite behind real drivers: drives, plan, wipe and verification.

use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::rig::Guest;

#[test]
fn an_nvme_drive_is_listed_planned_overwritten_and_proven() {
    let nvme = NvmeDrive::new(Nvme::new("NVME-HONEST-1", 16));
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&nvme]) else { return };
    let drives = guest.drives();
    assert_eq!(drives.len(), 1, "{drives:#?}");
    assert_eq!(drives[0]["identity"]["model"], "RIG NVME");
    let (path, _) = guest.drive("NVME-HONEST-1");
    let plan = guest.lastwrite(&["--json", "plan", &path]).expect(0);
    assert!(plan.stdout.contains("NVME-HONEST-1"), "{}", plan.stdout);
    let (left, all) = nvme.left();
    assert_eq!(left, all, "looking changes nothing");

    let (ran, result) = guest.wipe("NVME-HONEST-1", &["--scheme", "zero"]);
    ran.expect(0);
    assert_eq!(result["attained"], "clear", "{result:#}");
    assert_eq!(nvme.left().0, 0);
}

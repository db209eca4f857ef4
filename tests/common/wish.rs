//! What is asked for where a test does not care.

use lastwrite::policy::{InForce, Method, StepDown, VerificationLevel, Wanted};
use lastwrite::scheme;
use lastwrite::station::{BootPartitions, Psids, TargetRule, Wish};

/// One pass of zeros, read back.
pub fn zeros() -> Wish {
    Wish {
        also_unattached: Vec::new(),
        policy: InForce::builtin().unwrap(),
        wanted: Wanted::Method(Method::Clear),
        route: None,
        step_down: StepDown::Never,
        before_destruction: false,
        scheme: scheme::find("zero").unwrap(),
        verification: VerificationLevel::Full,
        operator: None,
        targets: TargetRule::WholeDiskOnly,
        psids: Psids::default(),
        restore_hidden: None,
        unfreeze: false,
        boot_partitions: BootPartitions::Erase,
    }
}

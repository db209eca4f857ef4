//! Capacity of an NVM subsystem that no block device of this host shows: of no namespace, or of namespaces
//! that its controller is not attached to (NVM Express base 2.1 5.1.13).

use std::time::Duration;

use super::nvme::controller;
use super::nvme_namespaces::NvmeNamespaces;
use crate::device::command::Data;
use crate::device::command::nvme::{
    AdminCommand, Namespace, active_namespaces, identify_allocated, identify_controller, identify_namespace,
};
use crate::device::transport::Transport;
use crate::media::{HiddenArea, namespace_words};
use crate::units::Bytes;

const PATIENCE: Duration = Duration::from_secs(10);
/// As in [`HiddenArea::kind`].
pub const UNALLOCATED_CAPACITY: &str = "unallocated_capacity";
/// As in [`HiddenArea::kind`].
pub const UNATTACHED_NAMESPACES: &str = "unattached_namespaces";

/// What a controller says of the capacity of its subsystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvmeCapacity {
    /// SN, without spaces at its ends.
    pub serial: Option<String>,
    /// TNVMCAP: bytes in all; `None` when it does not say.
    pub total: Option<u128>,
    /// UNVMCAP: bytes of no namespace.
    pub unallocated: u128,
    /// NVMCAP of the namespaces that the controller is attached to, one by one; `None`: it does not say.
    pub attached: Vec<Option<u128>>,
    /// Those that it is not attached to.
    pub unattached: Vec<Unattached>,
}

/// A namespace that the controller is not attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unattached {
    /// Its id.
    pub nsid: u32,
    /// NVMCAP; `None`: it does not say.
    pub bytes: Option<u128>,
    /// NSZE, in bytes.
    pub size: u64,
}

impl NvmeCapacity {
    /// Asks the controller. Changes nothing.
    pub fn examine(path: &mut dyn Transport) -> Result<NvmeCapacity, String> {
        let found = controller(path)?;
        let namespaces = NvmeNamespaces::of(path, &found)?;
        let mut capacity = |nsid: u32, command: AdminCommand| -> Result<Unattached, String> {
            let mut data = [0; 4096];
            read(path, &command, &mut data)?;
            let said = Namespace::parse(&data).and_then(|namespace| Some((namespace.bytes, namespace.size()?.0)));
            let (bytes, size) = said.ok_or_else(|| format!("{} of namespace {nsid} gave nothing", command.name))?;
            Ok(Unattached { nsid, bytes: (bytes > 0).then_some(bytes), size })
        };
        let attached = namespaces.attached.iter().map(|nsid| Ok(capacity(*nsid, identify_namespace(*nsid))?.bytes));
        let attached = attached.collect::<Result<_, String>>()?;
        let unattached = namespaces.unattached.iter().map(|nsid| capacity(*nsid, identify_allocated(*nsid)));
        let unattached = unattached.collect::<Result<_, String>>()?;
        Ok(NvmeCapacity {
            serial: found.serial,
            total: (found.total_capacity > 0).then_some(found.total_capacity),
            unallocated: found.unallocated_capacity,
            attached,
            unattached,
        })
    }

    /// What no block device of this host shows. Empty also where the controller does not say enough: see
    /// [`NvmeCapacity::not_known`].
    pub fn areas(&self) -> Vec<HiddenArea> {
        let area = |kind: &str, bytes: u128, note: &str| HiddenArea {
            kind: kind.to_owned(),
            size: Some(Bytes(u64::try_from(bytes).unwrap_or(u64::MAX))),
            note: note.to_owned(),
            outcome: None,
        };
        // What the total has and no namespace, whatever UNVMCAP says of it.
        let missing = self.total.zip(self.counted()).map_or(0, |(total, counted)| total.saturating_sub(counted));
        let unallocated = Some(self.unallocated.max(missing)).filter(|bytes| *bytes > 0);
        let bytes = |one: &Unattached| one.bytes.unwrap_or(u128::from(one.size));
        let unattached = self.unattached.iter().map(bytes).fold(0u128, u128::saturating_add);
        let unattached = Some(unattached).filter(|bytes| *bytes > 0);
        let free = unallocated.map(|bytes| {
            area(UNALLOCATED_CAPACITY, bytes, "belongs to no namespace: no host write reaches it, Sanitize does")
        });
        let foreign = unattached.map(|bytes| {
            let nsids: Vec<u32> = self.unattached.iter().map(|one| one.nsid).collect();
            let which = namespace_words(&nsids);
            let note =
                format!("{which}: this controller is not attached, so no host write reaches it, and Sanitize does");
            area(UNATTACHED_NAMESPACES, bytes, &note)
        });
        free.into_iter().chain(foreign).collect()
    }

    /// Why it is not known that the block devices show all there is.
    pub fn not_known(&self) -> Option<&'static str> {
        match (self.total, self.counted()) {
            (None, _) => Some("the controller does not say how much there is in all (TNVMCAP)"),
            (_, None) => Some("a namespace does not say how much it takes (NVMCAP)"),
            (Some(_), Some(_)) => None,
        }
    }

    /// The commands by which it was asked, in words.
    pub fn asked_by() -> String {
        [identify_controller().name, active_namespaces(0).name, identify_namespace(1).name].join(", ")
    }

    /// Bytes of all namespaces, where all of them say.
    fn counted(&self) -> Option<u128> {
        let unattached = self.unattached.iter().map(|one| one.bytes);
        self.attached.iter().copied().chain(unattached).try_fold(0u128, |sum, bytes| sum.checked_add(bytes?))
    }
}

fn read(path: &mut dyn Transport, command: &AdminCommand, data: &mut [u8]) -> Result<(), String> {
    let done = path.nvme_admin(command, Data::In(data), PATIENCE).map_err(|error| error.to_string())?;
    if done.is_success() { Ok(()) } else { Err(format!("{}: {}", command.name, done.meaning())) }
}

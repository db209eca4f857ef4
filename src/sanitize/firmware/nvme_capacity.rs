//! Capacity of an NVM subsystem that no block device of this host shows: of no namespace, or of namespaces
//! that its controller is not attached to (NVM Express base 2.1 5.1.13).

use std::time::Duration;

use super::nvme::{controller, serial};
use crate::device::command::Data;
use crate::device::command::nvme::{
    AdminCommand, Controller, Namespace, active_namespaces, allocated_namespaces, identify_allocated,
    identify_controller, identify_namespace, namespace_list,
};
use crate::device::transport::Transport;
use crate::media::HiddenArea;
use crate::units::Bytes;

const PATIENCE: Duration = Duration::from_secs(10);
/// As in [`HiddenArea::kind`].
pub const UNALLOCATED_CAPACITY: &str = "unallocated_capacity";
/// As in [`HiddenArea::kind`].
pub const UNATTACHED_NAMESPACES: &str = "unattached_namespaces";
/// A list has 1,024 ids; a subsystem with more lists than this says nothing that can be believed.
const LISTS: usize = 64;

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
    /// The same of those that it is not attached to.
    pub unattached: Vec<Option<u128>>,
}

impl NvmeCapacity {
    /// Asks the controller. Changes nothing.
    pub fn examine(path: &mut dyn Transport) -> Result<NvmeCapacity, String> {
        let data = controller(path)?;
        let found = Controller::parse(&data).ok_or("Identify Controller gave no whole data")?;
        let active = ids(path, active_namespaces)?;
        // Without Namespace Management there is no list of those that are not attached, and none can be made.
        let allocated = match found.has_namespace_management {
            true => ids(path, allocated_namespaces)?,
            false => active.clone(),
        };
        let mut capacity = |nsid: &u32, command: AdminCommand| -> Result<Option<u128>, String> {
            let mut data = [0; 4096];
            read(path, &command, &mut data)?;
            let bytes = Namespace::parse(&data).map(|namespace| namespace.bytes);
            let bytes = bytes.ok_or_else(|| format!("{} of namespace {nsid} gave nothing", command.name))?;
            Ok((bytes > 0).then_some(bytes))
        };
        let attached = active.iter().map(|nsid| capacity(nsid, identify_namespace(*nsid))).collect::<Result<_, _>>()?;
        let others = allocated.iter().filter(|nsid| !active.contains(nsid));
        let unattached = others.map(|nsid| capacity(nsid, identify_allocated(*nsid))).collect::<Result<_, _>>()?;
        Ok(NvmeCapacity {
            serial: serial(&data),
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
        let unattached = self.unattached.iter().map(|bytes| bytes.unwrap_or(0)).fold(0u128, u128::saturating_add);
        let unattached = Some(unattached).filter(|bytes| *bytes > 0);
        let free = unallocated.map(|bytes| {
            area(UNALLOCATED_CAPACITY, bytes, "belongs to no namespace: no host write reaches it, Sanitize does")
        });
        let foreign = unattached.map(|bytes| {
            let note = "namespaces that this controller is not attached to: no host write reaches them, Sanitize does";
            area(UNATTACHED_NAMESPACES, bytes, note)
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
        self.attached.iter().chain(&self.unattached).try_fold(0u128, |sum, bytes| sum.checked_add((*bytes)?))
    }
}

/// A whole list of namespace ids.
fn ids(path: &mut dyn Transport, list: fn(u32) -> AdminCommand) -> Result<Vec<u32>, String> {
    let mut all: Vec<u32> = Vec::new();
    for _ in 0..LISTS {
        let command = list(all.last().copied().unwrap_or(0));
        let mut data = [0; 4096];
        read(path, &command, &mut data)?;
        let found = namespace_list(&data);
        let after = all.last().copied().unwrap_or(0);
        if found.first().is_some_and(|first| *first <= after) {
            return Err(format!("{} gives the same namespaces again", command.name));
        }
        let is_last = found.len() < 1024;
        all.extend(found);
        if is_last {
            return Ok(all);
        }
    }
    Err("the list of namespaces does not end".to_owned())
}

fn read(path: &mut dyn Transport, command: &AdminCommand, data: &mut [u8]) -> Result<(), String> {
    let done = path.nvme_admin(command, Data::In(data), PATIENCE).map_err(|error| error.to_string())?;
    if done.is_success() { Ok(()) } else { Err(format!("{}: {}", command.name, done.meaning())) }
}

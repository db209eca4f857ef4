//! Which namespaces there are in an NVM subsystem, whoever is attached to them (NVM Express base 2.1 5.1.13).

use std::time::Duration;

use super::choose::namespace;
use super::nvme::controller;
use crate::device::command::nvme::{AdminCommand, Controller, active_namespaces, allocated_namespaces, namespace_list};
use crate::device::command::{Data, le32};
use crate::device::transport::Transport;
use crate::media::Medium;

const PATIENCE: Duration = Duration::from_secs(10);
/// A list has 1,024 ids; a subsystem with more lists than this says nothing that can be believed.
const LISTS: usize = 64;

/// Namespaces by their ids, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NvmeNamespaces {
    /// Those that the controller is attached to.
    pub attached: Vec<u32>,
    /// Those of the subsystem that it is not: of no controller, or of another one.
    pub unattached: Vec<u32>,
}

impl NvmeNamespaces {
    /// Asks the controller. Changes nothing.
    pub fn ask(path: &mut dyn Transport) -> Result<NvmeNamespaces, String> {
        let found = controller(path)?;
        match found.namespaces {
            // NN counts for the subsystem: there is no other id.
            1 => Ok(NvmeNamespaces { attached: vec![1], unattached: Vec::new() }),
            _ => NvmeNamespaces::of(path, &found),
        }
    }

    pub(super) fn of(path: &mut dyn Transport, found: &Controller) -> Result<NvmeNamespaces, String> {
        let attached = ids(path, active_namespaces)?;
        // Without Namespace Management a controller that is alone has no list of those that are not attached, and
        // none can be made. Beside another one there may be some of that one's own.
        let allocated = match found.has_namespace_management || found.multi_controller {
            true => ids(path, allocated_namespaces)?,
            false => Vec::new(),
        };
        let unattached = allocated.into_iter().filter(|nsid| !attached.contains(nsid)).collect();
        Ok(NvmeNamespaces { attached, unattached })
    }

    /// Those that are none of these media.
    pub fn beside<'a>(&self, media: impl IntoIterator<Item = &'a Medium>) -> Vec<u32> {
        let shown: Vec<u32> = media.into_iter().filter_map(namespace).collect();
        let all = self.attached.iter().chain(&self.unattached);
        let mut beside: Vec<u32> = all.copied().filter(|nsid| !shown.contains(nsid)).collect();
        beside.sort_unstable();
        beside
    }
}

/// A whole list of namespace ids.
fn ids(path: &mut dyn Transport, list: fn(u32) -> AdminCommand) -> Result<Vec<u32>, String> {
    let mut all: Vec<u32> = Vec::new();
    for _ in 0..LISTS {
        let after = all.last().copied().unwrap_or(0);
        let command = list(after);
        let mut data = [0; 4096];
        let done = path.nvme_admin(&command, Data::In(&mut data), PATIENCE).map_err(|error| error.to_string())?;
        if !done.is_success() {
            return Err(format!("{}: {}", command.name, done.meaning()));
        }
        let found = namespace_list(&data);
        if found.first().is_some_and(|first| *first <= after) {
            return Err(format!("{} gives the same namespaces again", command.name));
        }
        // What stands behind the end was meant to say something.
        if le32(&data, 4 * found.len()).is_some_and(|next| next != 0) {
            return Err(format!("{} is out of order", command.name));
        }
        let is_last = found.len() < 1024;
        all.extend(found);
        if is_last {
            return Ok(all);
        }
    }
    Err("the list of namespaces does not end".to_owned())
}

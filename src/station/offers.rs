//! What a medium offers: it is asked by its own commands, and nothing on it is changed.

use std::cell::LazyCell;
use std::collections::HashMap;

use super::hidden::Hidden;
use crate::device::command::mmc::Area;
use crate::device::transport::{Linux, Transport as Path};
use crate::device::{self, Roots};
use crate::media::{Medium, Protection, Reach, Transport, Zoned, namespace_words};
use crate::policy::{self, Offer, Technique};
use crate::sanitize::firmware::{
    BOOT_PARTITIONS, Bond, BootPartitions, Look, NvmeNamespaces, Psids, check_alone, not_shown, procedure_for,
};

/// The answers of one medium.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Each technique with what the drive and its path say of it.
    pub looks: Vec<(Technique, Result<Look, String>)>,
    /// What each reach would erase along; `Err`: that must not happen.
    reached: HashMap<Reach, Result<Vec<Medium>, String>>,
    /// Why the host cannot overwrite it in place.
    host_cannot: Option<String>,
}

impl Answers {
    /// Of a drive that was not asked, or gave no answer.
    pub fn unasked(medium: &Medium, techniques: &[Technique], why: &str) -> Answers {
        let looks = techniques.iter().map(|technique| (*technique, Err(why.to_owned()))).collect();
        let host_cannot = (medium.zoned == Zoned::HostManaged)
            .then(|| "its zones can only be written from their start (zone-reset-overwrite)".to_owned());
        Answers { looks, host_cannot, ..Answers::default() }
    }

    /// Asks the drive for each technique, and the host for everything that each would reach. A person has named the
    /// namespaces `unattached` here to be erased along.
    pub fn ask(
        roots: &Roots,
        medium: &Medium,
        techniques: &[Technique],
        psids: &Psids,
        boot: BootPartitions,
        unattached: &[u32],
    ) -> Answers {
        let mut answers = Answers::unasked(medium, &[], "");
        if techniques.is_empty() {
            return answers;
        }
        let mut path = match Linux::to_ask(roots, medium) {
            Ok(path) => path,
            Err(error) => {
                return Answers::unasked(medium, techniques, &format!("the drive could not be asked: {error}"));
            }
        };
        let own = LazyCell::new(|| device::own_serial(roots, medium));
        for technique in techniques {
            let mut look = match procedure_for(*technique, medium, psids, boot) {
                None => Err("it cannot be sent to this medium".to_owned()),
                Some(procedure) if procedure.tells_serial() => {
                    let bond = Bond::of(*technique, medium, || (*own).clone());
                    procedure.look(&mut path).and_then(|look| checked(look, &bond, medium))
                }
                Some(procedure) => procedure.look(&mut path),
            };
            if let Ok(look) = &mut look {
                let locks = matches!(technique, Technique::AtaSecurityErase | Technique::AtaSecurityEraseEnhanced);
                if locks && medium.transport == Transport::Usb {
                    look.notes.push(
                        "many USB bridges reset a disk that is busy for long, which leaves it locked: attach it directly, or \
                         take the run up again with `resume`"
                            .to_owned(),
                    );
                }
                written_in_order(medium.zoned, *technique, look);
                if look.supported && look.obstacle.is_none() {
                    look.obstacle = check_alone(*technique, roots, medium).err();
                }
                let reach = look.reach;
                let along = answers
                    .reached
                    .entry(reach)
                    .or_insert_with(|| reached(roots, medium, reach, &mut path, unattached));
                if let (Ok(along), None) = (along, &look.obstacle) {
                    let is_here = |area: &Area| along.iter().any(|m| m.identity.unit.as_deref() == Some(area.name()));
                    look.obstacle = look.areas.iter().find(|area| !is_here(area)).map(|area| not_shown(*area));
                }
            }
            answers.looks.push((*technique, look));
        }
        answers
    }

    /// As policy wants to know it: what the drive supports, and what it was not possible to ask for.
    /// To be written by the host is what every medium offers. That a technique is frozen is no obstacle where
    /// the drive may be unfrozen first.
    pub fn offers(&self, unfreeze: bool, hidden: &Hidden) -> Vec<Offer> {
        let mut closed = hidden.areas().peekable();
        let boot_alone = closed.peek().is_some() && closed.all(|area| area.kind == BOOT_PARTITIONS);
        let offer = |(technique, look): &(Technique, Result<Look, String>)| {
            let obstacle = match look {
                Err(why) => Some(why.clone()),
                Ok(look) if !look.supported => return None,
                Ok(look) => {
                    let own = look.obstacle.clone().filter(|_| look.frozen.is_none() || !unfreeze);
                    own.or_else(|| self.reached.get(&look.reach)?.as_ref().err().cloned())
                }
            };
            let reaches_closed = boot_alone && look.as_ref().is_ok_and(|look| look.areas == Area::BOOT);
            Some(Offer { technique: *technique, obstacle, reaches_closed })
        };
        let host =
            policy::host_writing().into_iter().map(|offer| Offer { obstacle: self.host_cannot.clone(), ..offer });
        self.looks.iter().filter_map(offer).chain(host).collect()
    }

    /// What a technique's look said.
    pub fn look(&self, technique: Technique) -> Option<&Look> {
        self.looks.iter().find(|(t, _)| *t == technique).and_then(|(_, look)| look.as_ref().ok())
    }

    /// What a reach erases along.
    pub fn also(&self, reach: Reach) -> Vec<Medium> {
        self.reached.get(&reach).and_then(|media| media.as_ref().ok()).cloned().unwrap_or_default()
    }
}

/// A path on which another drive answers, or may answer, is no path to this one.
fn checked(look: Look, bond: &Bond, medium: &Medium) -> Result<Look, String> {
    // What is not supported is not sent: whose answer it was does not matter.
    if !look.supported {
        return Ok(look);
    }
    match bond.check(look.serial.as_deref()) {
        Ok(()) => Ok(look),
        Err(why) if bond.is_handed_on() || medium.transport == Transport::Usb => {
            Err(format!("{why}; a bridge may hold any drive: attach it directly"))
        }
        Err(why) => Err(why),
    }
}

/// On a host-managed drive no known content can be put before an erase, so that nothing would show what it did.
fn written_in_order(zoned: Zoned, technique: Technique, look: &mut Look) {
    if zoned == Zoned::HostManaged && technique != Technique::ZoneResetOverwrite && look.supported {
        // Nothing helps against it, whatever else stands in the way.
        look.frozen = None;
        look.obstacle = Some(
            "its zones can only be written in order, so no known content can be written before the erase, and nothing \
             would show that the drive erased anything (zone-reset-overwrite)"
                .to_owned(),
        );
    }
}

fn reached(
    roots: &Roots,
    medium: &Medium,
    reach: Reach,
    path: &mut dyn Path,
    named: &[u32],
) -> Result<Vec<Medium>, String> {
    let media = device::reached(roots, medium, reach).map_err(|error| error.to_string())?;
    match media.iter().find(|other| !other.may_be_wiped()) {
        None if reach == Reach::Subsystem => {
            let all = NvmeNamespaces::ask(path)
                .map_err(|why| format!("which namespaces it would erase along cannot be told ({why})"))?;
            unseen(&all.beside(media.iter().chain([medium])), named)?;
            Ok(media)
        }
        None => Ok(media),
        Some(other) => Err(format!(
            "it would erase {} as well, which must not be wiped: {}",
            other.path.display(),
            Protection::joined(&other.protections)
        )),
    }
}

/// What no device here shows cannot be looked at, nor confirmed by a token: a person has to name all of it.
fn unseen(there: &[u32], named: &[u32]) -> Result<(), String> {
    if there == named {
        return Ok(());
    }
    let (what, list) = (namespace_words(there), there.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
    match (there, named) {
        ([], _) => Err(format!(
            "--also-unattached names {}, and this host shows every namespace of the drive: leave it out",
            namespace_words(named)
        )),
        (_, []) => Err(format!(
            "it would erase {what} of the drive as well, which no device here shows: whether another host uses that \
             cannot be told here. Attach it to this host (nvme attach-ns), where it is looked at and confirmed like any \
             other, or name it: --also-unattached {list}"
        )),
        (_, _) => Err(format!(
            "--also-unattached names {}, and it would erase {what} of the drive, which no device here shows",
            namespace_words(named)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sanitize::record::Frozen;

    #[test]
    fn what_no_device_shows_is_erased_along_only_where_all_of_it_was_named() {
        assert_eq!((unseen(&[], &[]), unseen(&[2, 3], &[2, 3])), (Ok(()), Ok(())));
        for (there, named, words) in [
            (&[2, 3][..], &[][..], "namespaces 2, 3 of the drive as well, which no device here shows"),
            (&[2, 3], &[], "--also-unattached 2,3"),
            (&[2, 3], &[2], "names namespace 2, and it would erase namespaces 2, 3"),
            (&[2], &[2, 3], "names namespaces 2, 3, and it would erase namespace 2 "),
            (&[2], &[3], "names namespace 3, and it would erase namespace 2 "),
            (&[], &[2], "names namespace 2, and this host shows every namespace"),
        ] {
            let why = unseen(there, named).unwrap_err();
            assert!(why.contains(words), "{words}: {why}");
        }
    }

    #[test]
    fn on_a_host_managed_drive_only_its_zones_are_reset() {
        let after = |zoned, technique, mut look: Look| {
            written_in_order(zoned, technique, &mut look);
            look
        };
        let offered = || Look { supported: true, ..Look::default() };
        use Technique as T;
        for technique in
            [T::NvmeSanitizeBlock, T::NvmeFormatUser, T::AtaSecurityErase, T::ScsiFormat, T::OpalPsidRevert]
        {
            let why = after(Zoned::HostManaged, technique, offered()).obstacle.unwrap();
            assert!(why.contains("written in order") && why.contains("zone-reset-overwrite"), "{why}");
            assert_eq!(after(Zoned::HostManaged, technique, Look::default()), Look::default());
            for zoned in [Zoned::None, Zoned::HostAware] {
                assert_eq!(after(zoned, technique, offered()), offered());
            }
        }
        assert_eq!(after(Zoned::HostManaged, Technique::ZoneResetOverwrite, offered()), offered());
        // Unfreezing it would not help.
        let frozen = Look { frozen: Some(Frozen::Sanitize), ..offered() };
        assert_eq!(after(Zoned::HostManaged, Technique::AtaSanitizeBlock, frozen).frozen, None);
    }
}

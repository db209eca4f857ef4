//! What a medium offers: it is asked by its own commands, and nothing on it is changed.

use std::collections::HashMap;

use super::hidden::Hidden;
use crate::device::command::mmc::Area;
use crate::device::transport::Linux;
use crate::device::{self, Roots};
use crate::media::{Medium, Reach, Transport, Zoned};
use crate::policy::{self, Offer, Technique};
use crate::sanitize::firmware::{BOOT_PARTITIONS, BootPartitions, Look, Psids, not_shown, procedure_for};

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

    /// Asks the drive for each technique, and the host for everything that each would reach.
    pub fn ask(
        roots: &Roots,
        medium: &Medium,
        techniques: &[Technique],
        psids: &Psids,
        boot: BootPartitions,
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
        for technique in techniques {
            let mut look = match procedure_for(*technique, medium, psids, boot) {
                None => Err("it cannot be sent to this medium".to_owned()),
                Some(procedure) if procedure.tells_serial() => {
                    procedure.look(&mut path).and_then(|look| checked(look, medium))
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
                if *technique == Technique::OpalPsidRevert && look.supported && look.obstacle.is_none() {
                    look.obstacle = reverted_along(roots, medium);
                }
                let reach = look.reach;
                let along = answers.reached.entry(reach).or_insert_with(|| reached(roots, medium, reach));
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

/// A path on which another drive answers is no path to this one.
fn checked(look: Look, medium: &Medium) -> Result<Look, String> {
    match medium.identity.serial.as_deref().map(str::trim) {
        // What is not supported is not sent: whose answer it was does not matter.
        Some(kernel) if look.supported && look.serial.as_deref() != Some(kernel) => {
            let drive = look.serial.as_deref().unwrap_or("nothing");
            let helps = match medium.transport {
                Transport::Usb => {
                    "; a bridge that names a serial number of its own may hold any drive: attach it directly"
                }
                _ => "",
            };
            Err(format!("the kernel says serial {kernel:?}, and on this path the drive itself says {drive:?}{helps}"))
        }
        _ => Ok(look),
    }
}

/// A revert is one of the whole drive, which may be more than the unit that was named. Nobody could tell what of
/// the others is gone.
fn reverted_along(roots: &Roots, medium: &Medium) -> Option<String> {
    match device::units_beside(roots, medium) {
        Ok(units) if units.is_empty() => None,
        Ok(units) => Some(format!(
            "a revert would erase the drive's other logical units along with it: {}",
            units.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        )),
        Err(error) => Some(error.to_string()),
    }
}

fn reached(roots: &Roots, medium: &Medium, reach: Reach) -> Result<Vec<Medium>, String> {
    let media = device::reached(roots, medium, reach).map_err(|error| error.to_string())?;
    match media.iter().find(|other| !other.may_be_wiped()) {
        None => Ok(media),
        Some(other) => Err(format!(
            "it would erase {} as well, which must not be wiped: {}",
            other.path.display(),
            other.protections.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        )),
    }
}

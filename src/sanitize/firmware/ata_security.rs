//! SECURITY ERASE UNIT (ACS-5 7.40), which needs a password to be set first.
//!
//! The password is one that is fixed and documented (`lastwrite`). That the command is about to be
//! sent is in the journal before the password is set, and [`Procedure::clean_up`] takes it off again
//! whenever the drive still has it: after a failure, and when a run that was cut is taken up.

use std::cell::RefCell;
use std::time::Duration;

use super::ata::{PATIENCE, THAW, ask, identify, lost, planned, registers};
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::Data;
use crate::device::command::ata::identify::{Identify, SecurityState};
use crate::device::command::ata::security::{
    EraseMode, OUR_PASSWORD, disable_password, erase_prepare, erase_unit, erase_unit_data, set_password,
    set_password_data, unlock, user_password_data,
};
use crate::device::command::ata::{Command, Outcome};
use crate::device::transport::Transport;
use crate::policy::Technique;
use crate::sanitize::record::Frozen;

/// How to take the password off by hand.
const BY_HAND: &str = "hdparm --user-master u --security-disable lastwrite /dev/sdX";

/// What a run by this technique may leave on a drive that did not answer to its end.
pub fn may_leave(technique: Technique) -> Option<String> {
    let sets_it = matches!(technique, Technique::AtaSecurityErase | Technique::AtaSecurityEraseEnhanced);
    sets_it.then(|| format!("the password `lastwrite` may be left on the drive and lock it, by hand: {BY_HAND}"))
}

/// SECURITY ERASE UNIT of a whole drive.
#[derive(Debug)]
pub struct AtaSecurityErase {
    mode: EraseMode,
    sent: RefCell<Sent>,
}

/// What this process has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Nothing,
    /// With a password that was seen to be set.
    EraseUnit,
    /// It came back with an error.
    Refused(String),
}

impl AtaSecurityErase {
    /// Normal or enhanced.
    pub fn new(mode: EraseMode) -> AtaSecurityErase {
        AtaSecurityErase { mode, sent: RefCell::new(Sent::Nothing) }
    }

    /// The commands in their order, with the block that each is sent.
    pub fn commands(&self) -> [(Command, Option<[u8; 512]>); 3] {
        [
            (set_password(), Some(set_password_data(&OUR_PASSWORD))),
            (erase_prepare(), None),
            (erase_unit(), Some(erase_unit_data(&OUR_PASSWORD, self.mode))),
        ]
    }

    fn try_to_start(&self, path: &mut dyn Transport) -> Result<Started, String> {
        let drive = identify(path)?;
        let [(set, set_data), (prepare, _), (erase, erase_data)] = self.commands();
        send(path, &set, set_data.as_ref(), PATIENCE)?;
        // Only a drive that says that the password is set is sent the rest: afterwards its absence
        // shows that the erase came to its end.
        if !security(&identify(path)?)?.enabled {
            return Err("the drive took SECURITY SET PASSWORD and says that no password is set".to_owned());
        }
        send(path, &prepare, None, PATIENCE)?;
        *self.sent.borrow_mut() = Sent::EraseUnit;
        let data = erase_data.unwrap_or([0; 512]);
        match path.ata(&erase, Data::Out(&data), self.limit(&drive)) {
            Ok(outcome) if outcome.is_success() => Ok(Started::Accepted),
            Ok(outcome) if outcome.registers.is_some() => {
                let words = format!("{} ended with {}", erase.name, registers(&outcome));
                *self.sent.borrow_mut() = Sent::Refused(words.clone());
                Ok(Started::Unknown(words))
            }
            Ok(_) => Ok(Started::Unknown(lost(&erase))),
            Err(error) if error.was_not_sent() => Err(error.to_string()),
            Err(error) => Ok(Started::Unknown(error.to_string())),
        }
    }

    /// The drive does not answer until it has ended: an hour more than it estimates, and not less
    /// than 30 MB/s take.
    fn limit(&self, drive: &Identify) -> Duration {
        let estimate = drive.security_erase_time(self.mode == EraseMode::Enhanced).unwrap_or_default();
        let by_size = drive.size().map_or(0, |size| size.0 / 30_000_000);
        (estimate + Duration::from_secs(3600)).max(Duration::from_secs(by_size + 1800))
    }
}

impl Procedure for AtaSecurityErase {
    fn technique(&self) -> Technique {
        match self.mode {
            EraseMode::Normal => Technique::AtaSecurityErase,
            EraseMode::Enhanced => Technique::AtaSecurityEraseEnhanced,
        }
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let Some(drive) = ask(path)? else { return Ok(Look::default()) };
        let enhanced = self.mode == EraseMode::Enhanced;
        let supported = drive.security.is_some_and(|security| !enhanced || security.enhanced_erase);
        let mut notes = vec![format!(
            "the password `lastwrite` is set for the erase and taken off after it; if it ever stays: {BY_HAND}"
        )];
        if let Some(id) = drive.security.and_then(|security| security.master_password_id) {
            notes.push(format!("master password id {id:04x}h"));
        }
        let state = drive.security.filter(|_| supported);
        // A password that is not ours stays when the drive thaws.
        let frozen =
            state.is_some_and(|state| state.frozen && obstacle(SecurityState { frozen: false, ..state }).is_none());
        Ok(Look {
            serial: drive.serial.as_str().map(str::to_owned),
            supported,
            obstacle: state.and_then(obstacle),
            frozen: frozen.then_some(Frozen::Security),
            estimate: drive.security_erase_time(enhanced),
            commands: self.commands().iter().map(|(c, data)| planned(c, data.as_ref().map(|d| &d[..34]))).collect(),
            notes,
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        self.try_to_start(path).unwrap_or_else(Started::Rejected)
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        let state = match identify(path).and_then(|drive| security(&drive)) {
            Ok(state) => state,
            Err(why) => return State::Unknown(why),
        };
        match (&*self.sent.borrow(), state.enabled) {
            (Sent::Nothing, _) => State::Ready,
            (Sent::Refused(words), _) => State::Failed(words.clone()),
            (Sent::EraseUnit, true) => {
                State::Failed("the password is still set: SECURITY ERASE UNIT did not come to its end".to_owned())
            }
            (Sent::EraseUnit, false) => State::Completed(
                "the password that was set is gone, as after a completed SECURITY ERASE UNIT".to_owned(),
            ),
        }
    }

    fn clean_up(&self, path: &mut dyn Transport) -> Result<Option<String>, String> {
        let left =
            |why: String| format!("the password `lastwrite` is still set on the drive: {why}. By hand: {BY_HAND}");
        let unread = |why: String| format!("{why}; {}", may_leave(self.technique()).unwrap_or_default());
        let state = identify(path).and_then(|drive| security(&drive)).map_err(unread)?;
        if !state.enabled {
            return Ok(None);
        }
        if state.frozen {
            return Err(left(format!("it is frozen; {THAW}, then take the run up again")));
        }
        if state.count_expired {
            return Err(left("too many wrong passwords were tried; cut its power, then take the run up again".into()));
        }
        let data = user_password_data(&OUR_PASSWORD);
        if state.locked {
            send(path, &unlock(), Some(&data), PATIENCE).map_err(left)?;
        }
        send(path, &disable_password(), Some(&data), PATIENCE).map_err(left)?;
        match identify(path).and_then(|drive| security(&drive)).map_err(unread)?.enabled {
            true => Err(left("the drive took SECURITY DISABLE PASSWORD, and keeps it".to_owned())),
            false => Ok(Some("the password `lastwrite` was taken off the drive again".to_owned())),
        }
    }
}

/// Why the drive would refuse it now.
fn obstacle(state: SecurityState) -> Option<String> {
    if state.frozen {
        return Some(format!("it is frozen: security commands are refused until its power is cut; {THAW}"));
    }
    if state.count_expired {
        return Some("too many wrong passwords were tried; cut its power and try again".to_owned());
    }
    let what = if state.locked { "it is locked by" } else { "it has" };
    state.enabled.then(|| {
        format!(
            "{what} a user password that is not known here; revert it with its PSID, or destroy it. One that an earlier \
             run left is taken off by hand: {BY_HAND}"
        )
    })
}

/// Sends one of the short commands. Lost registers are no refusal: what the drive says next counts.
fn send(path: &mut dyn Transport, command: &Command, data: Option<&[u8; 512]>, limit: Duration) -> Result<(), String> {
    let data = data.map_or(Data::None, |data| Data::Out(data));
    let outcome: Outcome = path.ata(command, data, limit).map_err(|error| error.to_string())?;
    match outcome.registers {
        Some(_) if !outcome.is_success() => Err(format!("{} ended with {}", command.name, registers(&outcome))),
        _ => Ok(()),
    }
}

fn security(drive: &Identify) -> Result<SecurityState, String> {
    drive.security.ok_or_else(|| "the drive does not have the Security feature set".to_owned())
}

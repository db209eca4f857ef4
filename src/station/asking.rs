//! Asks the drives of a call side by side: one that does not answer holds up none of the others.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::hidden::Hidden;
use super::offers::Answers;
use super::prepare::Wish;
use crate::device::Roots;
use crate::media::Medium;
use crate::policy::{Method, Technique, Wanted, Way};
use crate::sanitize::firmware::candidates;

/// So long the drives of a call may take to say what they can do before it goes on without those that are silent.
/// One that is asleep spins up first, and shelves let their drives do so one after the other.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one drive said.
pub(super) struct Asked {
    /// Of what it hides.
    pub hidden: Hidden,
    /// Of what it can do.
    pub answers: Answers,
}

impl Asked {
    /// Of a drive that said nothing: all that it was to be asked has no answer, and why.
    fn without(medium: &Medium, techniques: &[Technique], why: &str) -> Asked {
        let why = format!("the drive could not be asked: {why}");
        Asked { hidden: Hidden::unasked(medium, &why), answers: Answers::unasked(medium, techniques, &why) }
    }
}

/// What the drives say of all that `wish` leaves open; a medium that is refused is not asked.
pub(super) fn ask_all<E>(roots: &Roots, media: Vec<Result<Medium, E>>, wish: &Wish) -> Vec<Result<(Medium, Asked), E>> {
    let (roots, psids, boot) = (roots.clone(), wish.psids.clone(), wish.boot_partitions);
    let unattached = wish.also_unattached.clone();
    ask_each(media, wish.wanted, PATIENCE, move |medium, techniques| Asked {
        hidden: Hidden::ask(&roots, medium),
        answers: Answers::ask(&roots, medium, techniques, &psids, boot, &unattached),
    })
}

fn ask_each<E>(
    media: Vec<Result<Medium, E>>,
    wanted: Wanted,
    patience: Duration,
    ask: impl Fn(&Medium, &[Technique]) -> Asked + Send + Sync + 'static,
) -> Vec<Result<(Medium, Asked), E>> {
    let ask = Arc::new(ask);
    let with_nothing = |medium: Medium| {
        let nothing = Asked::without(&medium, &to_be_asked(&medium, wanted), "");
        (medium, nothing)
    };
    let mut asked: Vec<_> = media.into_iter().map(|medium| medium.map(with_nothing)).collect();
    // A medium that has no commands needs no thread.
    let with_commands = |(at, one): (usize, &Result<(Medium, Asked), E>)| {
        let (medium, _) = one.as_ref().ok()?;
        let techniques = to_be_asked(medium, wanted);
        (Hidden::is_asked(medium) || !techniques.is_empty()).then(|| (at, medium.clone(), techniques))
    };
    let to_ask: Vec<(usize, Medium, Vec<Technique>)> = asked.iter().enumerate().filter_map(with_commands).collect();
    let jobs = to_ask.iter().cloned().map(|(_, medium, techniques)| {
        let ask = ask.clone();
        move || ask(&medium, &techniques)
    });
    for ((at, medium, techniques), answer) in to_ask.iter().zip(side_by_side(jobs, patience)) {
        if let Ok((_, asked)) = &mut asked[*at] {
            *asked = answer.unwrap_or_else(|why| Asked::without(medium, techniques, &why));
        }
    }
    asked
}

/// Which of its own techniques a medium is asked for.
fn to_be_asked(medium: &Medium, wanted: Wanted) -> Vec<Technique> {
    let mut techniques = candidates(medium);
    if matches!(wanted, Wanted::Method(Method::Clear) | Wanted::Technique(Technique::Overwrite)) {
        // What the host writes itself needs no answer of the drive, but for its zones.
        techniques.retain(|technique| technique.way() == Way::Host);
    }
    techniques
}

/// Runs all jobs at once, a thread each; `Err` says why one has no result after `patience`. Without a result its
/// thread stays behind with the drive.
pub(super) fn side_by_side<T: Send + 'static, J: FnOnce() -> T + Send + 'static>(
    jobs: impl Iterator<Item = J>,
    patience: Duration,
) -> Vec<Result<T, String>> {
    let (sender, receiver) = mpsc::channel();
    let mut results: Vec<Option<Result<T, String>>> = Vec::new();
    for (at, job) in jobs.enumerate() {
        let sender = sender.clone();
        let thread = std::thread::Builder::new().name("lw-ask".into());
        let started = thread.spawn(move || {
            let _ = sender.send((at, job()));
        });
        results.push(started.err().map(|error| Err(error.to_string())));
    }
    drop(sender);
    let until = Instant::now() + patience;
    while let Ok((at, result)) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        results[at] = Some(Ok(result));
    }
    let late = || Err(format!("it gave no answer within {} s", patience.as_secs_f64()));
    results.into_iter().map(|result| result.unwrap_or_else(late)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::device::command::{Data, scsi};
    use crate::device::transport::{Scripted, Transport as _};
    use crate::media::{CommandSet, Geometry, Identity, Kind, MediumClass, Transport, Zoned};
    use crate::policy::HiddenAreaState;
    use crate::units::Bytes;

    fn drive(name: &str, class: MediumClass) -> Medium {
        let size = Bytes(1 << 30);
        let (transport, kind) = match class {
            MediumClass::Image => (Transport::File, Kind::Image),
            _ => (Transport::Sas, Kind::Hdd),
        };
        Medium {
            path: name.into(),
            other_paths: Vec::new(),
            identity: Identity { serial: Some(name.into()), size, ..Identity::default() },
            transport,
            kind,
            class,
            geometry: Geometry { size, logical_block: 512, physical_block: 512 },
            rotational: Some(true),
            zoned: Zoned::None,
            removable: false,
            diskseq: None,
            partition: None,
            protections: Vec::new(),
            signatures: Vec::new(),
            confirm_token: name.into(),
        }
    }

    #[test]
    fn a_silent_drive_holds_up_no_other_and_is_not_taken_for_one_that_can_do_less() {
        let names = [("silent", MediumClass::Physical), ("good", MediumClass::Physical), ("image", MediumClass::Image)];
        let media: Vec<Result<Medium, ()>> = names.map(|(name, class)| Ok(drive(name, class))).into();
        let (path, script) = Scripted::new(&[CommandSet::Scsi]);
        script.scsi(&scsi::test_unit_ready(), Ok(scsi::Outcome::default()));
        let path = Mutex::new(path);
        let (_release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let begun = Instant::now();
        let asked = ask_each(media, Wanted::Least, Duration::from_millis(300), {
            move |medium, techniques| {
                match medium.path.to_str() {
                    Some("silent") => drop(held.lock().unwrap().recv()),
                    Some("good") => {
                        let mut path = path.lock().unwrap();
                        path.scsi(&scsi::test_unit_ready(), Data::None, PATIENCE).unwrap();
                    }
                    other => panic!("{other:?} has nothing to be asked"),
                }
                Asked { hidden: Hidden::default(), answers: Answers::unasked(medium, techniques, "answered") }
            }
        });
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        script.finish();
        let one = |at: usize| asked[at].as_ref().unwrap();
        let whys = |at: usize| -> Vec<_> {
            one(at).1.answers.looks.iter().map(|(_, look)| look.as_ref().unwrap_err().as_str()).collect()
        };
        let (silent, said) = one(0);
        let count = candidates(silent).len();
        assert!(count > 0);
        assert_eq!(whys(0), vec!["the drive could not be asked: it gave no answer within 0.3 s"; count]);
        assert_eq!(whys(1), vec!["answered"; count]);
        assert!(whys(2).is_empty());
        let state = said.hidden.state(silent);
        assert!(matches!(&state, HiddenAreaState::NotExamined(why) if why.contains("0.3 s")), "{state:?}");
        let offers = said.answers.offers(false, &said.hidden);
        assert_eq!(offers.iter().filter(|offer| offer.obstacle.is_some()).count(), count, "{offers:?}");
    }
}

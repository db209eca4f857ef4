//! What is known of the medium's content before the erasing command.

use super::area::{self, AreaKnown};
use super::canary::{Canaries, buffer, offset};
use super::note::{Earlier, Note, Past};
use super::procedure::{Look, State};
use super::run::{Refusal, Session};
use super::sample::Samples;

/// What was on the medium before the command.
pub(super) struct Known {
    pub canaries: Canaries,
    pub stored: u32,
    pub samples: Samples,
    pub areas: Vec<AreaKnown>,
}

impl Known {
    /// By the notes of earlier starts, where they came so far.
    pub fn noted(past: &Past) -> Option<Known> {
        let stored = past.canaries.clone().and_then(|(canaries, stored)| Some((canaries, stored?)));
        // Without canaries nothing tells an older end from the one that was meant.
        let (canaries, stored) = stored.or_else(|| past.without_canaries.as_ref().map(|_| (Canaries::none(), 0)))?;
        Some(Known { canaries, stored, samples: past.samples.clone().unwrap_or_default(), areas: past.areas.clone() })
    }

    /// Samples what is there and stores known content. `state` is the drive's, before anything was sent.
    pub fn make(
        session: &mut Session<'_>,
        past: &Past,
        fresh: Canaries,
        look: &Look,
        state: &State,
    ) -> Result<Known, Refusal> {
        if let Some(why) = look.without_canaries.clone() {
            session.diary.note(Note::WithoutCanaries { why })?;
            return Ok(Known::nothing(Samples::default()));
        }
        if matches!(state, State::Failed(_))
            && let Some(words) = shut(session, &fresh)
        {
            return Known::from_before(session, past, &words);
        }
        let samples = sample(session, past, &fresh)?;
        let stored = store(session, &fresh)?;
        let areas = area::store(session, &past.areas, &fresh.key)?;
        Ok(Known { canaries: fresh, stored, samples, areas })
    }

    /// Of a medium that a failed sanitize or format has shut. Only another one opens it, so that may not be refused for
    /// want of known content: what the run knew before stays known, and where it knew nothing, the drive's word is all.
    fn from_before(session: &mut Session<'_>, past: &Past, words: &str) -> Result<Known, Refusal> {
        if let Some(known) = Known::noted(past).filter(|known| known.stored > 0) {
            return Ok(known);
        }
        let why = format!("an erase of its own failed ({words}), and the drive takes neither reads nor writes since");
        match &past.earlier {
            // Canaries that this technique only began to store may stand in the place of those.
            Some(earlier) if past.canaries.is_none() => {
                let Earlier { canaries, stored, samples, .. } = earlier.clone();
                session.diary.note(Note::KnownFromBefore { why, earlier: earlier.clone() })?;
                Ok(Known { canaries, stored, samples, areas: Vec::new() })
            }
            _ => {
                let why = format!("{why}; wipe it once more for a proof");
                session.diary.note(Note::WithoutCanaries { why })?;
                Ok(Known::nothing(past.samples.clone().unwrap_or_default()))
            }
        }
    }

    fn nothing(samples: Samples) -> Known {
        Known { canaries: Canaries::none(), stored: 0, samples, areas: Vec::new() }
    }
}

/// The drive's words, where it says that a failed erase has shut it, and is seen to be shut. Only a few places are
/// tried: the kernel takes a drive that refuses many reads for broken.
fn shut(session: &mut Session<'_>, places: &Canaries) -> Option<String> {
    let words = session.procedure.shut(session.path)?;
    let (_, block) = session.blocks.geometry();
    let mut buf = buffer(block);
    let (first, last) = (places.lbas.first()?, places.lbas.last()?);
    let mut refused = |lba| offset(block, lba).and_then(|at| session.blocks.read(at, &mut buf)).is_err();
    (refused(*first) && refused(*last)).then_some(words)
}

fn sample(session: &mut Session<'_>, past: &Past, canaries: &Canaries) -> Result<Samples, Refusal> {
    if let Some(samples) = &past.samples {
        return Ok(samples.clone());
    }
    let (size, block) = session.blocks.geometry();
    let samples = Samples::take(session.blocks, size, block, session.seed, canaries);
    session.diary.note(Note::SamplesTaken { samples: samples.clone() })?;
    Ok(samples)
}

fn store(session: &mut Session<'_>, canaries: &Canaries) -> Result<u32, Refusal> {
    session.diary.note(Note::CanariesPlanned { canaries: canaries.clone() })?;
    let stored = canaries.store(session.blocks).map_err(|error| Refusal::Canaries(error.to_string()))?;
    if stored == 0 || stored as usize != canaries.lbas.len() {
        let wanted = canaries.lbas.len();
        return Err(Refusal::Canaries(format!("{stored} of {wanted} blocks gave back what was written to them")));
    }
    session.diary.note(Note::CanariesStored { stored })?;
    Ok(stored)
}

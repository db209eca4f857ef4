//! Assets move from stage to stage, and media in and out of them: what that means for what is proven.

use super::act::{Act, MediumIdentity, MediumState};
use super::asset::Asset;
use super::close::PlacedMedium;
use super::error::{Refusal, RegisterError};
use super::minimum::Minimum;
use super::stage::Stage;
use super::state::{Placed, State};
use super::work::Work;
use crate::media::MediumClass;

impl Work<'_> {
    /// Moves the asset on. What that means for its media happens with it.
    pub async fn move_stage(&mut self, tag: &str, to: Stage, reason: Option<String>) -> Result<(), RegisterError> {
        let (stream, asset) = self.asset(tag).await?;
        let now = self.now;
        let policies = self.people().await?.policies_for(asset.stage, to, now);
        let moved = Act::StageMoved { to, reason, policies };
        asset.check(&moved)?;
        let media = self.media_of(&asset).await?;
        if asset.stage == Stage::Decommissioning && to == Stage::Deployment {
            // Back to stock for somebody else: the last user's data must be gone.
            for placed in media.iter().filter(|m| m.medium.state != MediumState::Absent) {
                self.check_fit(&asset, placed).await?;
            }
        }
        self.append(&stream, moved).await?;
        for placed in media {
            let (medium, state) = (placed.stream.as_str(), placed.medium.state);
            match to {
                Stage::Utilization => self.put_to_use(medium, state).await?,
                Stage::Decommissioning if asset.stage.in_service() => self.take_out_of_use(medium, state).await?,
                Stage::Decommissioning if state == MediumState::InUse => {
                    self.set_state(medium, MediumState::Awaiting, None).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts a medium into an asset: a known one out of wherever it was, or a new one.
    pub async fn install(
        &mut self,
        tag: &str,
        identity: MediumIdentity,
        class: MediumClass,
    ) -> Result<String, RegisterError> {
        let (asset_stream, asset) = self.asset(tag).await?;
        let medium = match self.find_media(&identity).await?.as_slice() {
            [] => {
                let stream = format!("medium/{}", uuid::Uuid::now_v7());
                self.append_at(&stream, Act::MediumAdded { identity, class }, &asset_stream).await?;
                stream
            }
            [(stream, _)] => stream.clone(),
            several => {
                return Err(Refusal::rule(format!(
                    "{} media in the register could be {}",
                    several.len(),
                    identity.label()
                ))
                .into());
            }
        };
        self.put(&medium, &asset_stream, &asset).await.map(|()| medium)
    }

    /// Puts a known medium into an asset; it leaves where it was.
    pub async fn move_medium(&mut self, stream: &str, tag: &str) -> Result<(), RegisterError> {
        let (asset_stream, asset) = self.asset(tag).await?;
        self.put(stream, &asset_stream, &asset).await
    }

    async fn put(&mut self, stream: &str, asset_stream: &str, to: &Asset) -> Result<(), RegisterError> {
        let (medium, revision) = match self.placed(stream).await? {
            Some(Placed { state: State::Medium(medium), revision, .. }) => (medium, revision),
            _ => return Err(RegisterError::NotFound { what: "medium", name: stream.to_owned() }),
        };
        let (state, before) = (medium.state, medium.asset.clone());
        if before.as_deref() == Some(asset_stream) {
            return Err(Refusal::rule(format!("the medium is in {} already", to.tag)).into());
        }
        let mut used = false;
        if let Some(before) = before {
            if let Some(Placed { state: State::Asset(from), .. }) = self.placed(&before).await? {
                used = from.stage.in_service();
                if from.stage.on_its_way_out() && !to.stage.on_its_way_out() {
                    let placed = PlacedMedium { stream: stream.to_owned(), revision, medium };
                    self.check_fit(&from, &placed).await?;
                }
            }
            let reason = Some(format!("moved to {}", to.tag));
            let removed = Act::MediumRemoved { medium: stream.to_owned(), reason, unproven: false };
            self.append(&before, removed).await?;
        }
        self.append(asset_stream, Act::MediumInstalled { medium: stream.to_owned() }).await?;
        let moved = Act::MediumMoved { asset: Some(asset_stream.to_owned()), unproven: false };
        self.append(stream, moved).await?;
        match to.stage.in_service() {
            true => self.put_to_use(stream, state).await,
            false if used => self.take_out_of_use(stream, state).await,
            false => Ok(()),
        }
    }

    /// Takes a medium out of its asset. Out of one that is on its way out, compliance alone lets go of a medium
    /// that is not proven to be empty: nobody asks for its certificate any more.
    pub async fn remove(&mut self, stream: &str, reason: Option<String>) -> Result<(), RegisterError> {
        let nowhere = || RegisterError::from(Refusal::rule("the medium is in no asset"));
        let Some(Placed { state: State::Medium(medium), revision, .. }) = self.placed(stream).await? else {
            return Err(nowhere());
        };
        let Some(holder) = medium.asset.clone() else { return Err(nowhere()) };
        let Some(Placed { state: State::Asset(asset), .. }) = self.placed(&holder).await? else {
            return Err(nowhere());
        };
        let label = medium.identity.label();
        let placed = PlacedMedium { stream: stream.to_owned(), revision, medium };
        let state = placed.medium.state;
        let why = match asset.stage.on_its_way_out() && state != MediumState::Destroyed {
            true => self.unfit(&asset, &placed).await?,
            false => None,
        };
        let unproven = why.is_some();
        let removed = self.append(&holder, Act::MediumRemoved { medium: stream.to_owned(), reason, unproven }).await;
        removed.map_err(|error| match (error, why) {
            (RegisterError::Refused(refused), Some(why)) => RegisterError::Refused(Refusal {
                message: format!("{}: medium {label} is not proven to be empty ({why}): {refused}", asset.tag),
                hint: refused.hint,
            }),
            (error, _) => error,
        })?;
        if asset.stage.in_service() {
            self.take_out_of_use(stream, state).await?;
        }
        self.append(stream, Act::MediumMoved { asset: None, unproven }).await
    }

    /// Why somebody else in the organization must not get the medium as it is, by the policy that is in force.
    async fn unfit(&mut self, asset: &Asset, placed: &PlacedMedium) -> Result<Option<String>, RegisterError> {
        let now = self.now;
        let rules = self.people().await?.rules_at(Stage::Disposition, now);
        Ok(match placed.medium.state {
            MediumState::Sanitized => placed.satisfying(asset, &Minimum::for_reuse(&rules, asset.data_class)).err(),
            state => Some(format!("{}, not sanitized", state.name().replace('_', " "))),
        })
    }

    async fn check_fit(&mut self, asset: &Asset, placed: &PlacedMedium) -> Result<(), RegisterError> {
        let Some(why) = self.unfit(asset, placed).await? else { return Ok(()) };
        let label = placed.medium.identity.label();
        let refused = Refusal::rule(format!("{}: medium {label}: {why}", asset.tag));
        Err(refused.hint("wipe it and bring in the certificate, or have compliance take it out").into())
    }

    /// From now on somebody writes on it: what was proven of it is over.
    async fn put_to_use(&mut self, medium: &str, state: MediumState) -> Result<(), RegisterError> {
        match state {
            MediumState::InUse | MediumState::Awaiting | MediumState::Sanitized => {
                self.set_state(medium, MediumState::InUse, None).await
            }
            MediumState::Failed | MediumState::Absent | MediumState::Destroyed => Ok(()),
        }
    }

    /// Until now somebody may have written on it, whatever was proven meanwhile.
    async fn take_out_of_use(&mut self, medium: &str, state: MediumState) -> Result<(), RegisterError> {
        let next = match state {
            MediumState::Absent | MediumState::Destroyed => return Ok(()),
            MediumState::Failed => MediumState::Failed,
            MediumState::InUse | MediumState::Awaiting | MediumState::Sanitized => MediumState::Awaiting,
        };
        self.set_state(medium, MediumState::InUse, Some("until it left service".to_owned())).await?;
        self.set_state(medium, next, None).await
    }

    async fn set_state(&mut self, medium: &str, state: MediumState, note: Option<String>) -> Result<(), RegisterError> {
        self.act(medium, Act::MediumStateSet { state, note }).await
    }
}

//! What can go wrong in the register.

use super::stage::IllegalMove;

/// A rule says no. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which rule, about which thing.
    pub message: String,
    /// What would satisfy it.
    pub hint: Option<String>,
}

/// An error of the register.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody else changed the same thing at the same time.
    #[error("{stream} was changed by somebody else at the same time; nothing of this command was stored")]
    Conflict {
        /// What was changed.
        stream: String,
    },
    /// Nothing of that name.
    #[error("there is no {what} {name:?} in the register")]
    NotFound {
        /// Asset, medium, person.
        what: &'static str,
        /// As it was asked for.
        name: String,
    },
    /// There is no register yet.
    #[error("{0} holds no register")]
    NotInitialised(String),
    /// Its tables are of a newer program; the events are what they are.
    #[error("the tables of {0} were made by a newer version of this program")]
    OtherTables(String),
    /// There is one already.
    #[error("{0} holds a register already; init never overwrites")]
    AlreadyThere(String),
    /// What is stored cannot be right.
    #[error("the register is damaged at {place}: {why}")]
    Damaged {
        /// Stream and revision, or table.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The database.
    #[error("{doing} failed: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database's schema could not be made.
    #[error("the tables could not be made: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The actor's key could not sign.
    #[error("nothing was stored: {0}")]
    Key(#[from] crate::signed::KeyError),
    /// An event could not be written.
    #[error("an event could not be written: {0}")]
    Event(String),
}

impl Refusal {
    /// From plain words.
    pub fn rule(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), hint: None }
    }

    /// Adds what would satisfy it.
    pub fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }
}

impl From<IllegalMove> for Refusal {
    fn from(illegal: IllegalMove) -> Refusal {
        Refusal::rule(illegal.to_string())
    }
}

/// For `map_err`: what was being done.
pub(super) fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> RegisterError {
    move |source| RegisterError::Database { doing, source }
}

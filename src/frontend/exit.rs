//! The one map from errors to exit codes, and how an error is told.

use std::fmt;
use std::process::ExitCode;

/// Stable exit codes; see `docs/guide.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: anything else.
    Other,
    /// 2: the command line cannot be understood.
    Usage,
    /// 3: refused for safety or policy; nothing was touched.
    Refused,
    /// 4: sanitization failed; a signed failure report exists.
    Failed,
    /// 5: evidence invalid.
    Evidence,
    /// 6: interrupted, can be resumed.
    Interrupted,
}

impl Exit {
    /// The number a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Other => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Failed => 4,
            Exit::Evidence => 5,
            Exit::Interrupted => 6,
        }
    }

    /// The worse of two, in the order 4, 5, 1, 6, 3, 0.
    pub fn worst(self, other: Exit) -> Exit {
        let rank = |exit| match exit {
            Exit::Usage => 7,
            Exit::Failed => 6,
            Exit::Evidence => 5,
            Exit::Other => 4,
            Exit::Interrupted => 3,
            Exit::Refused => 2,
            Exit::Done => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// An error as a person gets it: what happened, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, with its causes.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// From any error, with its chain of causes.
    pub fn new(exit: Exit, error: &(dyn std::error::Error + 'static)) -> Failure {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        Failure { exit, message, hint: None }
    }

    /// From plain words.
    pub fn words(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_wins() {
        use Exit::{Done, Evidence, Failed, Interrupted, Other, Refused};
        let order = [Failed, Evidence, Other, Interrupted, Refused, Done];
        for (i, worse) in order.iter().enumerate() {
            for better in &order[i..] {
                assert_eq!(worse.worst(*better), *worse);
                assert_eq!(better.worst(*worse), *worse);
            }
        }
    }
}

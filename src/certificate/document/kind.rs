//! The sorts of signed documents about media.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Custody event: the receiver has signed a transfer.
pub const RECEIVED: &str = "custody.received";

/// A sort of document. Told by `typ` in every protected header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentType {
    /// A run passed.
    Certificate,
    /// A run failed.
    FailureReport,
    /// Somebody accepts or rejects a document (SP 800-88r2 4.5.2).
    Validation,
    /// Somebody read a medium back from its certificate alone.
    MediaVerification,
    /// A document counts no longer.
    Revocation,
    /// A medium was destroyed or degaussed.
    Destruction,
    /// All media of one asset.
    ComputerCertificate,
    /// All media of a lot.
    LotCertificate,
    /// Media change hands.
    Transfer,
    /// What was received is not what was sent.
    Discrepancy,
}

impl DocumentType {
    /// All of them.
    pub const ALL: [DocumentType; 10] = [
        DocumentType::Certificate,
        DocumentType::FailureReport,
        DocumentType::Validation,
        DocumentType::MediaVerification,
        DocumentType::Revocation,
        DocumentType::Destruction,
        DocumentType::ComputerCertificate,
        DocumentType::LotCertificate,
        DocumentType::Transfer,
        DocumentType::Discrepancy,
    ];

    /// `typ` in the protected header: the media type without `application/` (RFC 7515, 4.1.9).
    pub fn typ(self) -> &'static str {
        match self {
            DocumentType::Certificate => "vnd.lastwrite.certificate+json",
            DocumentType::FailureReport => "vnd.lastwrite.failure-report+json",
            DocumentType::Validation => "vnd.lastwrite.validation+json",
            DocumentType::MediaVerification => "vnd.lastwrite.media-verification+json",
            DocumentType::Revocation => "vnd.lastwrite.revocation+json",
            DocumentType::Destruction => "vnd.lastwrite.destruction+json",
            DocumentType::ComputerCertificate => "vnd.lastwrite.computer-certificate+json",
            DocumentType::LotCertificate => "vnd.lastwrite.lot-certificate+json",
            DocumentType::Transfer => "vnd.lastwrite.transfer+json",
            DocumentType::Discrepancy => "vnd.lastwrite.discrepancy+json",
        }
    }

    /// The sort with that `typ`.
    pub fn of_typ(typ: &str) -> Option<DocumentType> {
        DocumentType::ALL.into_iter().find(|kind| kind.typ() == typ)
    }

    /// For a sentence.
    pub fn name(self) -> &'static str {
        match self {
            DocumentType::Certificate => "certificate",
            DocumentType::FailureReport => "failure report",
            DocumentType::Validation => "validation",
            DocumentType::MediaVerification => "media verification",
            DocumentType::Revocation => "revocation",
            DocumentType::Destruction => "record of destruction",
            DocumentType::ComputerCertificate => "computer certificate",
            DocumentType::LotCertificate => "lot certificate",
            DocumentType::Transfer => "transfer",
            DocumentType::Discrepancy => "discrepancy report",
        }
    }

    /// The event in the custody log that names such a document in `data.document`.
    pub fn event(self) -> &'static str {
        match self {
            DocumentType::Certificate => "run.passed",
            DocumentType::FailureReport => "run.failed",
            DocumentType::Validation => "document.validated",
            DocumentType::MediaVerification => "medium.verified",
            DocumentType::Revocation => "document.revoked",
            DocumentType::Destruction => "medium.destroyed",
            DocumentType::ComputerCertificate | DocumentType::LotCertificate => "media.gathered",
            DocumentType::Transfer => "custody.transferred",
            DocumentType::Discrepancy => "custody.discrepancy",
        }
    }

    /// Whether an entry of that type names such a document: the log of who received a transfer tells of that alone.
    pub fn is_named_by(self, event: &str) -> bool {
        event == self.event() || (self == DocumentType::Transfer && event == RECEIVED)
    }
}

impl fmt::Display for DocumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

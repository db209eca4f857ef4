//! What a certificate says, issuing it, verifying it, and reading it as a person.
//!
//! A certificate and a failure report have one payload and two types; a failed run can be signed
//! as a report but never becomes a certificate.

pub mod document;
mod drive;
mod form;
mod governed;
mod grade;
mod hidden;
mod issue;
mod lottery;
mod page;
mod payload;
#[cfg(feature = "pdf")]
pub mod pdf;
mod route;
mod semantics;
mod show;
mod statement;
mod suspend;
mod verify;

pub use form::{BackedUp, Destination, DestinationKind, Form, GivenForm, MediaForm, Person, SanitizationForm};
pub use grade::{Grade, Mark};
pub use issue::{IssueContext, IssueError, Issued, issue, issue_failure};
pub use lottery::{Draw, Ticket};
pub use page::page;
pub use payload::{CertificatePayload, DocumentKind, Job, ReadError, id_of, read};
pub use show::{show, show_verification};
pub use verify::{Verdict, Verification, verdict as judge, verify_document, verify_document_with, verify_file};

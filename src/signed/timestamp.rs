//! Time-stamp tokens (RFC 3161) over the value of a signature, from authorities that the verifier
//! has configured.

use chrono::{DateTime, TimeDelta, Utc};
use cms::cert::CertificateChoices;
use cms::cert::x509::Certificate;
use cms::cert::x509::attr::Attribute;
use cms::cert::x509::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Any, Decode, Encode, Sequence, Tag, Tagged};
use rand::TryRng as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use webpki::{EndEntityCert, KeyUsage, ring};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use super::evidence::{EvidenceKind, Existed, TimeEvidence, sha256};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-kp-timeStamping, the content octets of its OID.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
/// The largest token that is read, in bytes.
pub const MAX_TOKEN: usize = 256 * 1024;

/// Time-stamping authorities that are believed: their root certificates, and intermediates that
/// tokens may leave out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities {
    certificates: Vec<Vec<u8>>,
}

/// A token that is refused, or could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TimestampError {
    /// The PEM with the authorities cannot be read.
    #[error("not a PEM file with certificates of time-stamping authorities: {0}")]
    Authorities(String),
    /// Not DER of the right shape.
    #[error("not a time-stamp response or token (RFC 3161): {0}")]
    Shape(String),
    /// The authority gave no token.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// The token does not hold.
    #[error("the time-stamp token is not good: {0}")]
    Bad(String),
    /// Its signer is none that is believed.
    #[error("the token's signer is no authority that is trusted here: {0}")]
    Unknown(String),
    /// The token is about something else than was asked.
    #[error("the answer is not to this question: {0}")]
    OtherQuestion(&'static str),
    /// The authority could not be reached.
    #[error("{url} could not be asked: {detail}")]
    Network {
        /// Where.
        url: String,
        /// Why.
        detail: String,
    },
}

/// A question to an authority.
#[derive(Clone, Debug)]
pub struct TimestampQuery {
    imprint: [u8; 32],
    nonce: Vec<u8>,
    der: Vec<u8>,
}

impl Authorities {
    /// Reads a PEM file with certificates. Each is a root of trust.
    pub fn parse(pem: &[u8]) -> Result<Authorities, TimestampError> {
        let bad = |e: String| TimestampError::Authorities(e);
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| bad(e.to_string()))?;
            webpki::anchor_from_trusted_cert(&certificate).map_err(|e| bad(e.to_string()))?;
            certificates.push(certificate.to_vec());
        }
        match certificates.is_empty() {
            true => Err(bad("it holds no certificate".to_owned())),
            false => Ok(Authorities { certificates }),
        }
    }

    /// Whether none is configured.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Adds those of another file.
    pub fn add(&mut self, more: Authorities) {
        self.certificates.extend(more.certificates);
    }

    /// Verifies a response or a bare token, DER: the authority's signature, its certificate up to a
    /// root of these at the token's own time, for time-stamping and nothing else, and that the token
    /// names that certificate. Gives what existed, and no later than when.
    pub fn verify(&self, bytes: &[u8]) -> Result<TimeEvidence, TimestampError> {
        let token = Token::read(bytes)?;
        let by = token.check_signature(self)?;
        Ok(TimeEvidence {
            kind: EvidenceKind::Timestamp,
            existed: Existed::Signature(token.imprint()?),
            at: token.latest()?,
            by,
        })
    }
}

impl TimestampQuery {
    /// A question about a signature's 64 bytes.
    pub fn about(signature: &[u8; 64]) -> Result<TimestampQuery, TimestampError> {
        let imprint = sha256(signature);
        let mut nonce = [0u8; 8];
        let random = |e: rand::rngs::SysError| TimestampError::Shape(format!("no random numbers: {e}"));
        rand::rngs::SysRng.try_fill_bytes(&mut nonce).map_err(random)?;
        // A positive number without leading zeros, as DER has it.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        let request = || -> der::Result<Vec<u8>> {
            TimeStampReq {
                version: TspVersion::V1,
                message_imprint: MessageImprint {
                    hash_algorithm: AlgorithmIdentifierOwned { oid: SHA256, parameters: Some(Any::null()) },
                    hashed_message: OctetString::new(imprint.as_slice())?,
                },
                req_policy: None,
                nonce: Some(Int::new(&nonce)?),
                cert_req: true,
                extensions: None,
            }
            .to_der()
        };
        Ok(TimestampQuery { imprint, nonce: nonce.to_vec(), der: request().map_err(shape)? })
    }

    /// The request, DER (`application/timestamp-query`).
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// Asks an authority over HTTP. What it says is signed, so the way there need not be trusted.
    pub fn ask(&self, url: &str) -> Result<Vec<u8>, TimestampError> {
        let network = |detail: String| TimestampError::Network { url: url.to_owned(), detail };
        if !url.starts_with("http://") {
            return Err(network(
                "only http:// is spoken here; for another way write the query, and import the answer".into(),
            ));
        }
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(std::time::Duration::from_secs(30))).build().into();
        let answer = agent.post(url).content_type("application/timestamp-query").send(self.to_der());
        let mut answer = answer.map_err(|e| network(e.to_string()))?;
        answer.body_mut().with_config().limit(MAX_TOKEN as u64).read_to_vec().map_err(|e| network(e.to_string()))
    }

    /// Whether a response answers this very question.
    pub fn check_answer(&self, bytes: &[u8]) -> Result<(), TimestampError> {
        let token = Token::read(bytes)?;
        if token.imprint()? != self.imprint {
            return Err(TimestampError::OtherQuestion("it is about other bytes"));
        }
        match token.info.nonce.as_ref().map(Int::as_bytes) {
            Some(nonce) if nonce == self.nonce => Ok(()),
            _ => Err(TimestampError::OtherQuestion("it does not repeat the nonce")),
        }
    }
}

/// SHA-256 of the signature that a token is about. Nothing is verified.
pub fn time_stamped(bytes: &[u8]) -> Result<[u8; 32], TimestampError> {
    Token::read(bytes)?.imprint()
}

struct Token {
    signed: SignedData,
    info: TstInfo,
    content: Vec<u8>,
}

/// RFC 5035: names the certificate of the signer by its hash.
#[derive(Sequence)]
struct EssCertIdV2 {
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<Any>,
}

/// RFC 2634: the same with SHA-1.
#[derive(Sequence)]
struct EssCertId {
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<Any>,
}

#[derive(Sequence)]
struct SigningCertificate {
    certs: Vec<Any>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

impl Token {
    fn read(bytes: &[u8]) -> Result<Token, TimestampError> {
        if bytes.len() > MAX_TOKEN {
            return Err(TimestampError::Shape("it is larger than any".to_owned()));
        }
        let content = match ContentInfo::from_der(bytes) {
            Ok(bare) => bare,
            Err(_) => {
                let response = TimeStampResp::from_der(bytes).map_err(shape)?;
                let status = response.status;
                response.time_stamp_token.ok_or_else(|| TimestampError::Refused(format!("{:?}", status.status)))?
            }
        };
        if content.content_type != SIGNED_DATA {
            return Err(TimestampError::Shape("it is no signed data".to_owned()));
        }
        let signed: SignedData = content.content.decode_as().map_err(shape)?;
        if signed.encap_content_info.econtent_type != TST_INFO {
            return Err(TimestampError::Shape("what it signs is no time-stamp".to_owned()));
        }
        let content = signed.encap_content_info.econtent.as_ref().filter(|c| c.tag() == Tag::OctetString);
        let content = content.ok_or_else(|| TimestampError::Shape("it has no content".to_owned()))?.value().to_vec();
        let info = TstInfo::from_der(&content).map_err(shape)?;
        Ok(Token { signed, info, content })
    }

    fn imprint(&self) -> Result<[u8; 32], TimestampError> {
        let imprint = &self.info.message_imprint;
        let hash = imprint.hashed_message.as_bytes().try_into().ok().filter(|_| imprint.hash_algorithm.oid == SHA256);
        hash.ok_or_else(|| TimestampError::Bad("it is not over a SHA-256".to_owned()))
    }

    /// The token's time and its accuracy: no later than that.
    fn latest(&self) -> Result<DateTime<Utc>, TimestampError> {
        let seconds = i64::try_from(self.info.gen_time.to_unix_duration().as_secs()).ok();
        let at = seconds.and_then(|s| DateTime::from_timestamp(s, 0));
        let accuracy = self.info.accuracy.as_ref().map_or(0, |a| {
            let part = i64::from(a.millis.is_some_and(|m| m > 0) || a.micros.is_some_and(|m| m > 0));
            i64::try_from(a.seconds.unwrap_or(0)).unwrap_or(i64::MAX).saturating_add(part)
        });
        let spread = TimeDelta::try_seconds(accuracy).filter(|_| accuracy <= 24 * 3600);
        at.zip(spread)
            .and_then(|(at, spread)| at.checked_add_signed(spread))
            .ok_or_else(|| TimestampError::Bad("its time cannot be used".to_owned()))
    }

    /// Gives the name of the signer.
    fn check_signature(&self, authorities: &Authorities) -> Result<String, TimestampError> {
        let bad = |what: &str| TimestampError::Bad(what.to_owned());
        let [signer] = self.signed.signer_infos.0.as_slice() else { return Err(bad("it must have one signer")) };
        let attributes = signer.signed_attrs.as_ref().ok_or_else(|| bad("it has no signed attributes"))?;
        let one = |oid| {
            let mut found = attributes.iter().filter(|a| a.oid == oid);
            match (found.next(), found.next()) {
                (Some(attribute), None) => value(attribute),
                _ => None,
            }
        };
        let content_type: Option<ObjectIdentifier> = one(CONTENT_TYPE).and_then(|v| v.decode_as().ok());
        if content_type != Some(TST_INFO) {
            return Err(bad("its attribute content-type is not that of a time-stamp"));
        }
        let digest =
            hash(&signer.digest_alg.oid, &self.content).ok_or_else(|| bad("its digest algorithm is not known"))?;
        if one(MESSAGE_DIGEST).filter(|v| v.tag() == Tag::OctetString).map(Any::value) != Some(digest.as_slice()) {
            return Err(bad("its content was changed"));
        }
        let certificate = self.signer_certificate(signer, authorities)?;
        let der = certificate.to_der().map_err(shape)?;
        let named = match (one(SIGNING_CERTIFICATE_V2), one(SIGNING_CERTIFICATE)) {
            (Some(attribute), _) => names_v2(attribute, &der),
            (None, Some(attribute)) => names_v1(attribute, &der),
            (None, None) => None,
        };
        if named != Some(true) {
            return Err(bad("it does not name its signer's certificate (ESS signing-certificate)"));
        }
        if !is_for_time_stamping_alone(&certificate) {
            return Err(bad("its signer's certificate is not for time-stamping alone (extended key usage, critical)"));
        }
        let message = attributes.to_der().map_err(shape)?;
        self.check_chain(signer, &der, &message, authorities)?;
        Ok(certificate.tbs_certificate.subject.to_string())
    }

    fn check_chain(
        &self,
        signer: &SignerInfo,
        der: &[u8],
        message: &[u8],
        authorities: &Authorities,
    ) -> Result<(), TimestampError> {
        let certificate = CertificateDer::from(der);
        let unknown = |e: webpki::Error| TimestampError::Unknown(e.to_string());
        let end = EndEntityCert::try_from(&certificate).map_err(unknown)?;
        let algorithms = algorithms(&signer.signature_algorithm.oid, &signer.digest_alg.oid);
        if algorithms.is_empty() {
            return Err(TimestampError::Bad("its signature algorithm is not known".to_owned()));
        }
        let genuine = algorithms.iter().any(|a| end.verify_signature(*a, message, signer.signature.as_bytes()).is_ok());
        if !genuine {
            return Err(TimestampError::Bad("its signature does not verify".to_owned()));
        }
        let roots: Vec<CertificateDer<'_>> =
            authorities.certificates.iter().map(|c| CertificateDer::from(c.as_slice())).collect();
        let anchors: Vec<TrustAnchor<'_>> =
            roots.iter().filter_map(|c| webpki::anchor_from_trusted_cert(c).ok()).collect();
        let between: Vec<CertificateDer<'_>> =
            self.certificates().iter().filter_map(|c| Some(c.to_der().ok()?.into())).collect();
        let at = UnixTime::since_unix_epoch(self.info.gen_time.to_unix_duration());
        let usage = KeyUsage::required(TIME_STAMPING);
        end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &between, at, usage, None, None)
            .map(|_| ())
            .map_err(unknown)
    }

    fn certificates(&self) -> Vec<Certificate> {
        let all = self.signed.certificates.iter().flat_map(|set| set.0.iter());
        all.filter_map(|c| if let CertificateChoices::Certificate(c) = c { Some(c.clone()) } else { None }).collect()
    }

    fn signer_certificate(
        &self,
        signer: &SignerInfo,
        authorities: &Authorities,
    ) -> Result<Certificate, TimestampError> {
        let configured = authorities.certificates.iter().filter_map(|c| Certificate::from_der(c).ok());
        let is_it = |c: &Certificate| match &signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(id) => {
                c.tbs_certificate.issuer == id.issuer && c.tbs_certificate.serial_number == id.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(id) => {
                c.tbs_certificate.get::<SubjectKeyIdentifier>().ok().flatten().is_some_and(|(_, own)| own == *id)
            }
        };
        let found = self.certificates().into_iter().chain(configured).find(is_it);
        found
            .ok_or_else(|| TimestampError::Unknown("its certificate is neither in the token nor configured".to_owned()))
    }
}

fn value(attribute: &Attribute) -> Option<&Any> {
    match attribute.values.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// RFC 3161 section 2.3: one purpose, and critical, so that nobody takes the certificate for another one.
fn is_for_time_stamping_alone(certificate: &Certificate) -> bool {
    let usage = certificate.tbs_certificate.get::<ExtendedKeyUsage>().ok().flatten();
    usage.is_some_and(|(critical, usage)| {
        critical && matches!(usage.0.as_slice(), [purpose] if purpose.as_bytes() == TIME_STAMPING)
    })
}

/// Whether the attribute's first entry names this certificate (RFC 5816).
fn names_v2(attribute: &Any, certificate: &[u8]) -> Option<bool> {
    let first: Any = first_of(attribute)?;
    let id: EssCertIdV2 = first.decode_as().ok()?;
    let oid = id.hash_algorithm.map_or(SHA256, |a| a.oid);
    Some(hash(&oid, certificate)? == id.cert_hash.as_bytes())
}

fn names_v1(attribute: &Any, certificate: &[u8]) -> Option<bool> {
    let first: Any = first_of(attribute)?;
    let id: EssCertId = first.decode_as().ok()?;
    Some(sha1::Sha1::digest(certificate).as_slice() == id.cert_hash.as_bytes())
}

/// The first of the certificates that a signing-certificate attribute lists.
fn first_of(attribute: &Any) -> Option<Any> {
    let list: SigningCertificate = attribute.decode_as().ok()?;
    list.certs.into_iter().next()
}

fn hash(algorithm: &ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    match *algorithm {
        SHA256 => Some(Sha256::digest(bytes).to_vec()),
        SHA384 => Some(Sha384::digest(bytes).to_vec()),
        SHA512 => Some(Sha512::digest(bytes).to_vec()),
        _ => None,
    }
}

/// What may verify a signature of this algorithm. The curve is the certificate's, so both are tried.
fn algorithms(
    signature: &ObjectIdentifier,
    digest: &ObjectIdentifier,
) -> Vec<&'static dyn SignatureVerificationAlgorithm> {
    let text = signature.to_string();
    match (text.as_str(), *digest) {
        (_, SHA256) if *signature == RSA => vec![ring::RSA_PKCS1_2048_8192_SHA256],
        (_, SHA384) if *signature == RSA => vec![ring::RSA_PKCS1_2048_8192_SHA384],
        (_, SHA512) if *signature == RSA => vec![ring::RSA_PKCS1_2048_8192_SHA512],
        ("1.2.840.113549.1.1.11", _) => vec![ring::RSA_PKCS1_2048_8192_SHA256],
        ("1.2.840.113549.1.1.12", _) => vec![ring::RSA_PKCS1_2048_8192_SHA384],
        ("1.2.840.113549.1.1.13", _) => vec![ring::RSA_PKCS1_2048_8192_SHA512],
        ("1.2.840.10045.4.3.2", _) => vec![ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256],
        ("1.2.840.10045.4.3.3", _) => vec![ring::ECDSA_P256_SHA384, ring::ECDSA_P384_SHA384],
        ("1.3.101.112", _) => vec![ring::ED25519],
        _ => Vec::new(),
    }
}

fn shape(e: der::Error) -> TimestampError {
    TimestampError::Shape(e.to_string())
}

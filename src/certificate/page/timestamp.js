// Time-stamp tokens (RFC 3161): signed data (CMS, RFC 5652) by an authority that the reader trusts, over the value of a
// signature. Judged as the program judges them; what it would refuse is refused here, and what this page does not know
// is not judged.

const MAX_TOKEN = 256 * 1024;
const SIGNED_DATA = "1.2.840.113549.1.7.2";
const TST_INFO = "1.2.840.113549.1.9.16.1.4";
const [CONTENT_TYPE, MESSAGE_DIGEST] = ["1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"];
const [SIGNER_BY_SHA1, SIGNER_BY_HASH] = ["1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"];
const HASHES = { "2.16.840.1.101.3.4.2.1": "SHA-256", "2.16.840.1.101.3.4.2.2": "SHA-384", "2.16.840.1.101.3.4.2.3": "SHA-512" };
const SIGNATURES = {
  "1.2.840.113549.1.1.11": { kind: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  "1.2.840.113549.1.1.12": { kind: "RSASSA-PKCS1-v1_5", hash: "SHA-384" },
  "1.2.840.113549.1.1.13": { kind: "RSASSA-PKCS1-v1_5", hash: "SHA-512" },
  "1.2.840.10045.4.3.2": { kind: "ECDSA", hash: "SHA-256" },
  "1.2.840.10045.4.3.3": { kind: "ECDSA", hash: "SHA-384" },
  "1.3.101.112": { kind: "Ed25519" },
};
const RSA_ALONE = "1.2.840.113549.1.1.1";

// What a token says, once everything holds: this signature existed, no later than then.
async function readTimestamp(bytes, authorities) {
  const token = readToken(bytes);
  const info = readInfo(token.content);
  const signer = readSigner(token.signer);
  const algorithm = algorithmOf(signer);
  demand(signer.attributes !== null, "it has no signed attributes");
  const type = signer.attribute(CONTENT_TYPE);
  demand(type?.tag === OID && oidOf(type, "its content type") === TST_INFO, "its attribute content-type is not that of a time-stamp");
  const hash = HASHES[signer.digest];
  demand(hash !== undefined, "its digest algorithm is not known");
  const digest = signer.attribute(MESSAGE_DIGEST);
  const content = new Uint8Array(await crypto.subtle.digest(hash, token.content));
  demand(digest?.tag === OCTET_STRING && sameBytes(digest.content, content), "its content was changed");
  const certificates = await readCertificates(token.certificates);
  const certificate = certificateOf(signer, [...certificates, ...authorities]);
  demand(await namesCertificate(signer, certificate.bytes), "it does not name its signer's certificate (ESS signing-certificate)");
  demand(certificate.faults.length === 0, `its signer is no authority that is trusted here: ${certificate.faults[0]}`);
  requireTimeStampingAlone(certificate);
  demand(await isSignedBy(certificate.key, algorithm, signer.message, signer.signature), "its signature does not verify");
  await leadsToAuthority(certificate, certificates.filter((c) => c.version === 2), authorities, info.at);
  return { kind: "time-stamp token", signature: info.imprint, at: info.latest, by: distinguishedName(certificate.name) };
}

// The signed data of a bare token or of a response that brings one.
function readToken(bytes) {
  demand(bytes.length <= MAX_TOKEN, "it is larger than any token");
  const what = "the token";
  let outer = partsOf(derOne(bytes), what);
  if (outer.left[0]?.tag === SEQUENCE) {
    readStatus(outer.take(SEQUENCE));
    demand(outer.left.length > 0, "the authority refused");
    const token = outer.take(SEQUENCE);
    outer.end();
    outer = partsOf(token, what);
  }
  demand(oidOf(outer.take(OID), what) === SIGNED_DATA, "it is no signed data");
  const signed = partsOf(outer.within(tagged(0), SEQUENCE), what);
  outer.end();
  smallOf(signed.take(INTEGER), "its version", 5);
  derAll(signed.take(SET).content).forEach(checkAlgorithm);
  const inside = partsOf(signed.take(SEQUENCE), what);
  demand(oidOf(inside.take(OID), what) === TST_INFO, "what it signs is no time-stamp");
  const { content } = inside.within(tagged(0), OCTET_STRING);
  inside.end();
  const certificates = signed.maybe(tagged(0));
  if (signed.maybe(tagged(1)) !== null) throw new Unjudged("it brings revocation lists, which this page does not read");
  const signers = derAll(signed.take(SET).content);
  signed.end();
  demand(signers.length === 1, "it must have one signer");
  return { content, signer: signers[0], certificates: certificates === null ? [] : derAll(certificates.content) };
}

function readStatus(value) {
  const status = partsOf(value, "the response");
  const granted = smallOf(status.take(INTEGER), "its status", 6);
  const words = status.maybe(SEQUENCE);
  if (words !== null) derAll(words.content).forEach((word) => demand(word.tag === UTF8 && text(word.content) !== null, "its status is no text"));
  if (granted > 1 || status.left.length > 0) throw new Unjudged("its response says that it was not granted as asked");
}

// What is stamped, and when.
function readInfo(content) {
  const what = "the time-stamp";
  const info = partsOf(derOne(content), what);
  demand(smallOf(info.take(INTEGER), "its version", 255) === 1, "it is of an unknown version");
  oidOf(info.take(OID), what);
  const imprint = partsOf(info.take(SEQUENCE), what);
  const hash = readAlgorithm(imprint.take(SEQUENCE));
  const stamped = imprint.take(OCTET_STRING).content;
  imprint.end();
  integerOf(info.take(INTEGER), "its serial number");
  const at = timeOf(info.take(GENERALIZED_TIME), "its time");
  const accuracy = readAccuracy(info.maybe(SEQUENCE));
  const ordering = info.maybe(BOOLEAN);
  if (ordering !== null) booleanOf(ordering, what);
  const nonce = info.maybe(INTEGER);
  if (nonce !== null) integerOf(nonce, "its nonce");
  const authority = info.maybe(tagged(0));
  if (authority !== null) {
    const name = derOne(authority.content);
    if (name.tag !== tagged(4)) throw new Unjudged("its authority is named in a way that this page does not read");
    requireOneSpelling(name, "its authority's name");
  }
  readMoreOfInfo(info.maybe(tagged(1)));
  info.end();
  demand(HASHES[hash] === "SHA-256" && stamped.length === 32, "it is not over a SHA-256");
  demand(accuracy <= 24 * 3600, "its time cannot be used");
  return { imprint: hex(stamped), at, latest: at + accuracy };
}

// How far the true time may lie from the one that is told, in whole seconds, rounded up.
function readAccuracy(value) {
  if (value === null) return 0;
  const parts = partsOf(value, "its accuracy");
  const whole = parts.maybe(INTEGER);
  const seconds = whole === null ? 0 : smallOf(whole, "its accuracy", Number.MAX_SAFE_INTEGER);
  const fractions = [parts.maybe(plain(0)), parts.maybe(plain(1))].filter((part) => part !== null);
  parts.end();
  return seconds + Number(fractions.map((part) => smallOf(part, "its accuracy", 0x7fff)).some((part) => part > 0));
}

function readMoreOfInfo(value) {
  if (value === null) return;
  for (const item of derAll(value.content)) {
    const extension = partsOf(item, "an extension");
    oidOf(extension.take(OID), "an extension");
    extension.maybe(BOOLEAN);
    extension.take(OCTET_STRING);
    extension.end();
  }
}

function readAlgorithm(value) {
  const parts = partsOf(value, "an algorithm");
  const id = oidOf(parts.take(OID), "an algorithm");
  if (parts.left.length > 0) parts.take();
  parts.end();
  return id;
}

function readSigner(value) {
  const parts = partsOf(value, "its signer");
  smallOf(parts.take(INTEGER), "its version", 5);
  const id = parts.take(SEQUENCE, plain(0));
  const digest = readAlgorithm(parts.take(SEQUENCE));
  const signed = parts.maybe(tagged(0));
  const algorithm = readAlgorithm(parts.take(SEQUENCE));
  const signature = parts.take(OCTET_STRING).content;
  const unsigned = parts.maybe(tagged(1));
  parts.end();
  if (unsigned !== null) derAll(unsigned.content);
  const attributes = signed === null ? null : readAttributes(signed);
  return {
    id, digest, algorithm, signature, attributes,
    // What is signed is the set itself, under its own tag.
    message: signed === null ? null : join(Uint8Array.of(SET), signed.whole.subarray(1)),
    // The one value of the one attribute of that name.
    attribute(name) {
      const found = attributes.filter((attribute) => attribute.name === name);
      return found.length === 1 && found[0].values.length === 1 ? found[0].values[0] : undefined;
    },
  };
}

function readAttributes(set) {
  const all = derAll(set.content);
  // The program puts them in their order before it verifies.
  if (!isSorted(all)) throw new Unjudged("its attributes are not in the order of DER");
  return all.map((item) => {
    const parts = partsOf(item, "an attribute");
    const name = oidOf(parts.take(OID), "an attribute");
    const values = derAll(parts.take(SET).content);
    parts.end();
    if (!isSorted(values)) throw new Unjudged("the values of an attribute are not in the order of DER");
    return { name, values };
  });
}

function algorithmOf({ algorithm, digest }) {
  const known = algorithm === RSA_ALONE ? { kind: "RSASSA-PKCS1-v1_5", hash: HASHES[digest] } : SIGNATURES[algorithm];
  demand(known !== undefined && (known.kind === "Ed25519" || known.hash !== undefined), "its signature algorithm is not known");
  return known;
}

async function readCertificates(values) {
  const sorted = [...values].sort((a, b) => compareBytes(a.whole, b.whole));
  demand(isSorted(sorted), "a certificate stands in it twice");
  const found = [];
  for (const value of sorted) {
    if (value.tag !== SEQUENCE) throw new Unjudged("it brings a certificate of a kind that this page does not read");
    requireOneSpelling(value, "a certificate of it");
    try {
      found.push(await readCertificate(value.whole));
    } catch (error) {
      // It may be one that is not needed.
      if (error instanceof Refused) throw new Unjudged(`it brings a certificate that this page cannot read: ${error.message}`);
      throw error;
    }
  }
  return found;
}

// The certificate that the signer names, of those at hand the first.
function certificateOf({ id }, certificates) {
  const is = id.tag === SEQUENCE ? isIssuedAs(id) : hasKeyId(id.content);
  const found = certificates.find(is);
  demand(found !== undefined, "its signer is no authority that is trusted here: its certificate is neither in the token nor known");
  requireOneSpelling(derOne(found.bytes), "its signer's certificate");
  return found;
}

function isIssuedAs(id) {
  const parts = partsOf(id, "its signer");
  const [issuer, serial] = [parts.take(SEQUENCE), parts.take(INTEGER)];
  parts.end();
  return (certificate) => sameBytes(certificate.issuer, issuer.whole) && sameBytes(certificate.serial, serial.content);
}

function hasKeyId(id) {
  return ({ extensions }) => {
    const own = extensions.get(KEY_ID);
    if (own === undefined) return false;
    const value = derOne(own.content);
    return value.tag === OCTET_STRING && sameBytes(value.content, id);
  };
}

// RFC 5816: the attribute's first entry names the certificate by its hash; RFC 2634: by SHA-1.
async function namesCertificate(signer, certificate) {
  const [byHash, bySha1] = [signer.attribute(SIGNER_BY_HASH), signer.attribute(SIGNER_BY_SHA1)];
  const list = byHash ?? bySha1;
  if (list === undefined) return false;
  const parts = partsOf(list, "what names its signer's certificate");
  const first = partsOf(derAll(parts.take(SEQUENCE).content)[0], "what names its signer's certificate");
  parts.maybe(SEQUENCE);
  parts.end();
  const algorithm = byHash === undefined ? null : first.maybe(SEQUENCE);
  const named = first.take(OCTET_STRING).content;
  first.maybe(SEQUENCE);
  first.end();
  const hash = byHash === undefined ? "SHA-1" : algorithm === null ? "SHA-256" : HASHES[readAlgorithm(algorithm)];
  return hash !== undefined && sameBytes(named, new Uint8Array(await crypto.subtle.digest(hash, certificate)));
}

// RFC 3161 section 2.3.
function requireTimeStampingAlone(certificate) {
  const [purpose, ...more] = purposesOf(certificate);
  const alone = purpose === TIME_STAMPING && more.length === 0 && certificate.extensions.get(PURPOSES).critical;
  demand(alone, "its signer's certificate is not for time-stamping alone (extended key usage, critical)");
}

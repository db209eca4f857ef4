// What others say of the time of a signature: a register's countersignature, a witness's cosignature on a checkpoint of
// the log that names the document (C2SP tlog-cosignature), and time-stamp tokens (RFC 3161). Each is verified against the
// reader's own trust before it counts.

const COUNTERSIGNATURE = "vnd.lastwrite.countersignature+json";
const ENTRY = "vnd.lastwrite.custody-entry+json";

// Whether a file is evidence of time, by its content.
function isEvidence(bytes) {
  return isToken(bytes) || isCountersignature(bytes) || isInclusion(bytes);
}

// A time-stamp response or token is DER: a sequence.
const isToken = (bytes) => bytes[0] === 0x30 && bytes.length > 64;

function isCountersignature(bytes) {
  try {
    return parseJws(bytes).signatures.every((signature) => signature.typ === COUNTERSIGNATURE);
  } catch {
    return false;
  }
}

function isInclusion(bytes) {
  try {
    const value = parseJson(text(bytes).replace(/\n$/, ""));
    return value instanceof Map && value.get("schema") === "lastwrite-inclusion";
  } catch {
    return false;
  }
}

// Verifies files of evidence. What does not hold counts for nothing, and is told; so is a token that is not judged.
async function readEvidence(files, trust) {
  const found = { evidence: [], tokens: [], refused: [] };
  for (const { bytes, name } of files) {
    try {
      if (isToken(bytes)) found.evidence.push(await readTimestamp(bytes, authoritiesOf(trust)));
      else if (trust.isEmpty) continue;
      else if (isCountersignature(bytes)) found.evidence.push(...(await readCountersignature(bytes, trust)));
      else found.evidence.push(...(await readInclusion(bytes, trust)));
    } catch (error) {
      if (error instanceof Unjudged) found.tokens.push({ name, bytes, at: earliestTime(bytes), why: error.message });
      else if (error instanceof Refused) found.refused.push({ name, why: `it is no evidence: ${error.message}` });
      else throw error;
    }
  }
  return found;
}

function authoritiesOf(trust) {
  if (trust.authorities.length > 0) return trust.authorities;
  throw new Unjudged("no time-stamping authority is known here; drop the certificate of one that you trust (PEM)");
}

function demand(holds, why) {
  if (!holds) throw new Refused(why);
}

// How a key stands at a time: within its window, and never revoked.
const standsAt = (trust, key, at) =>
  trust.revocation(key) === null && isWithin(key, at);

const COUNTERSIGNED = object({ schema: word, version: u32, document: word, signatures: list(word), received: word });

async function readCountersignature(bytes, trust) {
  const jws = parseJws(bytes);
  const payload = parseJson(text(jws.payload));
  COUNTERSIGNED(payload, "");
  demand(payload.get("schema") === "lastwrite-countersignature" && payload.get("version") === 1, "its schema is not known here");
  const [signature, ...more] = jws.signatures;
  demand(more.length === 0, "it must have one signature, the register's");
  demand(signature.kid !== null && signature.role === "register" && signature.iat !== null, "it is not signed as register, with a key's name and a date");
  demand(payload.get("received") === when(signature.iat), "its two dates differ");
  const key = trust.find(signature.kid);
  demand(key !== undefined, `register key ${signature.kid} is not trusted here`);
  demand(key.roles.includes("register"), `key ${signature.kid} is not trusted as register`);
  demand(await verifySignature(jws, 0, key), "its signature does not verify: it was changed");
  demand(standsAt(trust, key, signature.iat), "the register's key was revoked, or not valid then");
  return payload.get("signatures").map((hash) => {
    demand(isHex(hash, 64), "a hash in it is not 64 lower-case hex digits");
    return { kind: "countersignature", signature: hash, at: signature.iat, by: key.name };
  });
}

const INCLUSION = object({ schema: word, version: u32, entry: word, index: count, proof: list(hexOf(64)), checkpoint: word });
const ENTRY_SHAPE = object({
  specversion: word, id: word, source: word, type: word, subject: word, time, logid: word, index: count,
  previous: orNull(hexOf(64)), data: () => {},
});

const MAX_LINE = 4 * 1024 * 1024;

// An entry of a custody log, read strictly: it claims to be signed by a station, which is its source. Nothing is
// verified yet.
function readEntry(line) {
  demand(line.length <= MAX_LINE, "its entry is longer than any");
  const jws = parseJws(line);
  demand(jws.signatures.every((signature) => signature.typ === ENTRY), "its entry is none of a custody log");
  const entry = parseJson(text(jws.payload));
  ENTRY_SHAPE(entry, "");
  demand(entry.get("specversion") === "1.0", "its entry is of an unknown version");
  const [signature, ...more] = jws.signatures;
  const byStation = more.length === 0 && signature.role === "station" && signature.kid !== null && entry.get("source") === `urn:lastwrite:station:${signature.kid}`;
  demand(byStation, "its entry is not signed by one station, which is its source");
  return { jws, entry };
}

async function readInclusion(bytes, trust) {
  const inclusion = parseJson(text(bytes).replace(/\n$/, ""));
  INCLUSION(inclusion, "");
  demand(inclusion.get("version") === 1, "its version is not known here");
  const line = new TextEncoder().encode(inclusion.get("entry"));
  const { jws, entry } = readEntry(line);
  const checkpoint = parseCheckpoint(inclusion.get("checkpoint"));
  const fits = logIdOf(checkpoint) === entry.get("logid") && entry.get("index") === inclusion.get("index");
  demand(fits, "its entry is of another log than its checkpoint");
  const proof = inclusion.get("proof").map(fromHex);
  const stands = await isIncluded(decimal(inclusion.get("index")), checkpoint.size, await leafHash(line), proof, checkpoint.root);
  demand(stands, "its entry does not stand in the log of its checkpoint");
  const document = get(entry, "data.document");
  demand(isHex(document, 64), "its entry names no document");
  const station = jws.signatures[0].kid ?? "";
  const signer = trust.find(station);
  const signed = jws.signatures.length === 1 && signer?.roles.includes("station") && (await verifySignature(jws, 0, signer));
  demand(signed, "its entry was not signed by a station that is trusted here");
  const seen = await cosignatures(checkpoint, trust);
  demand(seen.length > 0, "no witness that is trusted here has cosigned its checkpoint");
  return seen.map(({ at, by }) => ({ kind: "cosigned checkpoint", document, station, at, by }));
}

// The witnesses of a checkpoint, each with the time that it signed. One bad signature of a trusted one spoils them all.
async function cosignatures(checkpoint, trust) {
  const seen = [];
  const names = [...new Set(checkpoint.signatures.map((line) => line.name))];
  for (const witness of trust.all().filter((key) => key.roles.includes("witness"))) {
    for (const name of names) {
      const id = await noteKeyId(name, 4, witness.bytes);
      const lines = checkpoint.signatures.filter((line) => line.name === name && sameBytes(line.id, id));
      const times = [];
      for (const line of lines) times.push(await cosignedAt(checkpoint, line, witness));
      if (times.length > 0 && standsAt(trust, witness, times[0])) seen.push({ at: times[0], by: witness.name });
    }
  }
  return seen;
}

async function cosignedAt(checkpoint, line, witness) {
  const bad = `the signature of ${line.name} does not verify`;
  demand(line.value.length === 72, bad);
  const seconds = line.value.slice(0, 8).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  // The last second that a Date can tell.
  demand(seconds <= 8_640_000_000_000n, bad);
  const message = new TextEncoder().encode(`cosignature/v1\ntime ${seconds}\n${checkpoint.body}`);
  demand(await verifyBytes(witness.bytes, message, line.value.slice(8)), bad);
  return Number(seconds);
}

// The earliest time that stands in a token that is not judged, in seconds since 1970; null where none is found. It is
// not verified, so it can only make things doubtful.
function earliestTime(bytes) {
  let earliest = null;
  for (let at = 0; at + 17 <= bytes.length; at += 1) {
    if (bytes[at] !== 0x18 || bytes[at + 1] < 15) continue;
    const digits = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(String.fromCharCode(...bytes.slice(at + 2, at + 16)));
    const time = digits ? Date.parse(`${digits.slice(1, 4).join("-")}T${digits.slice(4, 7).join(":")}Z`) / 1000 : NaN;
    if (!Number.isNaN(time) && (earliest === null || time < earliest)) earliest = time;
  }
  return earliest;
}

const holds = (bytes, part) => bytes.some((_, at) => part.every((byte, i) => bytes[at + i] === byte));

// What of all evidence speaks of one signature of a document, and which tokens do that are not judged.
async function evidenceOf(jws, index, found) {
  const signature = jws.signatures[index];
  const [value, payload] = [await sha256(signature.value), hex(await sha256(jws.payload))];
  const about = (evidence) =>
    evidence.signature !== undefined
      ? evidence.signature === hex(value)
      : signature.role === "station" && signature.kid === evidence.station && evidence.document === payload;
  return { evidence: found.evidence.filter(about), tokens: found.tokens.filter((token) => holds(token.bytes, value)) };
}

const earliestOf = (evidence) => evidence.reduce((first, e) => (first === null || e.at < first.at ? e : first), null);

// The checks that tell of evidence.
function tellEvidence({ evidence, tokens }, key) {
  const checks = evidence.map((e) => passed("time evidence", `it existed on ${when(e.at)} at the latest: ${e.kind} by ${e.by}`));
  for (const token of tokens) {
    const early = token.at === null || (key.validFrom !== null && token.at < key.validFrom);
    const says = `${token.name} is a time-stamp token (RFC 3161) of this signature that was not judged: ${token.why}`;
    // A time before the key became valid would speak against the signature.
    checks.push(unknown(early ? "time-stamp" : "time evidence", early ? `${says}, and it may speak against the signature` : says));
  }
  return checks;
}

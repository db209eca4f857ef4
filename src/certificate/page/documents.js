// What the documents are, what they say, and whether it can be true.

// Whose signature belongs on each, by the key that the document names; `later`: it may follow.
const KINDS = new Map(
  Object.entries({
    "certificate": { name: "Certificate of sanitization", signers: [{ role: "station" }] },
    "failure-report": { name: "Failure report", signers: [{ role: "station" }] },
    "validation": { name: "Validation", signers: [{ role: "validator", kid: "by.kid" }] },
    "revocation": { name: "Revocation", signers: [{ role: "validator", kid: "by.kid" }] },
    "media-verification": { name: "Second reading", signers: [{ role: "station", kid: "station_kid" }, { role: "verifier", kid: "by.kid" }] },
    "destruction": { name: "Record of destruction", signers: [{ role: "operator", kid: "operator.kid" }, { role: "witness", kid: "witness.kid", later: true }] },
    "computer-certificate": { name: "Certificate of a computer", signers: [{ role: "station", kid: "station_kid" }] },
    "lot-certificate": { name: "Certificate of a lot", signers: [{ role: "station", kid: "station_kid" }] },
    "transfer": { name: "Transfer", signers: [{ role: "transferor", kid: "from.kid" }, { role: "receiver", kid: "to.kid", later: true }] },
    "discrepancy": { name: "Discrepancy report", signers: [{ role: "receiver", kid: "by.kid" }] },
  }).map(([word, known]) => [`vnd.lastwrite.${word}+json`, { ...known, kind: word.replaceAll("-", "_") }]),
);

const RANK = { clear: 1, purge: 2, destroy: 3 };
// The clock of a station may be wrong without its signature being so.
const DOES_NOT_DECIDE = ["signing time"];

const get = (value, path) => path.split(".").reduce((at, name) => (at instanceof Map ? at.get(name) : undefined), value);

function verdictOf(checks) {
  if (checks.some((check) => check.outcome === "failed")) return "invalid";
  const open = checks.some((check) => check.outcome === "unknown" && !DOES_NOT_DECIDE.includes(check.name));
  return open ? "consistent" : "valid";
}

// Verifies one document with nothing but itself and the trust store.
async function verifyDocument(bytes, fileName, trust) {
  const document = { fileName, id: null, kind: null, typ: null, payload: null, checks: [], signatures: [], others: [] };
  let jws;
  try {
    jws = parseJws(bytes);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    document.checks.push(failed("structure", error.message));
    return judged(document);
  }
  document.checks.push(passed("structure", "a JWS in JSON general serialization, read strictly"));
  document.jws = jws;
  document.id = hex(await sha256(jws.payload));
  document.signatures = jws.signatures;
  const typ = jws.signatures[0].typ;
  const agreed = jws.signatures.every((signature) => signature.typ === typ);
  const known = agreed ? KINDS.get(typ) : undefined;
  if (known === undefined) {
    document.checks.push(failed("typ", agreed ? `a ${typ} is no document of sanitization` : "the signatures name different sorts of document"));
    return judged(document);
  }
  document.kind = known.kind;
  document.typ = known;
  document.checks.push(passed("typ", `the document is a ${typ}`));
  document.checks.push(...(await checkSignatures(jws, trust)));
  document.checks.push(checkFileName(document));
  try {
    document.payload = parseJson(text(jws.payload));
    document.checks.push(...checkContent(document));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    document.checks.push(failed("content", error.message));
  }
  return judged(document);
}

function judged(document) {
  document.checks = document.checks.filter((check) => check !== null);
  document.verdict = verdictOf([...document.checks, ...document.others]);
  return document;
}

function checkFileName(document) {
  const claimed = /^([0-9a-fA-F]{64})\.json$/.exec(document.fileName ?? "")?.[1];
  if (claimed === undefined) return null;
  return claimed === document.id
    ? passed("file name", "the file is named by the SHA-256 of its payload")
    : failed("file name", `the payload's SHA-256 is ${document.id}: the payload was changed or the file renamed`);
}

function checkContent(document) {
  const { payload, kind, typ } = document;
  if (!(payload instanceof Map)) throw new Refused("the payload is not an object");
  const gathering = kind === "computer_certificate" || kind === "lot_certificate";
  const run = kind === "certificate" || kind === "failure_report";
  const schema = run ? "lastwrite-sanitization" : gathering ? "lastwrite-gathering" : `lastwrite-${kind.replaceAll("_", "-")}`;
  if (payload.get("schema") !== schema || payload.get("version") !== 1) {
    return [failed("schema", `${payload.get("schema")} version ${payload.get("version")} is not known here; ${schema} version 1 is`)];
  }
  const checks = [passed("schema", `${schema} version 1`)];
  const named = typ.signers.map((signer) => ({ ...signer, key: signer.kid ? (get(payload, signer.kid) ?? null) : undefined }));
  // Where the document names no such person, nobody of that sort belongs on it.
  for (const { role, key, later } of named.filter((signer) => signer.key !== null)) {
    const there = document.signatures.some((s) => s.role === role && (key === undefined || s.kid === key));
    const missing = `the ${role}${key ? ` (key ${key})` : ""} has not signed`;
    if (there) checks.push(passed("signed by", `a ${role} has signed`));
    else checks.push(later ? unknown("signed by", `${missing} yet`) : failed("signed by", missing));
  }
  const kids = named.map((signer) => signer.key).filter(Boolean);
  if (new Set(kids).size < kids.length) checks.push(failed("four eyes", "one key stands for two of the persons named"));
  if (run) checks.push(...checkRun(document));
  return checks;
}

const GRADES = {
  A: "attained as requested, proven by reading everything",
  B: "attained as requested, proven by representative samples",
  C: "passed with a reservation",
  D: "complete, not proven",
  F: "FAILED, not shown to be sanitized",
};

// The mark that the facts earn, as the program counts it.
function markOf(facts, isFailure) {
  const [requested, attained, proven] = ["requested", "attained", "proven"].map((name) => facts.get(name));
  if (isFailure || !attained || proven === "nothing") return "F";
  if (proven === "completion_only") return "D";
  const clean = ["unwritten", "unread", "mismatched", "unreached"].every((name) => (get(facts, `ledger.${name}`) ?? []).length === 0);
  if (!(RANK[attained] >= RANK[requested]) || !clean) return "C";
  if (proven === "full_readback" || proven === "erased_full_read") return "A";
  return proven === "sampled_readback" || proven === "erased_sampled" ? "B" : "C";
}

// A certificate must show success everywhere; a failure report must not claim any.
function checkRun(document) {
  const { payload, kind } = document;
  const facts = payload.get("facts");
  const number = (value) => (typeof value === "string" && /^(0|[1-9][0-9]*)$/.test(value) ? BigInt(value) : null);
  if (payload.get("kind") !== kind) return [failed("content", `the payload is a ${payload.get("kind")}, not a ${kind}`)];
  const size = number(get(facts, "medium.geometry.size"));
  const verification = get(facts, "verification");
  if (size === null || !(verification instanceof Map)) return [failed("content", "the payload lacks documented members")];
  const mark = get(payload, "grade.mark");
  const earned = markOf(facts, payload.get("failure") !== null);
  const grade = mark === earned ? passed("grade", `${mark}: ${GRADES[mark]}`) : failed("grade", `the grade ${mark} is claimed, the facts earn ${earned}`);
  if (kind === "failure_report") {
    const failure = payload.get("failure");
    const honest = failure instanceof Map && ["nothing", "completion_only"].includes(facts.get("proven"));
    return [grade, honest ? passed("result", `the run failed: ${failure.get("message")}`) : failed("result", "a failure report that describes no failure")];
  }
  const [requested, attained, proven] = ["requested", "attained", "proven"].map((name) => facts.get(name));
  const checks = [grade];
  checks.push(
    payload.get("failure") === null && proven !== "nothing"
      ? passed("result", "the run passed")
      : failed("result", "a certificate that carries a failure or proves nothing"),
  );
  const enough = RANK[attained] >= RANK[requested] && attained !== "destroy" && !(facts.get("technique") === "overwrite" && attained !== "clear");
  checks.push(
    enough
      ? passed("method", `${requested} requested, ${attained} attained by ${facts.get("technique")}`)
      : failed("method", `${requested} was requested, ${attained} is claimed by ${facts.get("technique")}`),
  );
  const passes = facts.get("passes");
  const whole = Array.isArray(passes) && passes.every((p) => number(p.get("written")) === size && p.get("flushed") === true && p.get("ended") !== null);
  const needed = facts.get("technique") === "overwrite" ? 1 : 0;
  checks.push(
    whole && passes.length >= needed
      ? passed("passes", passes.length === 0 ? "no overwrite pass" : `${passes.length} complete: every byte written and flushed`)
      : failed("passes", "a pass did not write and flush every byte"),
  );
  const [matched, wanted] = [number(verification.get("matched")), number(verification.get("wanted"))];
  // Two samples of at least 5 % in each section (SP 800-88r1 section 4.7); an image may end within a block.
  const covered = {
    full_readback: matched === wanted && wanted === size,
    sampled_readback: matched === wanted && wanted !== null && (wanted + 4096n) * 10n >= size,
    quick_readback: matched === wanted && matched !== null && matched > 0n,
    readback_with_exceptions: true, // judged by the ledger
    // What a drive erased by itself: nothing of what was known to be there is there.
    erased_full_read: true,
    erased_sampled: true,
    erased_known_content: true,
    completion_only: true,
  };
  const read = covered[proven] === true;
  checks.push(
    read
      ? passed("verification", `${proven.replaceAll("_", " ")}: ${matched} of ${wanted} bytes matched`)
      : failed("verification", `${proven} is claimed, but ${matched} of ${wanted} bytes matched`),
  );
  const ledger = ["unwritten", "unread", "mismatched", "unreached"].flatMap((name) => get(facts, `ledger.${name}`) ?? []);
  checks.push(
    ledger.length === 0
      ? passed("ledger", "no block went wrong")
      : unknown("ledger", `${ledger.length} ranges of blocks went wrong; only a policy can allow that: lastwrite certificate verify judges it`),
  );
  const ended = Date.parse(facts.get("ended")) / 1000;
  const early = document.signatures.some((s) => s.iat !== null && s.iat < Math.floor(ended));
  checks.push(early ? unknown("signing time", "signed before the run ended, by the signer's clock") : passed("signing time", "signed after the run ended"));
  return checks;
}

// What documents at hand say about each other. Only valid ones speak.
function relate(documents) {
  const valid = documents.filter((d) => d.payload !== null && verdictOf(d.checks) === "valid");
  const replaced = new Set(valid.map((d) => d.payload.get("replaces")).filter((id) => typeof id === "string"));
  const revoked = new Set(valid.filter((d) => d.kind === "revocation").map((d) => get(d.payload, "document.id")));
  const speakers = valid.filter((d) => !replaced.has(d.id) && !revoked.has(d.id));
  for (const document of documents) {
    document.others = document.others.filter((check) => check.name === "custody inclusion");
    for (const other of speakers) {
      const about = other === document ? null : relation(other, document);
      if (about !== null) document.others.push(about);
    }
    judged(document);
  }
}

function relation(other, document) {
  const { payload, kind } = other;
  const who = () => get(payload, "by.name") ?? payload.get("station");
  if (get(payload, "document.id") === document.id && document.id !== null) {
    if (kind === "validation") {
      const detail = `${payload.get("decision")} by ${who()} on ${payload.get("decided")}: ${payload.get("reason")}`;
      return payload.get("decision") === "accepted" ? passed("validation", detail) : failed("validation", detail);
    }
    if (kind === "revocation") {
      return failed("document revocation", `revoked by ${who()} on ${payload.get("revoked")}: ${payload.get("reason")}`);
    }
  }
  if (kind === "media_verification" && get(payload, "certificate.id") === document.id) {
    const detail = `${payload.get("result")}, read by ${payload.get("station")} on ${payload.get("ended")}`;
    if (payload.get("result") === "matched") return passed("second reading", detail);
    return payload.get("result") === "mismatched" ? failed("second reading", detail) : null;
  }
  const later =
    kind === "failure_report" &&
    document.kind === "certificate" &&
    document.payload !== null &&
    get(payload, "facts.medium.identity_digest") === get(document.payload, "facts.medium.identity_digest") &&
    Date.parse(get(payload, "facts.ended")) > Date.parse(get(document.payload, "facts.ended"));
  return later ? failed("later run", `a later run on this medium failed on ${get(payload, "facts.ended")}`) : null;
}

const BUNDLE_MAGIC = '{"schema":"lastwrite-bundle",';

// A bundle: documents as they were signed, entries of custody logs, proofs and checkpoints.
async function readBundle(bytes, trust) {
  const bundle = members(parseJson(text(bytes).replace(/\n$/, "")), ["schema", "version", "documents", "logs"], "the bundle");
  if (bundle.get("version") !== 1) throw new Refused(`bundle version ${bundle.get("version")} is not known here`);
  const documents = [];
  for (const item of bundle.get("documents")) {
    members(item, ["id", "kind", "file"], "a document of the bundle");
    documents.push({ id: item.get("id"), bytes: fromBase64url(item.get("file")) });
  }
  const logs = [];
  for (const item of bundle.get("logs")) logs.push(await readLog(item, trust));
  return { documents, logs };
}

async function readLog(item, trust) {
  members(item, ["log_id", "checkpoint", "entries"], "a log of the bundle");
  const checkpoint = parseCheckpoint(item.get("checkpoint"));
  if (checkpoint.origin.split("/").pop() !== item.get("log_id")) throw new Refused("a checkpoint of the bundle is of another log");
  const log = { id: item.get("log_id"), checkpoint, checks: [await checkCheckpoint(checkpoint, trust)], entries: [] };
  for (const entry of item.get("entries")) {
    members(entry, ["index", "line", "proof"], "an entry of the bundle");
    const line = fromBase64url(entry.get("line"));
    const index = BigInt(entry.get("index"));
    const proof = entry.get("proof").map((word) => Uint8Array.from(word.match(/../g) ?? [], (b) => parseInt(b, 16)));
    const leaf = await leafHash(line);
    const stands = await isIncluded(index, checkpoint.size, leaf, proof, checkpoint.root);
    const jws = parseJws(line);
    const checks = await checkSignatures(jws, trust);
    const worst = checks.find((c) => c.outcome === "failed") ?? checks.find((c) => c.outcome === "unknown");
    log.entries.push({ index, leaf: hex(leaf), stands, worst, content: parseJson(text(jws.payload)) });
  }
  const absent = log.entries.find((entry) => !entry.stands);
  const doubtful = log.entries.find((entry) => entry.worst);
  const count = `${log.entries.length} ${log.entries.length === 1 ? "entry stands" : "entries stand"}`;
  if (absent) log.checks.push(failed("custody entries", `entry ${absent.index} does not stand in the log`));
  else if (doubtful) log.checks.push({ ...doubtful.worst, name: "custody entries", detail: `entry ${doubtful.index}: ${doubtful.worst.detail}` });
  else log.checks.push(passed("custody entries", `${count} in the log of ${checkpoint.size} entries`));
  return log;
}

// Whether the logs of the bundle know the document.
function checkInclusion(document, logs) {
  const name = "custody inclusion";
  const intent = get(document.payload, "facts.intent");
  for (const log of logs) {
    const broken = log.checks.find((check) => check.outcome !== "passed");
    for (const entry of log.entries) {
      if (get(entry.content, "data.document") !== document.id) continue;
      if (intent instanceof Map && intent.get("log_id") === log.id) {
        const receipt = log.entries.find((e) => e.index === BigInt(intent.get("index")));
        if (receipt && receipt.leaf !== intent.get("leaf_hash")) return failed(name, `entry ${receipt.index} is not the intent that it names`);
      }
      if (broken) return { ...broken, name, detail: `entry ${entry.index} names it; ${broken.detail}` };
      return passed(name, `entry ${entry.index} of log ${log.id} (${get(entry.content, "type")}), under its signed checkpoint`);
    }
  }
  return unknown(name, "no entry of a custody log in the bundle names it");
}

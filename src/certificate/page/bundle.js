// A bundle: documents as they were signed, entries of custody logs, proofs and checkpoints. Whether each holds, and
// whether it is all: what an entry, another document or a list names, and the bundle lacks, makes it incomplete.

const BUNDLE_MAGIC = '{"schema":"lastwrite-bundle",';
const BUNDLE = object({
  schema: word, version: u32, documents: list(object({ id: word, kind: KIND, file: word })),
  logs: list(object({
    log_id: word, checkpoint: word, entries: list(object({ index: count, line: word, proof: list(hexOf(64)) })),
  })),
});
// The event in the custody log that names such a document; of a transfer also that of who received it.
const RECEIVED = "custody.received";
const EVENTS = {
  certificate: "run.passed", failure_report: "run.failed", validation: "document.validated", media_verification: "medium.verified",
  revocation: "document.revoked", destruction: "medium.destroyed", computer_certificate: "media.gathered",
  lot_certificate: "media.gathered", transfer: "custody.transferred", discrepancy: "custody.discrepancy",
};
const GATHERINGS = ["computer_certificate", "lot_certificate"];
// What others say of a run or a destruction is told by how its medium stands: a lot rightly holds a rejected certificate
// beside the record of destruction that followed. Of a list or a hand-over no medium tells that. Where it is not
// established who speaks, it is not known how the medium stands.
const SAID_BY_OTHERS = ["validation", "document revocation", "second reading", "later run", "discrepancy"];

const ascending = (items, of) => items.every((item, i) => i === 0 || of(items[i - 1]) < of(item));

// Reads a bundle, and verifies each document and each log of it.
async function readBundle(bytes, name, trust, found) {
  const content = parseJson(text(bytes).replace(/\n$/, ""));
  BUNDLE(content, "");
  demand(content.get("version") === 1, `bundle version ${content.get("version")} is not known here`);
  const [items, logs] = [content.get("documents"), content.get("logs")];
  demand(items.length > 0, "there is no document in the bundle, so it proves nothing");
  demand(ascending(items, (item) => item.get("id")), "the documents of the bundle are not in the order of their ids, or one stands twice");
  demand(ascending(logs, (log) => log.get("log_id")), "the logs of the bundle are not in the order of their ids, or one stands twice");
  const bundle = { name, documents: [], logs: [], checks: [], media: [] };
  for (const item of items) bundle.documents.push(await readBundled(item, trust, found));
  for (const log of logs) bundle.logs.push(await readLog(log, trust));
  for (const document of bundle.documents) {
    document.inclusion = checkInclusion(document, bundle.logs);
    document.log = checkNamingLog(document, bundle.logs);
    document.fileName = `${name}, ${document.id.slice(0, 12)}`;
  }
  return bundle;
}

async function readBundled(item, trust, found) {
  const what = `document ${item.get("id")} of the bundle`;
  const document = await verifyDocument(fromBase64url(item.get("file")), null, trust, found);
  const { payload, kind, id, checks } = document;
  demand(payload !== null, `${what} cannot be read: ${checks.find((check) => check.outcome === "failed")?.detail}`);
  demand(id === item.get("id"), `${what} has a payload with another SHA-256`);
  demand(kind === item.get("kind") && [undefined, kind].includes(payload.get("kind")), `${what} is no ${item.get("kind")}`);
  return document;
}

async function readLog(item, trust) {
  const [id, checkpoint] = [item.get("log_id"), parseCheckpoint(item.get("checkpoint"))];
  demand(logIdOf(checkpoint) === id, "a checkpoint of the bundle is of another log");
  demand(ascending(item.get("entries"), (entry) => decimal(entry.get("index"))), `the entries of log ${id} are not in order`);
  const log = { id, checkpoint, entries: [], checks: [await checkCheckpoint(checkpoint, trust)] };
  let [absent, doubtful] = [null, null];
  for (const bundled of item.get("entries")) {
    const [index, line] = [bundled.get("index"), fromBase64url(bundled.get("line"))];
    const { jws, entry } = readEntry(line);
    demand(entry.get("logid") === id && entry.get("index") === index, `entry ${index} of log ${id} says that it stands elsewhere`);
    const leaf = await leafHash(line);
    const proof = bundled.get("proof").map(fromHex);
    if (!(await isIncluded(decimal(index), checkpoint.size, leaf, proof, checkpoint.root))) absent ??= index;
    for (const check of await checkSignatures(jws, trust)) {
      const worse = check.outcome === "failed" ? doubtful?.outcome !== "failed" : check.outcome === "unknown" && doubtful === null;
      if (worse) doubtful = { ...check, detail: `entry ${index}: ${check.detail}` };
    }
    log.entries.push({ log: id, index, leaf: hex(leaf), type: entry.get("type"), data: entry.get("data") });
  }
  const told = `${log.entries.length} ${log.entries.length === 1 ? "entry stands" : "entries stand"} in the log of ${checkpoint.size} entries`;
  if (absent !== null) log.checks.push(failed("custody entries", `entry ${absent} does not stand in the log`));
  else log.checks.push(doubtful === null ? passed("custody entries", told) : { ...doubtful, name: "custody entries" });
  return log;
}

const dataOf = (entry, name) => (entry.data instanceof Map && isText(entry.data.get(name)) ? entry.data.get(name) : null);

const isEventOf = (kind, type) => type === EVENTS[kind] || (kind === "transfer" && type === RECEIVED);
const namesIt = (entry, document) => dataOf(entry, "document") === document.id && isEventOf(document.kind, entry.type);

// What does not hold of a log that names the document.
function checkNamingLog(document, logs) {
  const log = logs.find(({ entries }) => entries.some((entry) => namesIt(entry, document)));
  const broken = log?.checks.find((check) => check.outcome === "failed") ?? log?.checks.find((check) => check.outcome === "unknown");
  return broken ? [{ ...broken, name: "custody log" }] : [];
}

// Whether the logs of the bundle know the document.
function checkInclusion(document, logs) {
  const name = "custody inclusion";
  const entries = logs.flatMap((log) => log.entries);
  const naming = entries.find((entry) => namesIt(entry, document));
  const nobody = unknown(name, "no entry of a custody log in the bundle names it");
  const receipt = get(document.payload, "facts.intent");
  if (receipt === undefined) return naming ? passed(name, `entry ${naming.index} names it (${naming.type})`) : nobody;
  const intent = entries.find((entry) => entry.log === receipt.get("log_id") && entry.index === receipt.get("index"));
  if (intent && (intent.leaf !== receipt.get("leaf_hash") || intent.type !== "run.intended")) {
    return failed(name, `entry ${intent.index} is not the intent that it names`);
  }
  if (naming && dataOf(naming, "run_id") !== get(document.payload, "facts.run_id")) {
    return failed(name, `entry ${naming.index} names it as the outcome of another run`);
  }
  return intent && naming ? passed(name, `intent in entry ${intent.index}, outcome in entry ${naming.index}`) : nobody;
}

// Judges a bundle and each document of it by all that is at hand.
async function judgeBundle(bundle, others) {
  const { documents, logs } = bundle;
  const withLog = (document) => verdictOf([...document.checks, document.inclusion]);
  const related = new Related([documents, withLog], [others, byItself]);
  for (const document of documents) {
    document.others = [document.inclusion, ...document.log, ...related.about(document)];
    judged(document);
  }
  const gatherings = documents.filter((document) => GATHERINGS.includes(document.kind));
  bundle.checks = [...logs.flatMap((log) => log.checks), checkComplete(documents, related, logs)];
  for (const document of gatherings) bundle.checks.push(await checkGathered(document.payload, related));
  const ids = new Set(documents.map((document) => document.id));
  const inside = (id) => ids.has(id);
  bundle.media = await gather(related, inside);
  bundle.checks.push(checkMedia(bundle.media, documents));
  const own = documents.flatMap((document) => {
    const opposed = isOpposed(document, related, inside);
    const counts = (check) => opposed || check.outcome === "unknown" || !SAID_BY_OTHERS.includes(check.name);
    return [...document.checks, ...document.others].filter(counts);
  });
  bundle.verdict = verdictOf([...bundle.checks, ...own]);
}

// Whether somebody speaks against a list or a hand-over, and nothing in the bundle has taken its place.
function isOpposed(document, related, inside) {
  if (![...GATHERINGS, "transfer"].includes(document.kind)) return false;
  const against = related.about(document).filter((said) => said.outcome === "failed");
  return against.length > 0 && !against.some((said) => related.isReplaced(said.id, document, inside));
}

function checkComplete(documents, related, logs) {
  const name = "complete";
  const inside = new Set(documents.map((document) => document.id));
  const missing = new Map();
  const miss = (id, what) => inside.has(id) || missing.set(id, what);
  for (const entry of logs.flatMap((log) => log.entries)) {
    const id = dataOf(entry, "document");
    if (id !== null) miss(id, `${entry.type} (entry ${entry.index} of log ${entry.log})`);
  }
  for (const document of documents) {
    for (const check of related.about(document)) if (check.outcome === "failed") miss(check.id, `${words(check.kind)}: ${check.detail}`);
    if (!GATHERINGS.includes(document.kind)) continue;
    const named = document.payload.get("media").flatMap((medium) => [medium.get("document"), medium.get("against")]);
    for (const reference of named) if (reference !== null) miss(reference.get("id"), `${words(reference.get("kind"))} named by the ${unitOf(document.payload)}`);
  }
  const [first] = [...missing].sort();
  return first === undefined
    ? passed(name, "nothing that is known of is missing; what was logged after the checkpoint is not seen")
    : failed(name, `${missing.size} documents are missing that are known of, the first: ${first[0]}, ${first[1]}`);
}

const unitOf = (payload) => (get(payload, "of.unit") === "lot" ? `lot ${get(payload, "of.number")}` : `computer ${get(payload, "of.asset_tag")}`);

// A gathering against the documents that it names.
async function checkGathered(payload, related) {
  const [name, listed, counted] = ["gathered media", payload.get("media"), payload.get("expected")];
  const now = await gatherListed(related, listed.map((told) => mediumName(told.get("medium"))));
  if (now.length !== listed.length) {
    return failed(name, `${unitOf(payload)}: ${listed.length} media are listed, and they are ${now.length}: one is listed twice`);
  }
  for (const [i, told] of listed.entries()) {
    const [found, document, label] = [now[i], told.get("document"), labelOf(mediumName(told.get("medium")))];
    // What is missing, another check tells.
    if (document !== null && !related.has(document.get("id"))) continue;
    if (isProof(told.get("standing")) && !isProof(found.standing)) {
      return failed(name, `${unitOf(payload)}: ${label} is told ${STANDINGS[told.get("standing")]}, and now is ${STANDINGS[found.standing]}`);
    }
    const same = document === null ? found.document === null : document.get("id") === found.document?.id && document.get("kind") === found.document.kind;
    const agrees = ["attained", "ended", "verification"].every((fact) => told.get(fact) === found[fact]);
    if (same && !agrees) return failed(name, `${unitOf(payload)}: ${label}: what is told of its document is not what that says`);
  }
  // Media that nobody lists may be anywhere.
  if (counted === null) return unknown(name, `${unitOf(payload)}: nobody counted its media, so it is not known whether all are listed`);
  if (counted !== listed.length) return failed(name, `${unitOf(payload)}: ${counted} media were counted, ${listed.length} are listed`);
  return passed(name, `${unitOf(payload)}: each medium stands as its document says`);
}

function checkMedia(media, documents) {
  const name = "media";
  const open = media.filter((medium) => !isProof(medium.standing)).map((m) => `${labelOf(m.medium)} ${STANDINGS[m.standing]}`);
  const named = [];
  const ids = new Set(documents.map((document) => document.id));
  for (const [medium, standing] of documents.flatMap((document) => spokenOf(document, ids))) {
    if (media.some((now) => isSameMedium(now.medium, medium))) continue;
    if (standing === null) named.push(labelOf(medium));
    else open.push(`${labelOf(medium)} ${STANDINGS[standing]}`);
  }
  if (open.length > 0) return failed(name, `${open.length} media are not proven, the first: ${open[0]}`);
  if (media.length === 0) return unknown(name, "no document in it proves anything about a medium");
  if (named.length > 0) return unknown(name, `of ${named.length} media that it speaks of it holds no proof, the first: ${named[0]}`);
  return passed(name, `${media.length} media, each with proof`);
}

const NAMELESS = Object.fromEntries(NAMED_BY.map((name) => [name, null]));

// Media of which a document speaks that is no proof itself, and about none that is inside; how they stand by it, where it
// speaks against them. A hand-over may well come before the proof.
function spokenOf({ kind, payload }, inside) {
  const of = (path) => get(payload, path);
  // It has a medium, also where the judgement does not name it.
  const judged = (about, medium, standing) => {
    const ofOne = ["certificate", "failure_report", "destruction"].includes(get(about, "kind"));
    if (inside.has(get(about, "id")) || (medium === null && !ofOne)) return [];
    return [[medium ?? NAMELESS, ofOne ? standing : null]];
  };
  const all = (media, standing = null) => media.map((medium) => [mediumName(medium), standing]);
  const one = () => (of("medium") === null ? null : mediumName(of("medium")));
  const media = (entries) => entries.map((entry) => entry.get("medium"));
  if (kind === "validation") return judged(of("document"), one(), accepts({ payload }) ? null : "rejected");
  if (kind === "revocation") return judged(of("document"), one(), "revoked");
  if (kind === "media_verification") {
    const medium = readName(of("medium.identity"), of("medium.identity_digest"));
    return judged(of("certificate"), medium, of("result") === "mismatched" ? "rejected" : null);
  }
  if (GATHERINGS.includes(kind)) return all(media(of("media").filter((told) => told.get("standing") === "without_proof")), "without_proof");
  if (kind === "transfer") return all(media(of("media").filter((handed) => !inside.has(get(handed, "document.id")))));
  return kind === "discrepancy" ? all([...of("missing"), ...of("extra")]) : [];
}

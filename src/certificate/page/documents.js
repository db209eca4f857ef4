// What the documents are, what they say, and whether it can be true.

// Whose signature belongs on each, by the key that the document names, and what it calls a person; `later`: it may
// follow.
const KINDS = new Map(
  Object.entries({
    "certificate": { name: "Certificate of sanitization", signers: [{ role: "station" }] },
    "failure-report": { name: "Failure report", signers: [{ role: "station" }] },
    "validation": { name: "Validation", signers: [{ role: "validator", kid: "by.kid", name: "by.name" }] },
    "revocation": { name: "Revocation", signers: [{ role: "validator", kid: "by.kid", name: "by.name" }] },
    "media-verification": { name: "Second reading", signers: [{ role: "station", kid: "station_kid" }, { role: "verifier", kid: "by.kid", name: "by.name" }] },
    "destruction": { name: "Record of destruction", signers: [{ role: "operator", kid: "operator.kid", name: "operator.name" }, { role: "witness", kid: "witness.kid", name: "witness.name", later: true }] },
    "computer-certificate": { name: "Certificate of a computer", signers: [{ role: "station", kid: "station_kid" }] },
    "lot-certificate": { name: "Certificate of a lot", signers: [{ role: "station", kid: "station_kid" }] },
    "transfer": { name: "Transfer", signers: [{ role: "transferor", kid: "from.kid", name: "from.name" }, { role: "receiver", kid: "to.kid", name: "to.name", later: true }] },
    "discrepancy": { name: "Discrepancy report", signers: [{ role: "receiver", kid: "by.kid", name: "by.name" }] },
  }).map(([word, known]) => [`vnd.lastwrite.${word}+json`, { ...known, kind: word.replaceAll("-", "_") }]),
);

const RANK = { clear: 1, purge: 2, destroy: 3 };
// The clock of a station may be wrong without its signature being so.
const DOES_NOT_DECIDE = ["times", "signing time", "time evidence"];

const get = (value, path) => path.split(".").reduce((at, name) => (at instanceof Map ? at.get(name) : undefined), value);

function verdictOf(checks) {
  if (checks.some((check) => check.outcome === "failed")) return "invalid";
  const open = checks.some((check) => check.outcome === "unknown" && !DOES_NOT_DECIDE.includes(check.name));
  return open ? "consistent" : "valid";
}

// Verifies one document with nothing but itself, the trust store, and what others say of the time of its signatures.
async function verifyDocument(bytes, fileName, trust, found = NO_EVIDENCE) {
  const document = { fileName, id: null, kind: null, typ: null, payload: null, checks: [], signatures: [], persons: [], others: [] };
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
  document.persons = jws.signatures.filter((s) => s.kid !== null).map((s) => ({ kid: s.kid, role: s.role, name: trust.find(s.kid)?.name ?? null }));
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
  document.checks.push(...(await checkSignatures(jws, trust, found)));
  document.checks.push(checkFileName(document));
  try {
    const payload = parseJson(text(jws.payload));
    SHAPES[document.kind](payload, "");
    document.payload = payload;
    document.checks.push(passed("content", "the payload has exactly the documented members"));
    document.checks.push(...(await checkContent(document, trust)));
    const told = document.checks.some((check) => check?.name === "time evidence");
    if (!trust.isEmpty && !told && payload.has("facts")) document.checks.push(checkClock(get(payload, "facts.clock")));
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

// What is left where nobody but the station says when it signed.
function checkClock(clock) {
  const detail = "nobody but the station says when it signed, by a clock that ";
  if (clock === "synchronized") return passed("time evidence", `${detail}was synchronized`);
  return unknown("time evidence", detail + (clock === "unsynchronized" ? "was not synchronized" : "is of unknown quality"));
}

async function checkContent(document, trust) {
  const { payload, kind, typ } = document;
  const gathering = kind === "computer_certificate" || kind === "lot_certificate";
  const run = kind === "certificate" || kind === "failure_report";
  const schema = run ? "lastwrite-sanitization" : gathering ? "lastwrite-gathering" : `lastwrite-${kind.replaceAll("_", "-")}`;
  if (payload.get("schema") !== schema || payload.get("version") !== 1) {
    return [failed("schema", `${payload.get("schema")} version ${payload.get("version")} is not known here; ${schema} version 1 is`)];
  }
  if (run && payload.get("kind") !== kind) return [failed("content", `the payload is a ${payload.get("kind")}, not a ${kind}`)];
  if (run && !isHex(get(payload, "facts.run_id"), 32)) return [failed("schema", "run_id is not 32 hex digits")];
  const digest = run ? get(payload, "facts.tool.build_digest") : "";
  if (digest !== "" && !isHex(digest, 64)) return [failed("schema", "the tool's build digest is no SHA-256")];
  const checks = [passed("schema", `${schema} version 1`)];
  const named = typ.signers.map((signer) => ({ ...signer, key: signer.kid ? (get(payload, signer.kid) ?? null) : undefined }));
  // Where the document names no such person, nobody of that sort belongs on it.
  for (const { role, key, later } of named.filter((signer) => signer.key !== null)) {
    const there = document.signatures.some((s) => s.role === role && (key === undefined || s.kid === key));
    const missing = `the ${role}${key ? ` (key ${key})` : ""} has not signed`;
    if (there) checks.push(passed("signed by", `a ${role} has signed`));
    else checks.push(later ? unknown("signed by", `${missing} yet`) : failed("signed by", missing));
  }
  const persons = named.filter((signer) => signer.key).map(({ role, key, name }) => ({ role, key, name: name ? get(payload, name) : null }));
  for (const { role, key, name } of persons.filter((person) => person.name !== null)) checks.push(checkPerson(role, key, name, trust));
  if (new Set(persons.map((person) => person.key)).size < persons.length) checks.push(failed("four eyes", "one key stands for two of the persons named"));
  checks.push(...(await (run ? checkRun(document, trust) : checkOther(document))));
  return checks;
}

// Where each names the document that it speaks of.
const JUDGES = { validation: "document.id", revocation: "document.id", media_verification: "certificate.id", discrepancy: "transfer.id" };
const accepts = (validation) => validation.payload.get("decision") === "accepted";

// Four eyes: who signed a document, or did what it tells of, lifts nothing that speaks against it. By key, by the names
// of the trust store, and by those that the documents give.
function mayLift(by, speaksFor, document) {
  const signers = document.persons.map((person) => person.kid);
  const operator = get(document.payload, "facts.operator.name") ?? get(document.payload, "operator.name") ?? null;
  const known = (persons) => persons.map((person) => person.name);
  const theirs = [...known(document.persons), operator].filter((name) => name !== null);
  const names = [...known(by.persons), get(by.payload, "by.name")].filter((name) => name !== null);
  const named = names.some((name) => theirs.some((other) => sameName(name, other)));
  return speaksFor || !(named || by.persons.some(({ kid }) => signers.includes(kid)));
}

// Four eyes: who did something and signed for it does not also accept it.
function acceptsOwn(validation, document) {
  const named = document.kind === "destruction" ? "operator.kid" : "facts.operator.kid";
  const kid = get(document.payload, named);
  const operators = document.persons.filter((person) => person.role === "operator");
  const isThey = (a, b) => a.kid === b.kid || (a.name !== null && b.name !== null && sameName(a.name, b.name));
  const didIt = (person) => person.kid === kid || operators.some((operator) => isThey(operator, person));
  return accepts(validation) && validation.persons.some(didIt);
}

// Documents at hand that say something of others: each once, and no invalid ones. `groups`: documents, and how each is
// judged for that. Of one that is not established it is not known who says so. A judgement that a later one takes the
// place of, or that is revoked, is left out.
class Related {
  constructor(...groups) {
    this.known = new Map();
    for (const [documents, judge] of groups) {
      for (const d of documents) {
        const verdict = judge(d);
        const counts = d.payload !== null && verdict !== "invalid" && !this.known.has(d.id);
        if (counts) this.known.set(d.id, { ...d, established: verdict === "valid" });
      }
    }
    this.all = [...this.known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.valid = this.all.filter((d) => d.established);
    this.failures = this.all.filter((d) => d.kind === "failure_report");
    // Those that speak of a document, and those that take the place of one, by its id.
    [this.naming, this.replacing] = [new Map(), new Map()];
    const note = (map, id, d) => (map.has(id) ? map.get(id).push(d) : map.set(id, [d]));
    for (const d of this.all.filter((one) => JUDGES[one.kind] !== undefined)) note(this.naming, get(d.payload, JUDGES[d.kind]), d);
    for (const d of this.valid.filter((one) => one.kind === "validation")) note(this.replacing, d.payload.get("replaces"), d);
  }

  has(id) {
    return this.known.has(id);
  }

  // Whether a judgement of a document is revoked: "yes", "no", or "unknown" where it is not established who says so. A
  // revocation itself is final, and nobody asks this of one.
  revoked(judgement, speaksFor, document) {
    const by = (this.naming.get(judgement.id) ?? []).filter((d) => d.kind === "revocation" && mayLift(d, speaksFor, document));
    if (by.some((d) => d.established)) return "yes";
    return by.length > 0 ? "unknown" : "no";
  }

  // Whether a validation is revoked, or a valid one of the same document takes its place. One that is revoked takes
  // nobody's place, so that a rejection comes back when the acceptance after it is revoked.
  lifted(validation, document, speaksFor = accepts(validation)) {
    if (this.revoked(validation, speaksFor, document) === "yes") return "yes";
    const takesPlace = (d) => get(d.payload, "document.id") === document.id && mayLift(d, speaksFor, document);
    const by = (this.replacing.get(validation.id) ?? []).filter(takesPlace);
    const stands = by.map((d) => this.revoked(d, accepts(d), document)).filter((undone) => undone !== "yes");
    if (stands.includes("no")) return "yes";
    return stands.length > 0 ? "unknown" : "no";
  }

  // Whether what a revocation names in place of the revoked document may stand there, counts and stands: it is valid, and
  // nobody speaks against it.
  isReplaced(revocation, revoked, counts) {
    const id = get(this.known.get(revocation)?.payload ?? null, "replaced_by.id");
    const instead = this.known.get(id);
    const stands = instead !== undefined && instead.established && counts(id) && mayReplace(instead, revoked);
    return stands && this.about(instead).every((said) => said.outcome === "passed");
  }

  // A discrepancy that a validator has accepted.
  settled(discrepancy) {
    const validations = (this.naming.get(discrepancy.id) ?? []).filter((d) => d.kind === "validation");
    const about = validations.filter((d) => this.lifted(d, discrepancy) !== "yes");
    const [accepted, rejected] = [about.filter(accepts), about.filter((d) => !accepts(d))];
    const stands = (d) => d.established && this.lifted(d, discrepancy) === "no";
    if (rejected.some(stands) || !accepted.some((d) => d.established)) return "no";
    const firmly = accepted.some((d) => stands(d) && this.revoked(d, true, discrepancy) === "no");
    return firmly && rejected.length === 0 ? "yes" : "unknown";
  }

  // What the others say about a document, each as a check that names who says it.
  about(document) {
    const found = [];
    const others = [...(this.naming.get(document.id) ?? []), ...(document.kind === "certificate" ? this.failures : [])];
    for (const other of others.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const said = other.id === document.id ? null : relation(other, document, this);
      if (said === null || said.undone === "yes") continue;
      const { check, undone } = said;
      let told = check;
      if (!other.established) told = unknown(check.name, `somebody says, and who is not established: ${check.detail}`);
      else if (undone === "unknown") told = unknown(check.name, `it is not established whether this was undone: ${check.detail}`);
      found.push({ ...told, id: other.id, kind: other.kind });
    }
    return found;
  }
}

// What a document comes to by itself.
const byItself = (document) => verdictOf(document.checks);

// Judges each document also by what all that are at hand say of it.
function relate(documents, all) {
  const related = new Related([all, byItself]);
  for (const document of documents) {
    document.others = related.about(document);
    judged(document);
  }
}

// What one says of another, and whether that was undone.
function relation(other, document, related) {
  const { payload, kind, id } = other;
  const of = (path) => get(payload, path);
  const said = (name, isFor, detail, undone = "no") => ({ check: (isFor ? passed : failed)(name, `${detail} (${id.slice(0, 12)})`), undone });
  if (kind === "validation" && of("document.id") === document.id) {
    const own = acceptsOwn(other, document);
    const speaksFor = accepts(other) && !own;
    const eyes = own ? ", who did it: nobody accepts their own work" : "";
    const detail = `${of("decision")} by ${of("by.name")}${eyes} on ${of("decided")}: ${of("reason")}`;
    return said("validation", speaksFor, detail, related.lifted(other, document, speaksFor));
  }
  if (kind === "revocation" && of("document.id") === document.id) {
    return said("document revocation", false, `revoked by ${of("by.name")} on ${of("revoked")}: ${of("reason")}`);
  }
  if (kind === "media_verification" && of("certificate.id") === document.id) {
    if (of("result") === "incomplete") return null;
    const against = contradictionOf(other, document);
    const speaksFor = against === null && of("result") === "matched";
    // Unless it is established who undid it, it holds.
    if (related.revoked(other, speaksFor, document) === "yes") return null;
    const told = against === null ? `${of("result")}, read by ${of("station")} on ${of("ended")}` : `a reading contradicts it: ${against}`;
    return said("second reading", speaksFor, told);
  }
  if (kind === "discrepancy" && of("transfer.id") === document.id) {
    return said("discrepancy", false, `${of("by.name")} found on ${of("found")} that it is not what arrived`, related.settled(other));
  }
  const later =
    kind === "failure_report" &&
    document.kind === "certificate" &&
    document.payload !== null &&
    isOfMedium(payload, document.payload) &&
    instant(of("facts.ended")) >= instant(get(document.payload, "facts.ended"));
  return later ? said("later run", false, `a later run on this medium failed on ${of("facts.ended")}`) : null;
}

// Whether a run was on the medium of a certificate, also one that made the medium larger first.
function isOfMedium(run, certificate) {
  const before = get(run, "facts.hidden_areas.restored.before");
  if (get(run, "facts.medium.identity_digest") === get(certificate, "facts.medium.identity_digest")) return true;
  return before !== undefined && identityDifferences(before, get(certificate, "facts.medium.identity")).length === 0;
}

// What a reading says that does not fit the certificate it is about.
function contradictionOf(reading, document) {
  if (!["certificate", "failure_report"].includes(document.kind) || document.payload === null) return "it is about no certificate";
  const [of, facts] = [(path) => get(reading.payload, path), document.payload.get("facts")];
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  if (of("run_id") !== facts.get("run_id")) return "it names another run";
  // It may have gained signatures since it was read.
  const [listed, signers] = [of("certificate_signers"), document.signatures.map((s) => s.kid).filter((kid) => kid !== null)];
  const signed = listed.every((kid) => signers.includes(kid)) && (listed.length === 0) === (signers.length === 0);
  if (!signed) return "it names other signers of the certificate";
  const differences = identityDifferences(get(facts, "medium.identity"), of("medium.identity"));
  const told = of("medium.differences").map((d) => ({ field: d.get("field"), before: d.get("before"), now: d.get("now") }));
  if (!same(told, differences)) return "it tells other differences of identity";
  const tangible = get(facts, "medium.class") === "physical" || of("medium.class") === "physical";
  // Only the file that an image or a virtual disk is may be another one, or one side tells of nothing.
  const ofPlace = ({ field, before, now }) => field.startsWith("backing ") || before === "" || now === "";
  if (!differences.every((difference) => !tangible && ofPlace(difference))) return "it is about another medium";
  return of("medium.identity.size") === get(facts, "medium.identity.size") ? null : "the media differ in size";
}

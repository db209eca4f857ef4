// How each medium stands by all documents at hand, as the program gathers it.

const STANDINGS = {
  sanitized: "sanitized", destroyed: "destroyed", failed: "FAILED", rejected: "REJECTED", revoked: "REVOKED", without_proof: "WITHOUT PROOF",
};
const STANDING_RANK = ["without_proof", "failed", "rejected", "revoked", "sanitized", "destroyed"];
const LEVEL_PROVEN = {
  full_readback: "full", erased_full_read: "full", sampled_readback: "sample", erased_sampled: "sample", quick_readback: "quick",
};
const isProof = (standing) => standing === "sanitized" || standing === "destroyed";

const DISTINCTIVE = ["serial", "wwn", "digest"];
const NAMED_BY = ["vendor", "model", "serial", "wwn", "size", "digest", "asset_tag"];

// What names a medium: as a drive reported it, or as a document writes it.
const mediumName = (medium) => Object.fromEntries(NAMED_BY.map((name) => [name, medium.get(name)]));

const identityName = async (identity, tag) => readName(identity, await identityDigest(identity), tag);

function readName(identity, digest, tag = null) {
  const of = (name) => identity.get(name);
  return {
    vendor: of("vendor"), model: of("model"), serial: of("serial"), wwn: of("wwn") ?? of("nguid") ?? of("eui64"),
    size: of("size"), digest, asset_tag: tag,
  };
}

const sameWord = (a, b) => lower(a.trim()) === lower(b.trim());

// The facts that contradict each other. One that is missing contradicts nothing.
function contradictions(a, b) {
  const differ = (name) => a[name] !== null && b[name] !== null && !(name === "size" ? a[name] === b[name] : sameWord(a[name], b[name]));
  return ["serial", "wwn", "model", "size"].filter(differ);
}

// One distinctive fact in common, and none against it.
const isSameMedium = (a, b) => sharesName(a, b) && contradictions(a, b).length === 0;

// The same, whatever size it had: it may have given hidden areas back in between.
const isSameOfAnySize = (a, b) => sharesName(a, b) && contradictions(a, b).every((fact) => fact === "size");

function sharesName(a, b) {
  const common = (name) => a[name] !== null && b[name] !== null && a[name].trim() !== "" && sameWord(a[name], b[name]);
  return DISTINCTIVE.some(common);
}

// Whether a document can take the place of a revoked one: a list that of a list of its sort, a hand-over that of a
// hand-over, of which one medium at least is the same; what proves something of a medium that of what did so of it.
function mayReplace(instead, revoked) {
  if (instead.payload === null || revoked.payload === null) return false;
  const isOfOne = ({ kind }) => ["certificate", "failure_report", "destruction"].includes(kind);
  const nameOf = ({ kind, payload }) => kind === "destruction"
    ? mediumName(payload.get("medium"))
    : readName(get(payload, "facts.medium.identity"), get(payload, "facts.medium.identity_digest"));
  if (isOfOne(instead) && isOfOne(revoked)) return isSameOfAnySize(nameOf(instead), nameOf(revoked));
  if (instead.kind !== revoked.kind) return false;
  const listed = ({ payload }) => payload.get("media").map((entry) => mediumName(entry.get("medium")));
  // A judgement that of a judgement.
  if (![...GATHERINGS, "transfer"].includes(instead.kind)) return true;
  return listed(instead).some((a) => listed(revoked).some((b) => isSameOfAnySize(a, b)));
}

function labelOf(name) {
  const words = [name.vendor, name.model, name.serial].filter((part) => part !== null && part.trim() !== "").join(" ");
  const label = words || name.wwn || name.digest?.slice(0, 12) || "a medium without a name";
  return name.size === null ? label : `${label} (${humanBytes(name.size)})`;
}

// Every medium that the documents name, each once. Only valid documents are proof, and one that another speaks against
// is none.
// By the documents alone whose id `counts`: the others speak for and against them, and are no proof. A medium of which
// only they speak is left out.
async function gather(related, counts) {
  const told = (await allMedia(related, [])).filter(({ documents }) => documents.some(({ document }) => counts(document.id)));
  return told.map((found) => standOf(related, found, counts));
}

// The same of the listed media alone, in their order, by all documents. Fewer than were listed: several are one medium.
async function gatherListed(related, listed) {
  const told = (await allMedia(related, listed)).filter((medium) => medium.expected);
  return told.map((found) => standOf(related, found, () => true));
}

async function allMedia(related, expected) {
  let media = expected.map((medium) => ({ medium: { ...medium }, names: [medium], keys: keysOf([medium]), documents: [], expected: true }));
  for (const document of related.valid) {
    if (!["certificate", "failure_report", "destruction"].includes(document.kind)) continue;
    const names = await namesOf(document);
    const found = { medium: { ...names[0] }, names, keys: keysOf(names), documents: [{ document, name: names[0] }], expected: false };
    const at = media.findIndex((known) => areOne(known, found));
    if (at < 0) {
      media.push(found);
      continue;
    }
    const [medium] = media.splice(at, 1);
    takeIn(medium, found);
    // One that gave hidden areas back joins what its two sizes had kept apart.
    const same = media.filter((known) => areOne(medium, known));
    media = media.filter((known) => !same.includes(known));
    same.forEach((again) => takeIn(medium, again));
    media.splice(at, 0, medium);
  }
  return media;
}

const knownNames = new WeakMap();

// The medium as a document names it, and as it was before its hidden areas were given back in the run.
async function namesOf({ payload, kind }) {
  if (kind === "destruction") return [mediumName(payload.get("medium"))];
  if (knownNames.has(payload)) return knownNames.get(payload);
  const tag = get(payload, "facts.asset_tag");
  const before = get(payload, "facts.hidden_areas.restored.before");
  const identities = [get(payload, "facts.medium.identity"), before].filter((identity) => identity !== undefined);
  const names = await Promise.all(identities.map((identity) => identityName(identity, tag)));
  knownNames.set(payload, names);
  return names;
}

// What two names of one medium must have one of in common, to look at few of many media.
function keysOf(names) {
  return names.flatMap((name) => DISTINCTIVE.filter((fact) => (name[fact] ?? "").trim() !== "").map((fact) => `${fact} ${lower(name[fact].trim())}`));
}

// Whether both are one medium: at one of its sizes, and with nothing against it at any.
function areOne(a, b) {
  if (!a.keys.some((key) => b.keys.includes(key))) return false;
  const same = a.names.some((mine) => b.names.some((theirs) => isSameMedium(mine, theirs)));
  return same && contradictions(a.medium, b.medium).every((fact) => fact === "size");
}

function takeIn(known, more) {
  for (const name of NAMED_BY) known.medium[name] ??= more.medium[name];
  known.names = [...known.names, ...more.names];
  known.keys = [...known.keys, ...more.keys];
  known.documents.push(...more.documents);
  known.expected ||= more.expected;
}

const endOf = ({ payload }) => instant(get(payload, "facts.ended"));

// What ends that documents before it are proof of the medium: a failure (`by` is null), also where the run saw the medium
// by another vendor's name or unit, and what somebody speaks against. The medium was used again before that run, and a
// reading that found something else tells of every run before it.
function endsOf(related, document, counts) {
  const [run, began, ended] = [document.id, instant(get(document.payload, "facts.started")), endOf(document)];
  // `there`: when the medium was last seen to be there, the run, or the reading, began.
  if (document.kind === "failure_report") return [{ run, by: null, there: began, at: ended }];
  // What took its place speaks for itself.
  const against = related.about(document).filter((said) => said.outcome === "failed" && !related.isReplaced(said.id, document, counts));
  return against.map((said) => {
    const other = related.known.get(said.id);
    const differs = said.kind === "media_verification" && get(other.payload, "result") === "mismatched" && contradictionOf(other, document) === null;
    const [from, to] = differs ? [instant(get(other.payload, "started")), instant(get(other.payload, "ended"))] : [began, ended];
    return { run, by: said.id, there: from > began ? from : began, at: to > ended ? to : ended };
  });
}

// Of several documents the best counts, and of equal ones the latest.
function standOf(related, { medium, documents }, counts) {
  const runs = documents.map(({ document }) => document).filter(({ kind }) => kind !== "destruction");
  const ends = runs.flatMap((document) => endsOf(related, document, counts));
  const holds = ({ document }) => {
    const { id, kind, payload } = document;
    // A failure is no proof, whoever brings it.
    if (kind === "failure_report") return true;
    if (kind === "destruction") {
      // A medium on which a run begins and fails afterwards was not destroyed. What it was destroyed for came before, by
      // whatever clock, and so did all before that.
      const [destroyed, because] = [instant(payload.get("destroyed")), get(payload, "because.id")];
      const before = ends.filter((end) => because !== undefined && because !== null && [end.run, end.by].includes(because)).map((end) => end.at);
      const isLater = (end) => destroyed < end.there && before.every((at) => at < end.at);
      return !ends.some(isLater) && counts(id);
    }
    // What somebody speaks against stands as that.
    const isOpposed = ends.some((end) => end.run === id);
    return !ends.some((end) => endOf(document) <= end.at && (end.by === null || !isOpposed)) && counts(id);
  };
  const nothing = { medium, standing: "without_proof", document: null, attained: null, verification: null, ended: null, against: null };
  const entries = documents.filter(holds).map((found) => entryOf(related, medium, found)).filter((entry) => entry !== null);
  const rank = (entry) => STANDING_RANK.indexOf(entry.standing);
  const isBetter = (a, b) => rank(a) > rank(b) || (rank(a) === rank(b) && instant(a.ended) >= instant(b.ended));
  return entries.reduce((best, entry) => (best === null || isBetter(entry, best) ? entry : best), null) ?? nothing;
}

function entryOf(related, medium, { document, name }) {
  const against = related.about(document).find((check) => check.outcome === "failed") ?? null;
  const opposed = against === null ? null : { revocation: "revoked", failure_report: "failed" }[against.kind] ?? "rejected";
  const { payload, kind, id } = document;
  const of = (path) => get(payload, path);
  // Of a medium that had several sizes, the one that its document speaks of.
  const sized = contradictions(medium, name).join() === "size" ? { ...medium, size: name.size, digest: name.digest } : medium;
  const entry = { medium: sized, document: { id, kind }, attained: null, verification: null, ended: of("facts.ended"), against: null };
  const speaker = against === null ? null : { id: against.id, kind: against.kind };
  if (kind === "failure_report") return { ...entry, standing: "failed" };
  if (kind === "destruction") {
    return { ...entry, standing: opposed ?? "destroyed", attained: of("attained"), ended: of("destroyed"), against: speaker };
  }
  // The later failure stands for itself, a part of a medium is no medium, and what precedes destruction releases none.
  if (opposed === "failed" || of("facts.medium.partition") !== null || of("facts.policy.before_destruction") === true) return null;
  const verification = LEVEL_PROVEN[of("facts.proven")] ?? null;
  return { ...entry, standing: opposed ?? "sanitized", attained: of("facts.attained"), verification, against: speaker };
}

// Whether what a certificate or a failure report says can be true: its facts against each other, as the program judges
// them. The shape of the payload is known to be right here. What does not hold throws its reason.

class Contradiction extends Error {}

function require(holds, otherwise) {
  if (!holds) throw new Contradiction(otherwise);
}

// A check by its name; what `find` returns or throws is its detail.
async function judgedBy(name, find) {
  try {
    return passed(name, await find());
  } catch (error) {
    if (!(error instanceof Contradiction)) throw error;
    return failed(name, error.message);
  }
}

const METHODS = { clear: "Clear", purge: "Purge", destroy: "Destroy" };
const LEVELS = ["none", "quick", "sample", "full"];
const LEDGER_LISTS = ["unwritten", "unread", "mismatched", "unreached"];
const GRADES = {
  A: "attained as requested, proven by reading everything",
  B: "attained as requested, proven by representative samples",
  C: "passed with a reservation",
  D: "complete, not proven",
  F: "FAILED, not shown to be sanitized",
};
const ERASED = { erased_full_read: ["full"], erased_sampled: ["sample"], erased_known_content: ["none", "quick"] };

// SHA-256 over the facts that make a medium itself.
async function identityDigest(identity) {
  const backing = identity.get("backing");
  const facts = [
    ...["vendor", "model", "serial", "wwn", "eui64", "nguid", "unit", "size"].map((name) => [name, identity.get(name)]),
    ...["device", "inode", "offset"].map((name) => [`backing ${name}`, backing?.get(name)]),
  ];
  const told = facts.map(([name, value]) => `${name}\0${value ?? ""}\0`).join("");
  return hex(await sha256(new TextEncoder().encode(told)));
}

const COMPARED = ["vendor", "model", "serial", "wwn", "eui64", "nguid", "unit", "size"];

// The facts in which two readings of an identity differ.
function identityDifferences(before, now) {
  const of = (identity) => [
    ...COMPARED.map((name) => [name, identity.get(name) ?? ""]),
    ...["device", "inode", "offset"].map((name) => [`backing ${name}`, identity.get("backing")?.get(name) ?? ""]),
  ];
  const after = of(now);
  return of(before).map(([field, value], i) => ({ field, before: value, now: after[i][1] })).filter((d) => d.before !== d.now);
}

// Half to even, as the program rounds; toFixed rounds half up.
function fixed(value, digits) {
  const rounded = value.toFixed(digits);
  const exact = value.toFixed(digits + 60);
  const rest = exact.slice(exact.indexOf(".") + 1 + digits);
  if (!/^50*$/.test(rest)) return rounded;
  const down = exact.slice(0, exact.length - rest.length).replace(/\.$/, "");
  return "02468".includes(down.at(-1)) ? down : rounded;
}

// As on a drive's label, in the words of the form.
function labelBytes(bytes) {
  let [value, unit] = [Number(bytes), 0];
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  if (unit === 0) return `${bytes} B`;
  return `${fixed(value, value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

const ranges = (ledger, name) =>
  ledger.get(name).map((range) => {
    const first = decimal(range.get("first"));
    return { first, count: decimal(range.get("count")), end: first + decimal(range.get("count")) };
  });

const isClean = (ledger) => LEDGER_LISTS.every((name) => ledger.get(name).length === 0);

// Blocks that could not be written or read back, each once; null where others went wrong too.
function exceptions(ledger) {
  const [unwritten, unread, mismatched, unreached] = LEDGER_LISTS.map((name) => ranges(ledger, name));
  const covered = (range) => unwritten.some((u) => u.first <= range.first && range.end <= u.end);
  if (unreached.length > 0 || !mismatched.every(covered)) return null;
  let [blocks, reached] = [0n, 0n];
  for (const { first, end } of [...unwritten, ...unread].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : a.end < b.end ? -1 : 1))) {
    const from = first > reached ? first : reached;
    if (end > from) blocks += end - from;
    if (end > reached) reached = end;
  }
  return blocks;
}

// Bytes that may be missing because the policy allows blocks that could not be written or read back.
function excused(facts) {
  const blocks = exceptions(facts.get("ledger"));
  const allowed = BigInt(get(facts, "policy.bad_blocks_allowed") ?? 0);
  return blocks !== null && blocks <= allowed ? blocks * BigInt(get(facts, "medium.geometry.logical_block")) : 0n;
}

const areas = (facts, outcome) =>
  (get(facts, "hidden_areas.areas") ?? []).filter((area) => outcome === undefined || area.get("outcome") === outcome);

const areaLabel = (area) => `${area.get("kind").replaceAll("_", " ")}, ${area.get("size") === null ? "size unknown" : `${area.get("size")} bytes`}`;

// The mark that the facts earn.
function markOf(facts, isFailure) {
  const [requested, attained, proven] = ["requested", "attained", "proven"].map((name) => facts.get(name));
  if (isFailure || attained === null || proven === "nothing") return "F";
  if (proven === "completion_only") return "D";
  if (RANK[attained] < RANK[requested] || !isClean(facts.get("ledger")) || areas(facts, "excluded").length > 0) return "C";
  if (proven === "full_readback" || proven === "erased_full_read") return "A";
  return proven === "sampled_readback" || proven === "erased_sampled" ? "B" : "C";
}

// A certificate must show success everywhere; a failure report must not claim any.
async function checkRun(document, trust) {
  const { payload, kind } = document;
  const facts = payload.get("facts");
  const of = (path) => get(facts, path);
  const checks = [
    await judgedBy("identity", () => checkIdentity(facts)),
    await judgedBy("form", () => checkForm(payload)),
    await judgedBy("custody receipt", () => checkReceipt(facts)),
    await judgedBy("ledger ranges", () => checkRanges(facts)),
    await judgedBy("grade", () => checkGrade(payload)),
  ];
  const certifies = kind === "certificate";
  if (certifies) {
    checks.push(
      await judgedBy("result", () => checkNoFailure(payload)),
      await judgedBy("method", () => checkMethod(facts)),
      await judgedBy("passes", () => checkPasses(facts)),
      await judgedBy("drive", () => checkDrive(facts)),
      await judgedBy("verification", () => checkVerification(facts)),
      await judgedBy("ledger", () => checkLedger(facts)),
      await judgedBy("policy", () => checkPolicy(facts)),
    );
  } else {
    checks.push(await judgedBy("result", () => checkFailure(payload)));
  }
  const told = of("hidden_areas.state") === "examined" || areas(facts).some((area) => area.has("outcome"));
  if (certifies && told) checks.push(await judgedBy("hidden areas", () => checkHidden(facts)));
  if (facts.has("suspensions")) checks.push(await judgedBy("suspend to RAM", () => checkSuspensions(facts, certifies)));
  checks.push(checkTimes(facts));
  checks.push(signedAfter(document, of("ended"), "the run ended"));
  checks.push(checkOperator(document), checkOperatorName(document, trust), checkFourEyes(document, trust));
  return checks;
}

function checkIdentity(facts) {
  const [whole, treated] = [get(facts, "medium.identity.size"), get(facts, "medium.geometry.size")].map(decimal);
  const partition = get(facts, "medium.partition") !== null;
  const [kind, of] = [get(facts, "medium.kind"), get(facts, "medium.class")];
  return identityDigest(get(facts, "medium.identity")).then((digest) => {
    require(get(facts, "medium.identity_digest") === digest, `the identity's digest is ${digest}, and another one is written`);
    require(partition ? treated <= whole : treated === whole, `the medium has ${whole} bytes by its identity and ${treated} by its geometry`);
    require((kind === "image") === (of === "image"), "an image file and nothing else is of class image");
    require(kind !== "virtual" || of === "virtual", "a virtual device is not of class virtual");
    return `the digest is that of the identity (${labelBytes(treated)})`;
  });
}

const MEDIA_KINDS = {
  hdd: "magnetic hard disk", sata_ssd: "solid-state drive (SATA)", sas_ssd: "solid-state drive (SAS)",
  nvme: "solid-state drive (NVMe)", usb: "USB storage device", emmc: "embedded flash (eMMC)", sd: "SD card",
  ufs: "embedded flash (UFS)", virtual: "virtual block device", image: "disk image file",
  unknown: "storage device of unknown kind",
};
const READ_AS = { full: "Full", sample: "Representative sampling", quick: "Quick check", none: "None" };
const PROVEN_BRIEFLY = {
  erased_full_read: "erased by the drive, known content is gone, every addressable byte was read",
  erased_sampled: "erased by the drive, known content is gone, representative samples were read",
  erased_known_content: "erased by the drive, known content is gone, nothing else was shown",
  full_readback: "every addressable byte was read back and matched",
  sampled_readback: "every sampled byte was read back and matched",
  quick_readback: "a few hundred places were read back and matched",
  readback_with_exceptions: "what was read back matched, with the exceptions that are listed",
  completion_only: "completion only, nothing was read back",
  nothing: "nothing is proven",
};

// What on the form follows from the facts.
function checkForm(payload) {
  const [facts, form] = [payload.get("facts"), payload.get("form")];
  const of = (path) => get(facts, path);
  const partition = of("medium.partition");
  const medium = `${partition === null ? "" : `partition ${partition.get("number")} of a `}${MEDIA_KINDS[of("medium.kind")]}, ${labelBytes(decimal(of("medium.geometry.size")))}`;
  const scheme = `${of("scheme.title")}: ${of("scheme.definition")}`;
  const passes = of("passes").length;
  const expected = {
    "media.vendor": of("medium.identity.vendor"),
    "media.model": of("medium.identity.model"),
    "media.serial": of("medium.identity.serial"),
    "media.media_type": of("medium.class") === "physical" ? medium : `${medium}, not a physical medium`,
    "sanitization.method": METHODS[of("attained")] ?? null,
    "sanitization.technique": of("technique"),
    "sanitization.details": facts.has("firmware") ? scheme : `${scheme}; ${passes} ${passes === 1 ? "pass" : "passes"}`,
    "sanitization.tool": `${of("tool.name")} ${of("tool.version")}`,
    "sanitization.verification": `${READ_AS[of("verification.level")]}: ${PROVEN_BRIEFLY[of("proven")]}`,
  };
  const wrong = Object.entries(expected).find(([path, value]) => get(form, path) !== value);
  require(wrong === undefined, `${wrong?.[0]} on the form does not follow from the measured facts`);
  return "the form agrees with the measured facts";
}

function checkReceipt(facts) {
  const of = (name) => get(facts, `intent.${name}`);
  require(isHex(of("log_id"), 32) && isHex(of("leaf_hash"), 64) && isHex(of("root"), 64), "log id, leaf hash or root is not lower-case hex of the right length");
  require(decimal(of("index")) < decimal(of("size")), `entry ${of("index")} cannot stand in a log of ${of("size")} entries`);
  require(facts.get("earlier_attempts").every((earlier) => earlier.get("run_id") !== facts.get("run_id")), "the run is listed among its own earlier attempts");
  return `the intent is entry ${of("index")} of log ${of("log_id")}`;
}

function checkRanges(facts) {
  const [size, block] = [decimal(get(facts, "medium.geometry.size")), BigInt(get(facts, "medium.geometry.logical_block") || 1)];
  const blocks = (size + block - 1n) / block;
  for (const name of LEDGER_LISTS) {
    const listed = ranges(facts.get("ledger"), name);
    require(listed.every((r) => r.count > 0n && r.end <= blocks), `a range of ${name} blocks lies outside the medium's ${blocks}`);
    require(listed.every((r, i) => i === 0 || listed[i - 1].end < r.first), `the ranges of ${name} blocks are not merged and in order`);
  }
  return "every listed block lies on the medium";
}

function checkGrade(payload) {
  const earned = markOf(payload.get("facts"), payload.get("failure") !== null);
  const mark = get(payload, "grade.mark");
  require(mark === earned, `the grade ${mark} is claimed, the facts earn ${earned}`);
  return `${mark}: ${GRADES[mark]}`;
}

function checkNoFailure(payload) {
  require(payload.get("failure") === null && payload.get("next_step") === null, "a certificate carries a failure");
  require(get(payload, "facts.proven") !== "nothing", "a certificate proves nothing");
  return "the run passed";
}

function checkFailure(payload) {
  const failure = payload.get("failure");
  require(failure !== null, "a failure report without a failure");
  require(failure.get("code") !== "" && failure.get("message") !== "", "the failure is not described");
  require(payload.get("next_step") !== null, "what happens to the medium next is not told");
  require(["nothing", "completion_only"].includes(get(payload, "facts.proven")), "a failure report claims a proven result");
  return `the run failed: ${failure.get("message")}`;
}

// The most that anybody rates a technique for.
function atMost(technique) {
  if (["overwrite", "zone-reset-overwrite", "ata-security-erase"].includes(technique)) return "clear";
  return ["shred", "pulverize", "disintegrate", "incinerate", "melt"].includes(technique) ? "destroy" : "purge";
}

function checkMethod(facts) {
  const [requested, attained, technique] = ["requested", "attained", "technique"].map((name) => facts.get(name));
  const policy = facts.get("policy");
  require(attained !== null, "a certificate without an attained method");
  const least = policy?.get("minimum") ?? null;
  const allowed =
    policy?.get("step_down") === "lower-method" &&
    (least === null || policy.get("before_destruction") || RANK[attained] >= RANK[least]);
  require(RANK[attained] >= RANK[requested] || allowed, `${requested} was requested, but only ${attained} was attained`);
  require(attained !== "destroy", "software cannot attain Destroy");
  require(TECHNIQUES.includes(technique), `${technique} is no technique`);
  require(RANK[attained] <= RANK[atMost(technique)], `${technique} attains at most ${atMost(technique)}, never ${attained}`);
  return `${requested} requested, ${attained} attained by ${technique}`;
}

function checkPasses(facts) {
  const [size, passes] = [decimal(get(facts, "medium.geometry.size")), facts.get("passes")];
  if (facts.has("firmware")) {
    require(passes.length === 0, "passes are listed although the drive erased itself");
    return "none: the drive erased itself";
  }
  require(passes.length > 0 && size > 0n, "there is no pass, or nothing to write");
  const keys = [];
  for (const [i, pass] of passes.entries()) {
    const written = decimal(pass.get("written"));
    require(pass.get("number") === i + 1, `pass ${i + 1} is numbered ${pass.get("number")}`);
    require(written <= size && size - written <= excused(facts), `pass ${i + 1} wrote ${written} of ${size} bytes`);
    require(pass.get("flushed") && pass.get("ended") !== null, `pass ${i + 1} was not flushed to its end`);
    const pattern = pass.get("pattern");
    require(pattern.get("kind") !== "bytes" || pattern.get("bytes").length >= 4, `pass ${i + 1} repeats a sequence of less than two bytes`);
    if (pass.get("verified") !== null) checkReadback(pass.get("verified"), facts);
    if (pattern.get("kind") === "random") keys.push(pattern.get("key"));
  }
  require(new Set(keys).size === keys.length, "two random passes share one key");
  return `${passes.length} complete: every byte written and flushed`;
}

// One read-back that succeeded.
function checkReadback(reading, facts) {
  const [size, block] = [decimal(get(facts, "medium.geometry.size")), BigInt(get(facts, "medium.geometry.logical_block"))];
  const [matched, wanted] = [decimal(reading.get("matched")), decimal(reading.get("wanted"))];
  require(matched <= wanted && wanted - matched <= excused(facts), `${matched} of ${wanted} bytes matched`);
  const seeded = isHex(reading.get("seed"), 64);
  switch (reading.get("level")) {
    case "full":
      return require(wanted === size, `a full read-back of ${wanted} of ${size} bytes`);
    case "sample":
      // Two samples of at least 5 % in each section (SP 800-88r1 section 4.7); an image may end within a block.
      require(wanted <= size && (wanted + block) * 10n >= size, `samples of ${wanted} of ${size} bytes are less than a tenth, or too many`);
      return require(seeded, "the samples' seed is not 64 hex digits");
    case "quick":
      require(wanted > 0n && wanted <= size, `a quick check of ${wanted} of ${size} bytes`);
      return require(seeded, "the check's seed is not 64 hex digits");
    default:
      return require(matched === 0n, "bytes were read back although no verification was done");
  }
}

function checkVerification(facts) {
  const [reading, proven] = [facts.get("verification"), facts.get("proven")];
  checkReadback(reading, facts);
  const [level, clean] = [reading.get("level"), isClean(facts.get("ledger"))];
  const claimed = { quick_readback: "quick", full_readback: "full", sampled_readback: "sample", completion_only: "none" };
  if (proven === "readback_with_exceptions") require(!clean && level !== "none", "exceptions are claimed, and there are none");
  else if (ERASED[proven]) require(ERASED[proven].includes(level), `${proven} is claimed, but ${level} was read`);
  else require(claimed[proven] !== undefined, "nothing is proven");
  const whole = excused(facts) === 0n || ["readback_with_exceptions", "completion_only"].includes(proven);
  require(whole, `${proven} is claimed, but the ledger lists exceptions`);
  require(claimed[proven] === undefined || claimed[proven] === level, `${proven} is claimed, but the verification was ${level}`);
  const fromMedium = get(facts, "io.direct") || get(facts, "medium.class") === "image";
  require(level === "none" || fromMedium, "the read-back went through the host's cache (no O_DIRECT), so it shows nothing about the medium");
  if (level === "none") return "nothing was read back, and nothing is claimed of it";
  // There is nothing to compare with what a drive's own technique leaves.
  return `${proven.replaceAll("_", " ")}: ${reading.get("matched")} of ${reading.get("wanted")} bytes ${ERASED[proven] ? "read" : "matched"}`;
}

function checkLedger(facts) {
  if (isClean(facts.get("ledger"))) return "no block went wrong";
  require(excused(facts) > 0n, "the ledger lists blocks that went wrong");
  return `${exceptions(facts.get("ledger"))} blocks could not be written or read back; the policy allows ${get(facts, "policy.bad_blocks_allowed")}`;
}

// A clock that was set during the run makes its times unknown, and the signer none the less known.
function checkTimes(facts) {
  const times = [["the intent", facts.get("started")]];
  for (const suspension of facts.get("suspensions") ?? []) {
    times.push(["a suspend to RAM", suspension.get("noted")], ["waking from it", suspension.get("woke") ?? null]);
  }
  for (const pass of facts.get("passes")) times.push(["the start of a pass", pass.get("started")], ["the end of a pass", pass.get("ended")]);
  times.push(["the drive's command", get(facts, "firmware.sent") ?? null], ["the end of the drive's erase", get(facts, "firmware.ended") ?? null]);
  times.push(["the result", facts.get("ended")]);
  const told = times.filter(([, at]) => at !== null);
  const at = told.findIndex(([, time], i) => i > 0 && instant(time) < instant(told[i - 1][1]));
  return at < 0
    ? passed("times", "all times are in order")
    : unknown("times", `${told[at][0]} (${told[at][1]}) is dated before ${told[at - 1][0]} (${told[at - 1][1]}): the station's clock was set in between`);
}

// How far the clock of whoever signs may lag behind, in seconds: a day.
const CLOCK_LAG = 86_400n;

// Whether each signature is dated after what the document tells of, in whole seconds. When a medium was destroyed is
// the operator's word, and nobody's clock: what is yet to come is no proof.
function signedAfter(document, told, what) {
  const name = "signing time";
  const second = instant(told) / 1_000_000_000n;
  const operators = document.kind === "destruction" ? document.signatures.filter((s) => s.role === "operator") : [];
  const ahead = operators.find((s) => s.iat !== null && second > BigInt(s.iat) + CLOCK_LAG);
  if (ahead) return failed(name, `the operator signed ${when(ahead.iat)} that the medium was destroyed ${told}, more than a day later`);
  const early = document.signatures.find((s) => s.iat !== null && BigInt(s.iat) < second);
  return early
    ? unknown(name, `signed ${when(early.iat)} by the signer's clock, before ${what} (${told}): a clock was set in between`)
    : passed(name, `signed after ${what}`);
}

// An operator with a key is proven by the signature of that very key, and by nothing else.
function checkOperator(document) {
  const name = "operator";
  const operator = get(document.payload, "facts.operator");
  if (operator === null) return null;
  const [who, kid] = [operator.get("name"), operator.get("kid")];
  if (operator.get("standing") === "claimed" && kid === undefined) return passed(name, `"${who}" is claimed as the operator; a claim is all it is`);
  if (operator.get("standing") !== "signed" || kid === undefined) return failed(name, "standing and key of the operator do not fit");
  return document.signatures.some((s) => s.role === "operator" && s.kid === kid)
    ? passed(name, `the operator "${who}" has signed with key ${kid}`)
    : unknown(name, `the operator "${who}" has key ${kid}, but its signature is not there yet`);
}

// The name beside an operator's key is their own. What is claimed without a key is nobody's but the station's word.
function checkOperatorName(document, trust) {
  const operator = get(document.payload, "facts.operator");
  const kid = operator?.get("kid");
  return kid === undefined ? null : checkPerson("operator", kid, operator.get("name"), trust);
}

// Who did it does not also witness it: by key, and by the names in the trust store.
function checkFourEyes(document, trust) {
  const by = (role) => document.persons.filter((person) => person.role === role);
  const witnesses = by("witness");
  if (witnesses.length === 0) return null;
  const operator = get(document.payload, "facts.operator");
  const kids = [...by("operator").map((person) => person.kid), operator?.get("kid")];
  const names = [...by("operator").map((person) => person.name), trust.find(operator?.get("kid"))?.name ?? null, operator?.get("name") ?? null];
  const isName = (name) => names.some((other) => other !== null && sameName(name, other));
  const same = witnesses.some(({ kid, name }) => kids.includes(kid) || (name !== null && isName(name)));
  return same ? failed("four eyes", "who did it has also witnessed it") : passed("four eyes", "who witnessed it is not who did it");
}

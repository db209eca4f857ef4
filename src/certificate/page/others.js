// Whether what the other documents say can be true, as the program judges it: judgements, readings, destruction,
// gatherings, hand-overs. Their shape is known to be right here.

const MAX_TEXT = 2000;

function requireText(what, value) {
  if (value === null || value === undefined) return;
  require(value.trim() !== "", `${what} is empty`);
  require([...value].length <= MAX_TEXT, `${what} is longer than ${MAX_TEXT} characters`);
  require(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(value), `${what} holds control characters`);
}

function requirePerson(what, person) {
  if (person === null) return;
  for (const name of ["name", "title", "organization", "location", "contact"]) requireText(`the ${name} of ${what}`, person.get(name));
  require(new TextEncoder().encode(person.get("kid")).length === 43, `the key of ${what} is no RFC 7638 thumbprint`);
}

function requireReference(what, reference) {
  require(reference === null || isHex(reference.get("id"), 64), `the id of ${what} is no SHA-256 in lower-case hex`);
}

function requireMedium(medium) {
  if (medium === null) return;
  const of = (name) => medium.get(name);
  const names = ["serial", "wwn", "digest"].some((name) => (of(name) ?? "").trim() !== "");
  require(names, "neither serial number, WWN nor identity names the medium");
  require(of("digest") === null || isHex(of("digest"), 64), "the identity's digest is no SHA-256");
  for (const name of ["vendor", "model", "serial", "wwn", "asset_tag"]) requireText(`the medium's ${name}`, of(name));
}

function requireAttachments(files) {
  for (const file of files) {
    requireText("the name of an attachment", file.get("name"));
    require(isHex(file.get("sha256"), 64), "the SHA-256 of an attachment is none");
    require(file.get("size") !== "0", "an attachment is empty");
  }
  require(new Set(files.map((file) => file.get("sha256"))).size === files.length, "an attachment is listed twice");
}

function requireOrder([first, from], [then, to]) {
  require(instant(from) <= instant(to), `${then} is dated before ${first}`);
}

const lower = (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
const words = (word) => word.replaceAll("_", " ");

// When what each tells of happened.
const DATED = {
  validation: "decided", revocation: "revoked", media_verification: "ended", destruction: "destroyed",
  computer_certificate: "gathered", lot_certificate: "gathered", transfer: "released", discrepancy: "found",
};

async function checkOther(document) {
  const { payload, kind } = document;
  const of = (path) => get(payload, path);
  const check = CHECKS[kind];
  const checks = [await judgedBy("facts", () => check(of, payload))];
  if (kind === "transfer") checks.push(checkReceived(document));
  checks.push(signedAfter(document, of(DATED[kind]), "what it tells"));
  return checks;
}

const CHECKS = {
  validation(of) {
    requireReference("the judged document", of("document"));
    require(!["validation", "revocation", "transfer"].includes(of("document.kind")), `a ${words(of("document.kind"))} is not validated`);
    requireMedium(of("medium"));
    for (const name of ["organization", "reason", "policy"]) requireText(`the ${name}`, of(name));
    require(of("replaces") === null || isHex(of("replaces"), 64), "the replaced validation is named by no SHA-256");
    require(of("decision") === "accepted" || of("next_step") !== null, "a rejection must say what happens to the medium next");
    requirePerson("the validator", of("by"));
    return `${of("decision")}: ${of("reason")}`;
  },

  revocation(of) {
    requireReference("the revoked document", of("document"));
    require(of("document.kind") !== "revocation", "a revocation is final");
    requireMedium(of("medium"));
    requireReference("the replacing document", of("replaced_by"));
    require(of("replaced_by") === null || of("replaced_by.id") !== of("document.id"), "it is replaced by itself");
    require(of("cause") !== "superseded" || of("replaced_by") !== null, "it is superseded, but by what is not said");
    for (const name of ["organization", "reason"]) requireText(`the ${name}`, of(name));
    requirePerson("the validator", of("by"));
    return `${words(of("cause"))}: ${of("reason")}`;
  },

  async media_verification(of) {
    requireReference("the certificate", of("certificate"));
    require(of("certificate.kind") === "certificate", `a ${words(of("certificate.kind"))} names no bytes to compare with`);
    require(isHex(of("run_id"), 32), "run_id is not 32 hex digits");
    require((await identityDigest(of("medium.identity"))) === of("medium.identity_digest"), "the identity's digest is another one than is written");
    const told = checkCoverage(of);
    for (const name of ["organization", "station"]) requireText(`the ${name}`, of(name));
    requirePerson("the verifier", of("by"));
    requireOrder(["the beginning", of("started")], ["the end", of("ended")]);
    return told;
  },

  destruction(of) {
    requireMedium(of("medium"));
    for (const name of ["organization", "place", "standard", "batch", "notes"]) requireText(`the ${name}`, of(name));
    const attained = attainable(of("technique.name"), of("material"), of("category"), of("standard") !== null);
    require(of("attained") === attained, `${of("technique.name")} of ${words(of("material"))} attains ${attained}`);
    checkParticles(of);
    checkEquipment(of);
    require(of("weight_kg") === null || milli(of("weight_kg")) > 0n, "the medium weighs nothing");
    const celsius = of("technique.celsius");
    require(celsius === undefined || (celsius >= 200 && celsius <= 5000), `nothing burns or melts at ${celsius} °C`);
    requireReference("the document that sent it here", of("because"));
    requireAttachments(of("attachments"));
    requirePerson("the operator", of("operator"));
    requirePerson("the witness", of("witness"));
    require(of("witness") === null || lower(of("witness.name")) !== lower(of("operator.name")), "operator and witness have one name");
    return `${of("technique.name")} of ${words(of("material"))} attains ${attained}`;
  },

  computer_certificate: checkGathering,
  lot_certificate: checkGathering,

  transfer(of) {
    requirePerson("the sender", of("from"));
    requireText("the receiver's name", of("to.name"));
    requireText("the receiver's organization", of("to.organization"));
    require(of("to.kid") === null || new TextEncoder().encode(of("to.kid")).length === 43, "the key of the receiver is no RFC 7638 thumbprint");
    for (const name of ["place", "reason", "carrier", "notes"]) requireText(`the ${name}`, of(name));
    require(isHex(of("transfer_id"), 32), "transfer_id is not 32 hex digits");
    requireAttachments(of("attachments"));
    return checkList(of);
  },

  discrepancy(of) {
    requireReference("the transfer", of("transfer"));
    require(of("transfer.kind") === "transfer", `a ${words(of("transfer.kind"))} is no transfer`);
    for (const seal of of("seals")) {
      requireText("a container", seal.get("container"));
      requireText("a seal number", seal.get("seal"));
    }
    of("missing").forEach(requireMedium);
    of("extra").forEach(requireMedium);
    requireText("the remarks", of("remarks"));
    requireText("the place", of("place"));
    requireAttachments(of("attachments"));
    requirePerson("the receiver", of("by"));
    const lists = ["seals", "missing", "extra"].map((name) => of(name).length);
    require(lists.some((length) => length > 0) || of("remarks") !== null, "it names no discrepancy");
    return `${lists[0]} seals, ${lists[1]} media missing, ${lists[2]} media too many`;
  },
};

function checkCoverage(of) {
  const [size, matched, wanted] = ["medium.identity.size", "matched", "wanted"].map((path) => decimal(of(path)));
  const whole = isClean(of("ledger")) && matched === wanted && wanted > 0n;
  const result = of("cut") !== null ? "incomplete" : whole ? "matched" : "mismatched";
  require(of("result") === result, `the numbers say: ${result}`);
  require(matched <= wanted && wanted <= size, "more was read than there is");
  const block = BigInt(of("medium.logical_block"));
  const seeded = isHex(of("seed"), 64);
  if (of("level") === "full") {
    require(wanted === size, `a full reading of ${wanted} of ${size} bytes`);
    require(of("seed") === null, "a full reading has no sample seed");
  } else {
    require(of("level") !== "none", "a verification reads something");
    require(of("level") !== "sample" || (wanted + block) * 10n >= size, "the samples are less than a tenth");
    require(seeded, "the seed is not 64 hex digits");
  }
  const blocks = (size + (block || 1n) - 1n) / (block || 1n);
  const listed = ["unread", "mismatched", "unreached"].flatMap((name) => ranges(of("ledger"), name));
  require(listed.every((r) => r.count > 0n && r.end <= blocks), "a listed block lies outside the medium");
  require(of("ledger.unwritten").length === 0, "a reading lists blocks that were not written");
  require(of("direct") || of("medium.class") === "image" || of("result") !== "matched", "the reading went through the host's cache (no O_DIRECT)");
  return `${matched} of ${wanted} bytes matched: ${result}`;
}

function attainable(technique, material, category, standard) {
  if (technique === "degauss") {
    require(["hard_disk", "magnetic_tape"].includes(material), `degaussing attains nothing on ${words(material)}`);
    return "purge";
  }
  require(technique !== "shred" || category === "low" || standard, "shredding destroys media of the low confidentiality category only, where no standard is named");
  return "destroy";
}

// Largest areas of ISO/IEC 21964, levels 4 to 7, in thousandths of a square millimetre.
const LARGEST = {
  P: [160_000n, 30_000n, 10_000n, 5_000n],
  O: [30_000n, 10_000n, 5_000n, 200n],
  T: [160_000n, 30_000n, 10_000n, 2_500n],
  H: [2_000_000n, 320_000n, 10_000n, 5_000n],
  E: [30_000n, 10_000n, 1_000n, 500n],
};
const MATERIAL = { hard_disk: "H", hybrid_disk: "E", flash: "E", unknown: "E", magnetic_tape: "T", optical: "O" };

function checkParticles(of) {
  const particle = of("technique.particle");
  if (particle === undefined) return;
  const [category, level] = [get(particle, "class.category"), get(particle, "class.level")];
  const [limit, largest] = [LARGEST[category][level - 4], milli(particle.get("largest_mm2"))];
  require(limit !== undefined, `${category}-${level} is no class of ISO/IEC 21964 from 4 to 7`);
  require(category === MATERIAL[of("material")], `${category}-${level} is not about ${words(of("material"))}`);
  require(largest > 0n && largest <= limit, `the largest particle is not within ${category}-${level}`);
}

function checkEquipment(of) {
  for (const name of ["maker", "model", "serial", "listed"]) requireText(`the ${name} of the equipment`, of(`equipment.${name}`));
  const [calibrated, ends] = [of("equipment.calibrated"), of("equipment.calibration_ends")];
  if (of("technique.name") === "degauss") {
    const [field, coercivity] = [of("technique.field_oersted"), of("technique.coercivity_oersted")];
    require(field > 0, "the degausser's field is not told");
    require(coercivity === null || (coercivity > 0 && coercivity <= field), `a field of ${field} Oe does not erase a medium of higher or no coercivity`);
    require(calibrated !== null, "a degausser shows nothing on the medium, so its last calibration must be told");
  }
  require(calibrated !== null || ends === null, "a calibration ends that never was");
  if (calibrated !== null) requireOrder(["the calibration", calibrated], ["the destruction", of("destroyed")]);
  if (ends !== null) requireOrder(["the destruction", of("destroyed")], ["the end of the calibration", ends]);
}

function checkGathering(of) {
  requireText("the organization", of("organization"));
  requireText("the station", of("station"));
  for (const name of ["asset_tag", "maker", "model", "serial", "number", "customer"]) requireText(`the ${name} of the unit`, of(`of.${name}`));
  const [media, names, documents] = [of("media"), new Set(), new Set()];
  require(media.length > 0, "it gathers nothing");
  const once = (set, key, why) => {
    require(!set.has(key), why);
    set.add(key);
  };
  for (const [i, entry] of media.entries()) {
    const medium = entry.get("medium");
    requireMedium(medium);
    const [serial, wwn, digest] = ["serial", "wwn", "digest"].map((name) => medium.get(name));
    for (const part of [wwn, digest]) if (part !== null) once(names, lower(part), `medium ${i + 1} is listed twice`);
    if (serial !== null && wwn === null && digest === null) once(names, `${lower(serial)}\n${medium.get("model") ?? ""}`, `medium ${i + 1} is listed twice`);
    checkStanding(entry);
    if (entry.get("document") !== null) once(documents, get(entry, "document.id"), `the document of medium ${i + 1} speaks of two media`);
  }
  const standing = (...wanted) => media.filter((entry) => wanted.includes(entry.get("standing"))).length;
  const counts = { media: media.length, sanitized: standing("sanitized"), destroyed: standing("destroyed") };
  counts.without_proof = counts.media - counts.sanitized - counts.destroyed;
  require(Object.entries(counts).every(([name, value]) => of(`counts.${name}`) === value), "the counts do not follow from the list");
  const complete = counts.without_proof === 0 && of("expected") === counts.media;
  require(of("complete") === complete, "whether it is complete does not follow from the list");
  return `${complete ? "complete" : "NOT complete"}: ${counts.media} media, ${counts.without_proof} without proof`;
}

function checkStanding(entry) {
  requireReference("its document", entry.get("document"));
  requireReference("the document against it", entry.get("against"));
  const [kind, against] = ["document.kind", "against.kind"].map((path) => get(entry, path) ?? null);
  const judged = ["certificate", "destruction"].includes(kind);
  const standing = entry.get("standing");
  const fits = {
    sanitized: kind === "certificate" && against === null,
    destroyed: kind === "destruction" && against === null,
    failed: kind === "failure_report" && against === null,
    rejected: judged && ["validation", "media_verification"].includes(against),
    revoked: judged && against === "revocation",
    without_proof: kind === null && against === null,
  };
  require(fits[standing], `no document of that sort makes a medium ${words(standing)}`);
  require((entry.get("ended") === null) === (kind === null), "a date without a document, or the other way round");
  const [attained, read] = [entry.get("attained"), entry.get("verification")];
  if (["sanitized", "destroyed"].includes(standing)) require(attained !== null, "what was attained is not said");
  if (["failed", "without_proof"].includes(standing)) require(attained === null && read === null, "it attained something without a proof");
}

function checkList(of) {
  const [ids, seals, names] = [new Set(), new Set(), new Set()];
  require(of("media").length > 0, "nothing is handed over");
  for (const container of of("containers")) {
    requireText("a container", container.get("id"));
    require(!ids.has(container.get("id")), "a container is listed twice");
    ids.add(container.get("id"));
    for (const seal of container.get("seals")) {
      requireText("a seal number", seal);
      require(!seals.has(seal), `seal ${seal} is listed twice`);
      seals.add(seal);
    }
  }
  for (const [i, entry] of of("media").entries()) {
    requireMedium(entry.get("medium"));
    require(entry.get("container") === null || ids.has(entry.get("container")), `medium ${i + 1} lies in a container that is not listed`);
    requireReference("a medium's document", entry.get("document"));
    const key = JSON.stringify(["serial", "model", "wwn", "digest"].map((name) => lower(get(entry, `medium.${name}`) ?? "")));
    require(!names.has(key), `medium ${i + 1} is listed twice`);
    names.add(key);
  }
  return `${of("media").length} media in ${ids.size} containers with ${seals.size} seals`;
}

// The receiver who found everything in order has signed the very bytes of the sender.
function checkReceived(document) {
  const [from, to] = [get(document.payload, "from.kid"), get(document.payload, "to.kid")];
  const receiver = document.signatures.find((s) => s.kid !== null && s.kid !== from && s.role === "receiver" && (to === null || to === s.kid));
  return receiver ? passed("received", `received by key ${receiver.kid}`) : unknown("received", "nobody has signed that it was received");
}

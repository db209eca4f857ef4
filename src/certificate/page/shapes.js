// The form of every payload: which members it has, and the one spelling of each value. What the program would write
// in another way, it refuses, and so does the page. A shape takes a value and its place (a JSON pointer) and throws.

function misfit(place, expected) {
  throw new Refused(`the payload is not of the documented form: ${place || "/"} is not ${expected}`);
}

const shape = (holds, expected) => (value, place) => {
  if (!holds(value)) misfit(place, expected);
};

const MAX_64 = (1n << 64n) - 1n;
const isText = (value) => typeof value === "string";
const isHex = (value, digits) => isText(value) && value.length === digits && /^[0-9a-f]*$/.test(value);
// A number as the program writes it: a decimal string where it may be beyond 2^53.
const decimal = (value) => (isText(value) && /^(0|[1-9][0-9]{0,19})$/.test(value) && BigInt(value) <= MAX_64 ? BigInt(value) : null);

// Nanoseconds since 1970 of a time in its one spelling, or null.
function instant(value) {
  const found = isText(value)
    ? /^(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{3}|\d{6}|\d{9}))?Z$/.exec(value)
    : null;
  if (found === null) return null;
  const at = Date.parse(`${found[1]}Z`);
  // 30 February is no other day, and digits that say nothing are not written.
  if (Number.isNaN(at) || !new Date(at).toISOString().startsWith(found[1]) || found[2]?.endsWith("000")) return null;
  return BigInt(at) * 1_000_000n + BigInt((found[2] ?? "").padEnd(9, "0"));
}

// Thousandths of a quantity with at most three decimals, in its shortest spelling, or null.
function milli(value) {
  const found = isText(value) ? /^(0|[1-9][0-9]{0,19})(?:\.([0-9]{0,2}[1-9]))?$/.exec(value) : null;
  if (found === null) return null;
  const thousandths = BigInt(found[1]) * 1000n + BigInt((found[2] ?? "").padEnd(3, "0"));
  return thousandths <= MAX_64 ? thousandths : null;
}

const word = shape(isText, "a text");
const flag = shape((value) => typeof value === "boolean", "true or false");
const count = shape((value) => decimal(value) !== null, "a decimal number of 64 bits as a text");
const time = shape((value) => instant(value) !== null, "a time in its one spelling (RFC 3339, UTC)");
const thousandths = shape((value) => milli(value) !== null, "a number with at most three decimals as a text");
const evenHex = shape((value) => isText(value) && /^([0-9a-f]{2})+$/.test(value), "bytes in lower-case hex");
const upTo = (most) => shape((value) => Number.isSafeInteger(value) && value >= 0 && value <= most, `a whole number up to ${most}`);
const [u8, u16, u32, u64] = [0xff, 0xffff, 0xffffffff, Number.MAX_SAFE_INTEGER].map(upTo);
const hexOf = (digits) => shape((value) => isHex(value, digits), `${digits} hex digits`);
const oneOf = (...words) => shape((value) => words.includes(value), `one of ${words.join(", ")}`);
const anyObject = shape((value) => value instanceof Map, "an object");
const orNull = (inner) => (value, place) => (value === null ? undefined : inner(value, place));

const list = (inner) => (value, place) => {
  if (!Array.isArray(value)) misfit(place, "a list");
  value.forEach((item, i) => inner(item, `${place}/${i}`));
};

// A member that is left out where there is nothing to say, and then is not null and not an empty list.
const maybe = (inner) => ({ maybe: inner });
const someOf = (inner) =>
  maybe((value, place) => {
    list(inner)(value, place);
    if (value.length === 0) misfit(place, "left out, though it is empty");
  });

const object = (known) => (value, place) => {
  if (!(value instanceof Map)) misfit(place, "an object");
  for (const name of value.keys()) if (!Object.hasOwn(known, name)) misfit(`${place}/${name}`, "a member that is known");
  for (const [name, inner] of Object.entries(known)) {
    if (value.has(name)) (inner.maybe ?? inner)(value.get(name), `${place}/${name}`);
    else if (!inner.maybe) misfit(`${place}/${name}`, "there, and it must be");
  }
};

// An object whose member `tag` says which others it has.
const variants = (tag, known) => (value, place) => {
  const which = value instanceof Map ? value.get(tag) : undefined;
  if (!isText(which) || !Object.hasOwn(known, which)) misfit(`${place}/${tag}`, `one of ${Object.keys(known).join(", ")}`);
  object({ [tag]: word, ...known[which] })(value, place);
};

const [wordOrNull, countOrNull, timeOrNull] = [word, count, time].map(orNull);
const METHOD = oneOf("clear", "purge", "destroy");
const LEVEL = oneOf("none", "quick", "sample", "full");
const CLASS = oneOf("physical", "virtual", "image");
const CLOCK = oneOf("synchronized", "unsynchronized", "unknown");
const STEP = oneOf("sanitize_again", "destroy", "quarantine");
const CATEGORY = oneOf("none", "low", "moderate", "high");
const KIND = oneOf(
  "certificate", "failure_report", "validation", "media_verification", "revocation", "destruction",
  "computer_certificate", "lot_certificate", "transfer", "discrepancy",
);
const TECHNIQUES = [
  "nvme-sanitize-block", "nvme-sanitize-crypto", "nvme-sanitize-overwrite", "nvme-format-user", "nvme-format-crypto",
  "ata-sanitize-block", "ata-sanitize-crypto", "ata-sanitize-overwrite", "ata-security-erase",
  "ata-security-erase-enhanced", "scsi-sanitize-block", "scsi-sanitize-crypto", "scsi-sanitize-overwrite", "scsi-format",
  "mmc-secure-erase", "mmc-secure-trim", "mmc-sanitize", "opal-psid-revert", "zone-reset-overwrite", "overwrite",
  "degauss", "shred", "pulverize", "disintegrate", "incinerate", "melt",
];

const IDENTITY = object({
  vendor: wordOrNull, model: wordOrNull, serial: wordOrNull, wwn: wordOrNull, eui64: wordOrNull, nguid: wordOrNull,
  firmware: wordOrNull, unit: wordOrNull, size: count,
  backing: orNull(object({ device: count, inode: count, offset: count, path: word })),
});
const RANGE = object({ first: count, count });
const LEDGER = object({ unwritten: list(RANGE), unread: list(RANGE), mismatched: list(RANGE), unreached: list(RANGE) });
const READING = object({ level: LEVEL, seed: wordOrNull, matched: count, wanted: count, started: timeOrNull, ended: timeOrNull });
const FAILURE = object({ code: word, message: word, advice: word });
const TOOL = object({ name: word, version: word, build_digest: word });
const COMMANDS = oneOf("ata", "scsi", "nvme", "mmc", "opal", "block");
const EXCHANGE = object({
  set: COMMANDS, name: word, command: word, data_out: maybe(word),
  reply: variants("kind", {
    ata_registers: { registers: word, count_high: flag, lba_high: flag },
    no_registers: {}, scsi: { status: word, sense: word }, nvme: { status: word, result: word },
    mmc: { responses: word }, opal: { code: word }, done: {}, failed: { error: word },
  }),
  data_in: maybe(word), sent: time, answered: time,
});
const AREAS = {
  areas: list(object({ kind: word, size: countOrNull, note: word, outcome: maybe(oneOf("excluded", "given_back", "reached", "unknown")) })),
  exchanges: someOf(EXCHANGE),
  restored: maybe(object({ before: IDENTITY, otherwise: oneOf("refuse", "exclude"), at: time })),
};
const KNOWN = object({ known: u32, gone: u32 });
const FOUND = object({ zeros: count, ones: count, other: count });
const FROZEN = list(oneOf("security", "sanitize"));

const FACTS = object({
  run_id: word,
  medium: object({
    identity: IDENTITY, identity_digest: word,
    kind: oneOf("hdd", "sata_ssd", "sas_ssd", "nvme", "usb", "emmc", "sd", "ufs", "virtual", "image", "unknown"),
    class: CLASS,
    transport: oneOf("ata", "sas", "scsi", "nvme_pcie", "nvme_fabrics", "usb", "mmc", "ufs", "virtio", "network", "loop", "file", "memory", "unknown"),
    geometry: object({ size: count, logical_block: u32, physical_block: u32 }),
    rotational: orNull(flag), zoned: oneOf("none", "host-aware", "host-managed"), removable: flag, path: word,
    partition: orNull(object({ number: u32, disk: word, start: count })),
  }),
  requested: METHOD, attained: orNull(METHOD),
  proven: oneOf(
    "full_readback", "sampled_readback", "quick_readback", "readback_with_exceptions", "erased_full_read",
    "erased_sampled", "erased_known_content", "completion_only", "nothing",
  ),
  technique: word, scheme: object({ name: word, title: word, definition: word, source: word }),
  passes: list(object({
    number: u32,
    pattern: variants("kind", { byte: { byte: hexOf(2) }, bytes: { bytes: evenHex }, random: { key: hexOf(32) } }),
    started: time, ended: timeOrNull, written: count, flushed: flag, verified: orNull(READING),
  })),
  firmware: maybe(object({
    path: object({ set: COMMANDS, identity_agrees: orNull(flag), returns_status: flag, notes: list(word) }),
    reach: oneOf("unit", "subsystem", "card"),
    also: list(object({
      identity: IDENTITY, identity_digest: word, path: word, read: maybe(object({ canaries: KNOWN, samples: KNOWN, found: FOUND })),
    })),
    unattached: someOf(u32),
    exchanges: list(EXCHANGE), sent: timeOrNull, ended: timeOrNull, estimate_seconds: orNull(u64), status: wordOrNull,
    canaries: KNOWN, samples: KNOWN, blank_samples: u32,
    found: orNull(FOUND), cleaned_up: wordOrNull,
  })),
  steps_down: someOf(object({ from: word, to: word, failure: FAILURE, at: time, exchanges: list(EXCHANGE) })),
  verification: READING, ledger: LEDGER,
  hidden_areas: variants("state", {
    impossible: {}, reached_by_command: { why: word, ...AREAS }, examined: { by: word, ...AREAS }, not_examined: { why: word },
  }),
  suspensions: someOf(object({
    frozen: FROZEN, noted: time, woke: maybe(time), slept_seconds: maybe(u32), failed: maybe(word), after: maybe(FROZEN),
    exchanges: someOf(EXCHANGE),
  })),
  force_ro: someOf(object({ node: word, identity_digest: word, cleared: time, set_back: maybe(time), failed: maybe(word) })),
  io: object({ engine: word, direct: flag }),
  resumed: list(object({ at: time, path: word, pass: u32, stage: word, offset: count })),
  started: time, ended: time, clock: CLOCK,
  operator: orNull(object({ name: word, standing: word, kid: maybe(word) })),
  asset_tag: wordOrNull, category: wordOrNull,
  policy: maybe(object({
    id: word, version: word, digest: word, signed_by: wordOrNull, category: orNull(CATEGORY),
    route: orNull(oneOf("internal_reuse", "resale", "donation", "lease_return", "recycling", "destruction")),
    assumed: list(word), minimum: orNull(METHOD), least_verification: LEVEL, validation: flag, second_person_percent: u8,
    bad_blocks_allowed: u32, hidden_areas: oneOf("recorded", "refused"), operator: oneOf("anybody", "named", "own-key"),
    step_down: oneOf("never", "same-method", "lower-method"),
    ladder: list(object({ technique: oneOf(...TECHNIQUES), method: METHOD })), before_destruction: flag, retention_years: u16,
  })),
  intent: object({ log_id: word, index: count, leaf_hash: word, size: count, root: word }),
  earlier_attempts: list(object({ run_id: word, intended: time, outcome: word })),
  tool: TOOL,
});

const RUN = object({
  schema: word, version: u32, kind: oneOf("certificate", "failure_report"), organization: word, station: word,
  form: object({
    performed_by: object({ name: wordOrNull, title: wordOrNull, organization: wordOrNull, location: wordOrNull, phone: wordOrNull }),
    media: object({
      vendor: wordOrNull, model: wordOrNull, serial: wordOrNull, property_number: wordOrNull, media_type: word,
      source: wordOrNull, classification: wordOrNull, data_backed_up: orNull(oneOf("yes", "no", "unknown")),
      backup_location: wordOrNull,
    }),
    sanitization: object({
      method: wordOrNull, technique: word, details: word, tool: word, verification: word, post_category: wordOrNull,
      notes: wordOrNull,
    }),
    destination: orNull(object({
      kind: oneOf("internal_reuse", "external_reuse", "recycling_facility", "manufacturer", "other"), details: wordOrNull,
    })),
  }),
  facts: FACTS, failure: orNull(FAILURE), next_step: orNull(STEP),
  grade: object({ mark: oneOf("A", "B", "C", "D", "F"), reasons: list(word) }), statement: list(word),
  job: orNull(object({ id: word, nonce: word, register_checkpoint: word })), attestation: anyObject,
});

const SIGNATORY = object({ kid: word, name: word, title: wordOrNull, organization: wordOrNull, location: wordOrNull, contact: wordOrNull });
const REFERENCE = object({ id: word, kind: KIND });
const MEDIUM = object({
  vendor: wordOrNull, model: wordOrNull, serial: wordOrNull, wwn: wordOrNull, size: countOrNull, digest: wordOrNull,
  asset_tag: wordOrNull,
});
const ATTACHMENTS = list(object({ kind: oneOf("photo", "video", "document"), name: word, size: count, sha256: word }));
const HEAD = { schema: word, version: u32 };
const PARTICLE = { particle: object({ class: object({ category: oneOf("P", "O", "T", "H", "E"), level: u8 }), largest_mm2: thousandths }) };
const GATHERED = (unit) =>
  object({
    ...HEAD, of: variants("unit", unit), organization: word, station: word, station_kid: word, expected: orNull(u32),
    media: list(object({
      medium: MEDIUM, standing: oneOf("sanitized", "destroyed", "failed", "rejected", "revoked", "without_proof"),
      document: orNull(REFERENCE), attained: orNull(METHOD), verification: orNull(LEVEL), ended: timeOrNull,
      against: orNull(REFERENCE),
    })),
    counts: object({ media: u32, sanitized: u32, destroyed: u32, without_proof: u32 }), complete: flag, gathered: time,
  });

const SHAPES = {
  certificate: RUN,
  failure_report: RUN,
  validation: object({
    ...HEAD, organization: word, document: REFERENCE, medium: orNull(MEDIUM), decision: oneOf("accepted", "rejected"),
    reason: word, next_step: orNull(STEP), policy: wordOrNull, replaces: wordOrNull, by: SIGNATORY, decided: time,
  }),
  revocation: object({
    ...HEAD, organization: word, document: REFERENCE, medium: orNull(MEDIUM),
    cause: oneOf("error", "medium_differs", "key_compromised", "superseded", "other"), reason: word,
    replaced_by: orNull(REFERENCE), next_step: orNull(STEP), by: SIGNATORY, revoked: time,
  }),
  media_verification: object({
    ...HEAD, organization: word, station: word, station_kid: word, certificate: REFERENCE, run_id: word,
    certificate_signers: list(word),
    medium: object({
      identity: IDENTITY, identity_digest: word, class: CLASS, logical_block: u32,
      differences: list(object({ field: word, before: word, now: word })),
    }),
    result: oneOf("matched", "mismatched", "incomplete"), level: LEVEL, seed: wordOrNull, wanted: count, matched: count,
    ledger: LEDGER, cut: wordOrNull, direct: flag, started: time, ended: time, clock: CLOCK, by: orNull(SIGNATORY), tool: TOOL,
  }),
  destruction: object({
    ...HEAD, organization: word, place: word, medium: MEDIUM,
    material: oneOf("hard_disk", "hybrid_disk", "flash", "magnetic_tape", "optical", "unknown"),
    category: orNull(oneOf("low", "moderate", "high")),
    technique: variants("name", {
      degauss: { field_oersted: u32, coercivity_oersted: orNull(u32) }, shred: PARTICLE, disintegrate: PARTICLE,
      incinerate: { celsius: u32 }, melt: { celsius: u32 },
    }),
    standard: wordOrNull, attained: METHOD,
    equipment: object({
      maker: word, model: word, serial: wordOrNull, listed: wordOrNull, calibrated: timeOrNull, calibration_ends: timeOrNull,
    }),
    because: orNull(REFERENCE), batch: wordOrNull, weight_kg: orNull(thousandths), attachments: ATTACHMENTS, destroyed: time,
    operator: SIGNATORY, witness: orNull(SIGNATORY), notes: wordOrNull,
  }),
  computer_certificate: GATHERED({ computer: { asset_tag: word, maker: wordOrNull, model: wordOrNull, serial: wordOrNull } }),
  lot_certificate: GATHERED({ lot: { number: word, customer: wordOrNull } }),
  transfer: object({
    ...HEAD, transfer_id: word, from: SIGNATORY, to: object({ name: word, organization: wordOrNull, kid: wordOrNull }),
    place: word, reason: word, carrier: wordOrNull, containers: list(object({ id: word, seals: list(word) })),
    media: list(object({ medium: MEDIUM, container: wordOrNull, document: orNull(REFERENCE) })), attachments: ATTACHMENTS,
    released: time, notes: wordOrNull,
  }),
  discrepancy: object({
    ...HEAD, transfer: REFERENCE, by: SIGNATORY, place: word,
    seals: list(object({ container: word, seal: wordOrNull, state: oneOf("broken", "missing", "foreign") })),
    missing: list(MEDIUM), extra: list(MEDIUM), received: u32, remarks: wordOrNull, attachments: ATTACHMENTS, found: time,
  }),
};

// A technique of the drive's own, hidden areas, and the rules of a policy, as the program judges them on a certificate.

const byteAt = (text, at) => parseInt(text.slice(2 * at, 2 * at + 2).padEnd(2, "x"), 16) || 0;

// What is read as bytes must be bytes.
function requireHex(value, what) {
  require(/^[0-9a-f]*$/.test(value), `${what} is not in lower-case hex`);
  return value;
}

// Whether this is the technique's erasing command.
function erases(technique, exchange) {
  // It carries nothing but the secret: all that is written down of it is its name.
  if (technique === "opal-psid-revert") return exchange.get("name") === "IOC_OPAL_PSID_REVERT_TPR";
  if (technique === "zone-reset-overwrite") return true;
  const bytes = requireHex(exchange.get("command"), "a command").match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
  const at = (i) => bytes[i] ?? 0;
  const ata = (command, feature) => at(11) === command && at(1) === feature;
  const nvmeSanitize = (action) => at(0) === 0x84 && bytes.length >= 5 && bytes.slice(1, 5).every((b) => b === 0) && (at(8) & 7) === action;
  const nvmeFormat = (ses) => at(0) === 0x80 && ((at(7) >> 1) & 7) === ses;
  const scsiSanitize = (action) => at(0) === 0x48 && (at(1) & 0x1f) === action;
  const mmc = (...step) => bytes.some((_, i) => i % 5 === 0 && step.every((b, j) => bytes[i + j] === b));
  switch (technique) {
    case "nvme-sanitize-block":
      return nvmeSanitize(2);
    case "nvme-sanitize-overwrite":
      return nvmeSanitize(3);
    case "nvme-sanitize-crypto":
      return nvmeSanitize(4);
    case "nvme-format-user":
      return nvmeFormat(1);
    case "nvme-format-crypto":
      return nvmeFormat(2);
    case "ata-sanitize-crypto":
      return ata(0xb4, 0x11);
    case "ata-sanitize-block":
      return ata(0xb4, 0x12);
    case "ata-sanitize-overwrite":
      return ata(0xb4, 0x14);
    case "ata-security-erase":
    case "ata-security-erase-enhanced":
      return at(11) === 0xf4;
    case "scsi-sanitize-overwrite":
      return scsiSanitize(1);
    case "scsi-sanitize-block":
      return scsiSanitize(2);
    case "scsi-sanitize-crypto":
      return scsiSanitize(3);
    case "scsi-format":
      return bytes[0] === 0x04;
    case "mmc-secure-erase":
      return mmc(38, 0x80, 0, 0, 0);
    case "mmc-secure-trim":
      return mmc(38, 0x80, 0, 0x80, 0);
    case "mmc-sanitize":
      return mmc(6, 0x03, 0xa5, 0x01, 0x00);
    default:
      return false;
  }
}

// The drive said positively that it did not take the command. An NVMe status of type 3 is the path's or the host's
// own; and of a Sanitize that was broken off, or met one that runs, the log says what became of it.
function isRejection(exchange) {
  const of = (name) => exchange.get("reply").get(name);
  switch (of("kind")) {
    case "nvme": {
      const status = parseInt(requireHex(of("status"), "the status"), 16) & 0x7ff;
      const open = [0x005, 0x007, 0x008, 0x01d].includes(status) && exchange.get("command").startsWith("84");
      return status !== 0 && status >> 8 !== 3 && !open;
    }
    case "ata_registers":
      return (byteAt(requireHex(of("registers"), "the registers"), 10) & 1) !== 0;
    case "scsi":
      return of("status") !== "00";
    case "opal":
      return of("code") !== "0";
    default:
      return false;
  }
}

function checkDrive(facts) {
  const [technique, proven] = [facts.get("technique"), facts.get("proven")];
  require(TECHNIQUES.includes(technique), `${technique} is no technique`);
  checkStepsDown(facts);
  const byDrive = technique !== "overwrite";
  const erased = ERASED[proven] !== undefined;
  const said = technique === "overwrite" ? erased : technique === "zone-reset-overwrite" ? !erased : erased || proven === "completion_only";
  const firmware = facts.get("firmware");
  if (firmware === undefined) {
    require(!byDrive, `${technique} without a word on what was sent to the drive`);
    require(!said, "an erase by the drive is claimed, and the host wrote");
    return "the host wrote; nothing was sent to the drive";
  }
  const of = (path) => get(firmware, path);
  require(byDrive && said, `${technique} is no technique of the drive's own`);
  require(facts.get("passes").length === 0, "passes are listed although the drive erased itself");
  require(get(facts, "scheme.name") === technique, "the scheme is another one than the technique");
  require(of("path.returns_status"), "the path did not return the drive's status");
  require(of("path.identity_agrees") !== false, "the drive named another serial number than the kernel does");
  require(of("status") !== null && of("status") !== "", "the drive's last word is missing");
  require(of("sent") !== null && of("ended") !== null, "when the command was sent, or when the drive had ended, is missing");
  require(get(facts, "io.direct"), "the blocks were read through the host's cache");
  require(of("canaries.known") > 0 || !erased, "no known content was written before");
  require(of("canaries.gone") === of("canaries.known"), `${of("canaries.gone")} of ${of("canaries.known")} blocks of known content are gone`);
  require(of("samples.gone") === of("samples.known"), `${of("samples.gone")} of ${of("samples.known")} samples are gone`);
  checkFound(facts, of("found"));
  const sent = checkSent(facts, firmware, technique);
  const unattached = firmware.get("unattached") ?? [];
  require(unattached.length === 0 || of("reach") === "subsystem", "other namespaces are told of, and the command reaches one");
  require(unattached.every((nsid, i) => nsid > (i > 0 ? unattached[i - 1] : 0)), "the numbers of other namespaces are not in order, or 0 is among them");
  return Promise.all(of("also").map(async (other) => [other, await identityDigest(other.get("identity"))])).then((others) => {
    for (const [other, digest] of others) {
      require(other.get("identity_digest") === digest, `the identity's digest of ${other.get("path")} is not what is written`);
      checkAlong(facts, other);
    }
    return `${sent}; ${of("canaries.gone")} blocks of known content and ${of("samples.gone")} samples are gone`;
  });
}

// Each step leads from the technique before to the next, all were allowed, the last leads here.
function checkStepsDown(facts) {
  let before = null;
  for (const step of facts.get("steps_down") ?? []) {
    const [from, to] = [step.get("from"), step.get("to")];
    require((before === null || before === from) && from !== to, `the step down from ${from} does not follow from the one before`);
    const ladder = get(facts, "policy.ladder");
    require(ladder === undefined || ladder.some((rung) => rung.get("technique") === from), `${from} was tried and is not among what was allowed`);
    before = to;
  }
  require(before === null || before === facts.get("technique"), `the last step down leads to ${before}, and another technique is claimed`);
}

// What was read of a medium that was erased along: nothing, or all of it.
function checkAlong(facts, other) {
  const [read, path] = [other.get("read"), other.get("path")];
  if (read === undefined) return;
  for (const [name, what] of [["canaries", "blocks of known content"], ["samples", "samples"]]) {
    const [known, gone] = ["known", "gone"].map((member) => get(read, `${name}.${member}`));
    require(gone === known, `${gone} of ${known} ${what} of ${path} are gone`);
  }
  require(get(read, "canaries.known") > 0, `no known content was written to ${path} before`);
  const blocks = ["zeros", "ones", "other"].reduce((sum, name) => sum + decimal(get(read, `found.${name}`)), 0n);
  const size = get(other, "identity.size");
  require(blocks * BigInt(get(facts, "medium.geometry.logical_block")) === decimal(size), `${blocks} blocks of ${path} are told of, and it has ${size} bytes`);
}

function checkFound(facts, found) {
  if (found === null) return require(get(facts, "verification.level") === "none", "what was found in the blocks that were read is missing");
  const blocks = ["zeros", "ones", "other"].reduce((sum, name) => sum + decimal(found.get(name)), 0n);
  const read = get(facts, "verification.matched");
  require(blocks * BigInt(get(facts, "medium.geometry.logical_block")) === decimal(read), `${blocks} blocks are told of, and ${read} bytes were read`);
}

function checkSent(facts, firmware, technique) {
  const exchanges = firmware.get("exchanges");
  const set = get(firmware, "path.set");
  const at = exchanges.findLastIndex((e) => e.get("set") === set && erases(technique, e));
  if (at < 0) {
    // A power cut can fall between the command and the note of its answer.
    require(facts.get("resumed").length > 0, `no command of ${technique} is among what was sent`);
    return "the command was sent before an interruption, and its answer is lost";
  }
  const exchange = exchanges[at];
  require(!isRejection(exchange), `the drive rejected ${exchange.get("name")}`);
  if (technique.startsWith("nvme-sanitize-")) checkSanitizeLog(exchange, exchanges.slice(at));
  if (technique.startsWith("ata-sanitize-")) checkSanitizeRegisters(exchanges.slice(at));
  if (technique === "opal-psid-revert") checkFactoryState(exchanges.slice(at));
  return `${exchange.get("name")} was sent`;
}

// The last Sanitize Status log after the command: SSTAT 1 or 4, and SCDW10 of this very command.
function checkSanitizeLog(command, after) {
  const log = after.findLast((e) => e.get("set") === "nvme" && e.get("name") === "Get Log Page (Sanitize Status)");
  const data = log?.get("data_in");
  require(data !== undefined, "the drive's Sanitize Status log is missing");
  requireHex(data, "the Sanitize Status log");
  const little = (at, length) => Array.from({ length }, (_, i) => byteAt(data, at + i) * 2 ** (8 * i)).reduce((a, b) => a + b, 0);
  require([1, 4].includes(little(2, 2) & 7), "the Sanitize Status log says no success");
  const dword = command.get("command").slice(10, 18);
  require(dword.length === 8 && parseInt(dword, 16) === little(4, 4), "the Sanitize Status log is of another Sanitize");
}

// The last SANITIZE STATUS EXT after the command: COUNT bit 15, completed without error.
function checkSanitizeRegisters(after) {
  const status = after.findLast((e) => e.get("set") === "ata" && e.get("command").startsWith("0000") && e.get("command").endsWith("b4"));
  const reply = status?.get("reply");
  require(reply?.get("kind") === "ata_registers" && reply.get("count_high"), "the registers of the drive's last SANITIZE STATUS are missing");
  const count = requireHex(reply.get("registers"), "the registers").slice(2, 6);
  require(count.length === 4 && (parseInt(count, 16) & 0x8000) !== 0, "the last SANITIZE STATUS says no success");
}

// The last status flags after the revert: the drive is supported (bit 0), locking neither enabled (bit 2) nor a range locked (bit 3).
function checkFactoryState(after) {
  const reply = after.findLast((e) => e.get("set") === "opal" && e.get("name") === "IOC_OPAL_GET_STATUS")?.get("reply");
  require(reply?.get("kind") === "opal", "the drive's Opal status after the revert is missing");
  const code = reply.get("code");
  require(/^[0-9a-f]{1,8}$/.test(code) && (parseInt(code, 16) & 0x0d) === 0x01, "the drive's Opal status does not say that locking is off");
}

// No technique worked that was frozen, and nothing woke that did not sleep.
function checkSuspensions(facts, certifies) {
  const [all, technique] = [facts.get("suspensions"), facts.get("technique")];
  require(all.every((s) => s.get("frozen").length > 0), "the machine was suspended for a drive that was not frozen");
  require(all.every((s) => !s.has("woke") || !s.has("failed")), "the machine woke that was not suspended");
  if (certifies) {
    const after = all.at(-1).get("after");
    require(after !== undefined, "whether the drive was still frozen is not said, and it was erased");
    const sends = technique.startsWith("ata-sanitize-") ? "sanitize" : technique.startsWith("ata-security-erase") ? "security" : null;
    require(!after.includes(sends), `its ${sends} commands were still frozen, and erased the drive`);
  }
  return `${all.length} told of`;
}

// What a certificate says of hidden areas against its other facts.
function checkHidden(facts) {
  const [all, state] = [areas(facts), get(facts, "hidden_areas.state")];
  require(all.every((a) => a.get("kind") !== "" && a.get("size") !== "0"), "an area of no kind or no size is listed");
  const unsaid = all.find((a) => a.get("size") === null && a.get("outcome") !== "unknown");
  require(unsaid === undefined, "the size of a hidden area is not said");
  checkGivenBack(facts);
  if (state === "examined") {
    require(get(facts, "medium.class") === "physical" && get(facts, "hidden_areas.by") !== "", "hidden areas were examined where there is no drive, or by nothing");
    // What became of each area is the point of having asked.
    require(all.every((a) => a.has("outcome") && a.get("outcome") !== "reached"), "what became of a hidden area is not said, or cannot be true");
  } else if (state === "reached_by_command") {
    require(facts.has("firmware") && facts.get("technique") !== "overwrite", "the host wrote, and a command is said to reach hidden areas");
    require(areas(facts, "excluded").length === 0, "an area is reached by the command and excluded");
  }
  return all.length === 0 ? "the drive hides nothing" : `${all.length} told of: ${all.map((a) => `${areaLabel(a)}, ${(a.get("outcome") ?? "hidden").replaceAll("_", " ")}`).join("; ")}`;
}

// What was given back is what the medium grew by, it is the same drive, and the commands are there.
function checkGivenBack(facts) {
  const [back, restored, now] = [areas(facts, "given_back"), get(facts, "hidden_areas.restored"), get(facts, "medium.identity")];
  if (restored === undefined) return require(back.length === 0, "an area was given back, and what the drive was before is not said");
  const before = restored.get("before");
  const sum = back.reduce((sum, area) => (sum === null || area.get("size") === null ? null : sum + decimal(area.get("size"))), 0n);
  const grown = decimal(now.get("size")) - decimal(before.get("size"));
  require(sum !== null && sum > 0n && grown === sum, "what the drive grew by is not what was given back");
  const others = identityDifferences(before, now).filter(({ field }) => field !== "size");
  require(others.length === 0, `before its hidden areas were given back the drive had another ${others[0]?.field}`);
  const changes = ["SET MAX ADDRESS", "SET ACCESSIBLE MAX ADDRESS", "DEVICE CONFIGURATION RESTORE", "MODE SELECT"];
  const sent = (get(facts, "hidden_areas.exchanges") ?? []).some((e) => changes.some((name) => e.get("name").startsWith(name)));
  // Of a start that was cut between the command and its note nothing more is known than that it began.
  require(sent || facts.get("resumed").length > 0, "areas were given back, and no command that does it is among what was sent");
}

// Nothing is hidden that was not reached, and that is known.
function checkNoneLeft(facts, label) {
  const state = get(facts, "hidden_areas.state");
  require(state !== "not_examined", `${label} takes no medium whose hidden areas were not examined`);
  require(areas(facts, "excluded").length === 0, `${label} takes no medium that hides a part which was not reached`);
  require(state !== "examined" || areas(facts, "unknown").length === 0, `${label} takes no medium of which it is not known what it hides`);
}

// The rules against what was done.
function checkPolicy(facts) {
  const policy = facts.get("policy");
  if (policy === undefined) return "no policy is named: nobody decided whether this is enough";
  const of = (name) => policy.get(name);
  const [category, route, minimum, attained] = [of("category"), of("route"), of("minimum"), facts.get("attained")];
  const ladder = of("ladder").map((rung) => ({ technique: rung.get("technique"), method: rung.get("method") }));
  const label = `${of("id")} version ${of("version")}`;
  require((minimum !== null) === (category !== null && route !== null), "a minimum is decided by category and route together, and by nothing else");
  const low = minimum !== null && !of("before_destruction") && ladder.find((rung) => RANK[rung.method] < RANK[minimum]);
  require(!low, `${low?.technique} is allowed below the minimum ${minimum}`);
  const much = ladder.find((rung) => RANK[rung.method] > RANK[atMost(rung.technique)]);
  require(much === undefined, `${much?.technique} is counted for ${much?.method}`);
  const known = POLICIES.find((ready) => ready.id === of("id") && ready.digest === of("digest"));
  if (known) checkKnownPolicy(known, of, label, facts);
  require(attained !== null, "a certificate without an attained method");
  require(minimum === null || of("before_destruction") || RANK[attained] >= RANK[minimum], `${label} demands ${minimum}, and ${attained} was attained`);
  const rung = ladder.find(({ technique }) => technique === facts.get("technique"));
  require(rung !== undefined, `the technique ${facts.get("technique")} is not among those that were allowed`);
  require(rung.method === attained, `${rung.technique} counts for ${rung.method} under ${label}, and ${attained} is claimed`);
  const [level, least] = [get(facts, "verification.level"), of("least_verification")];
  require(LEVELS.indexOf(level) >= LEVELS.indexOf(least), `${label} demands a read-back of at least ${least}, and ${level} was done`);
  const operator = facts.get("operator");
  require(of("operator") !== "named" || operator !== null, `${label} demands that the operator is named`);
  require(of("operator") !== "own-key" || operator?.has("kid"), `${label} demands an operator with a key of their own`);
  if (of("hidden_areas") === "refused") checkNoneLeft(facts, label);
  const unknown = known ? "" : "; its text is not known to this page";
  if (of("before_destruction")) return `${label}: the run precedes destruction and releases nothing${unknown}`;
  if (minimum === null) return `${label}: without category and route no minimum was decided${unknown}`;
  return `${label} demands ${minimum}, and the run kept its rules${unknown}`;
}

// A policy whose text came with the program that made this page.
function checkKnownPolicy(known, of, label, facts) {
  const decided = of("category") !== null && of("route") !== null;
  const steps = ["never", "same-method", "lower-method"];
  const ladder = of("ladder").map((rung) => ({ technique: rung.get("technique"), method: rung.get("method") }));
  // After Destroy there is nothing to read; without a technique nothing may be left out.
  const levels = ladder.map(({ method }) => LEVELS.indexOf(known.verification[method] ?? "none"));
  const least = levels.length === 0 ? "full" : LEVELS[Math.max(...levels)];
  // What the policy assumes is never left open, and where it does nothing without them, neither is.
  const open = (name) => known.assume[name] === null && !known.assume.nothing;
  const assumed = (name) => ["category", "route"].includes(name) && known.assume[name] !== null && known.assume[name] === of(name);
  const agrees = {
    version: of("version") === known.version,
    category: of("category") !== null || open("category"),
    route: of("route") !== null || open("route"),
    assumed: ascending(of("assumed"), (name) => name) && of("assumed").every(assumed),
    least_verification: of("least_verification") === (decided && !of("before_destruction") ? least : "none"),
    minimum: of("minimum") === (decided ? known.minimum[of("category")][of("route")] : null),
    validation: of("validation") === (of("category") !== null && known.validation.includes(of("category"))),
    second_person_percent: of("second_person_percent") === known.second_person_percent,
    bad_blocks_allowed: of("bad_blocks_allowed") === known.bad_blocks_allowed[of("category") ?? ""],
    hidden_areas: of("hidden_areas") === known.hidden_areas,
    operator: of("operator") === known.operator,
    step_down: steps.indexOf(of("step_down")) <= steps.indexOf(known.step_down),
    retention_years: of("retention_years") === known.retention_years,
  };
  const wrong = Object.entries(agrees).find(([, holds]) => !holds);
  require(wrong === undefined, `${wrong?.[0]} is not what the policy ${label} says`);
  const counts = known.counts[storageOf(facts.get("medium"))];
  const rung = ladder.find(({ technique, method }) => counts[technique] !== method);
  require(rung === undefined, `${rung?.technique} is allowed for ${rung?.method}, and the policy ${label} counts it for ${counts[rung?.technique] ?? "nothing"} on this medium`);
}

// What holds the data of a medium.
function storageOf(medium) {
  const [kind, sort, rotational] = ["kind", "class", "rotational"].map((name) => medium.get(name));
  if (sort !== "physical" || kind === "virtual" || kind === "image") return "no-hardware";
  if (kind === "hdd") return "magnetic";
  if (["sata_ssd", "sas_ssd", "nvme", "emmc", "sd", "ufs"].includes(kind)) return "flash";
  return kind === "unknown" && rotational === false ? "flash" : "unknown";
}

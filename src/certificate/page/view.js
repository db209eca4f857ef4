// The page itself. What is read from files reaches it as text only, never as markup.

const state = { trust: new TrustStore(), items: [], evidence: [], bundles: [], refused: [], queue: Promise.resolve() };
const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const MAX_FILE = 256 * 1024 * 1024;

// Keys first: a certificate dropped together with its trust file is judged by it.
async function take(files) {
  for (const file of files) {
    try {
      if (file.size > MAX_FILE) throw new Refused("larger than any document or bundle");
      await takeBytes(new Uint8Array(await file.arrayBuffer()), file.name);
    } catch (error) {
      const expected = error instanceof Refused || error instanceof Unjudged;
      if (!expected) console.error(error);
      state.refused.push({ name: file.name, why: expected ? error.message : "it could not be read" });
    }
  }
  await judgeAll();
  render();
}

async function takeBytes(bytes, name) {
  const starts = (word) => word.split("").every((c, i) => bytes[i] === c.charCodeAt(0));
  if (starts("%PDF-")) {
    for (const file of await documentsOfPdf(bytes)) addDocument(file, name, true);
  } else if (starts(BUNDLE_MAGIC)) {
    state.items.push({ bundle: bytes, name });
  } else if (bytes[0] !== 0x7b && find(bytes, "-----BEGIN CERTIFICATE-----") >= 0) {
    await state.trust.takeAuthorities(bytes, name);
  } else if (isEvidence(bytes)) {
    if (!state.evidence.some((file) => sameBytes(file.bytes, bytes))) state.evidence.push({ bytes, name });
  } else if (isStatements(bytes)) {
    await state.trust.takeStatements(bytes, name);
  } else if (isTrust(bytes)) {
    await state.trust.takeSet(bytes, name);
  } else {
    addDocument(bytes, name, false);
  }
}

function isTrust(bytes) {
  try {
    const value = parseJson(text(bytes));
    return value instanceof Map && value.has("keys");
  } catch {
    return false;
  }
}

// A bundle of what roots signed has one signed statement a line; a document is one line.
function isStatements(bytes) {
  try {
    const lines = text(bytes).split("\n").filter((line) => line !== "");
    const typ = parseJws(new TextEncoder().encode(lines[0] ?? "")).signatures[0].typ;
    return typ === DELEGATION || typ === REVOCATION_LIST;
  } catch {
    return false;
  }
}

function addDocument(bytes, name, inPdf) {
  const same = state.items.some((item) => item.bytes && item.inPdf === inPdf && item.name === name && sameBytes(item.bytes, bytes));
  if (!same) state.items.push({ bytes, name, inPdf });
}

// Everything is judged anew whenever a file comes in: keys and other documents change the verdict.
async function judgeAll() {
  const found = await readEvidence(state.evidence, state.trust);
  const problems = [...found.refused];
  const [alone, bundles] = [[], []];
  for (const item of state.items) {
    if (item.bundle) {
      try {
        bundles.push(await readBundle(item.bundle, item.name, state.trust, found));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        problems.push({ name: item.name, why: error.message });
      }
      continue;
    }
    const verified = await verifyDocument(item.bytes, item.inPdf ? null : item.name, state.trust, found);
    verified.fileName = item.name;
    verified.inPdf = item.inPdf;
    alone.push(verified);
  }
  const shown = [...alone, ...bundles.flatMap((bundle) => bundle.documents)];
  for (const bundle of bundles) await judgeBundle(bundle, shown.filter((document) => !bundle.documents.includes(document)));
  relate(alone, shown);
  Object.assign(state, { shown, bundles, found, problems });
}

const VERDICTS = {
  valid: ["Valid", "Every signature was made by a key that you trust, and nothing speaks against it."],
  consistent: ["Not established", "Nothing speaks against it, but something could not be told; above all, who signed."],
  invalid: ["INVALID", "A check failed. Do not rely on it."],
};

// What there is besides the signer's own word on times.
function evidenceText({ evidence, tokens }) {
  const told = evidence.map((e) => `${e.kind} by ${e.by}, ${when(e.at)}`);
  const stamped = ({ name, at, why }) => `${name}: a time-stamp token (RFC 3161)${at === null ? "" : ` of ${when(at)}`}, NOT judged: ${why}`;
  return [...new Set(told), ...tokens.map(stamped)].join(" · ");
}

function render() {
  const shown = state.shown ?? [];
  const evidence = state.found ? evidenceText(state.found) : "";
  $("evidence").replaceChildren(`Evidence of time: ${evidence}`);
  $("evidence").hidden = evidence === "";
  const count = (verdict) => shown.filter((document) => document.verdict === verdict).length;
  $("trust").replaceChildren(
    state.trust.isEmpty
      ? "No trust file yet: signatures cannot be checked. Drop the trust.jwks.json that you got from somebody you trust, not from whoever gave you the certificate."
      : `Trusted: ${state.trust.sources.join(" · ")}`,
  );
  const stale = state.trust.staleLists(Date.now() / 1000);
  stale.forEach((note) => $("trust").append(el("div", {}, `NOTE: ${note}`)));
  $("trust").className = state.trust.isEmpty || stale.length > 0 ? "note warn" : "note";
  $("summary").replaceChildren(
    ...Object.keys(VERDICTS).map((verdict) =>
      el("span", { class: `count ${verdict}`, "data-verdict": verdict, "data-count": String(count(verdict)) }, el("b", {}, String(count(verdict))), ` ${VERDICTS[verdict][0]}`),
    ),
  );
  $("summary").hidden = shown.length === 0;
  const order = { invalid: 0, consistent: 1, valid: 2 };
  const refused = [...state.refused, ...(state.problems ?? [])].map((item) =>
    el("article", { class: "card invalid", "data-verdict": "refused" }, el("h2", {}, "Refused"), el("p", { class: "file" }, item.name), el("p", {}, item.why)),
  );
  const cards = [...shown].sort((a, b) => order[a.verdict] - order[b.verdict]).map(card);
  $("results").replaceChildren(...refused, ...state.bundles.map(bundleCard), ...cards);
  document.body.dataset.done = String(Number(document.body.dataset.done ?? "0") + 1);
}

function card(document) {
  const [word, meaning] = VERDICTS[document.verdict];
  const rows = facts(document).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const open = document.checks.concat(document.others).filter((check) => check.outcome !== "passed");
  return el(
    "article",
    { class: `card ${document.verdict}`, "data-verdict": document.verdict, "data-id": document.id ?? "" },
    el("header", {}, el("span", { class: "stamp" }, word), el("h2", {}, document.typ?.name ?? "Unknown document")),
    el("p", { class: "file" }, `${document.fileName}${document.inPdf ? " (the document inside the PDF; its visible pages were not compared)" : ""}`),
    el("p", { class: "meaning" }, meaning),
    precedesDestruction(document) ? el("p", { class: "note warn" }, "It releases nothing: the run precedes the destruction of the medium.") : null,
    open.length > 0 ? el("ul", { class: "open" }, ...open.slice(0, 8).map(line)) : null,
    rows.length > 0 ? el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])) : null,
    el("details", {}, el("summary", {}, "All checks"), el("ul", {}, ...document.checks.concat(document.others).map(line))),
    document.payload ? detailsOf(document) : null,
  );
}

function detailsOf(shown) {
  const content = el("pre", {});
  const details = el("details", {}, el("summary", {}, "Everything it says"), content);
  details.addEventListener("toggle", () => {
    if (details.open && content.textContent === "") content.textContent = JSON.stringify(JSON.parse(text(shown.jws.payload)), null, 2);
  });
  return details;
}

function line(check) {
  const sign = { passed: "ok", failed: "FAILED", unknown: "?" }[check.outcome];
  return el("li", { class: check.outcome }, el("b", {}, `${sign} ${check.name}`), ` ${check.detail}`);
}

function bundleCard(bundle) {
  const [word, meaning] = VERDICTS[bundle.verdict];
  const open = bundle.media.filter((medium) => !isProof(medium.standing));
  const logs = bundle.logs.flatMap(({ checkpoint }) => [
    el("dt", {}, "Custody log"),
    el("dd", {}, `${checkpoint.origin}: ${checkpoint.size} entries, root ${hex(checkpoint.root)}`),
  ]);
  return el(
    "article",
    { class: `card log ${bundle.verdict}`, "data-verdict": bundle.verdict },
    el("header", {}, el("span", { class: "stamp" }, word), el("h2", {}, "Bundle")),
    el("p", { class: "file" }, bundle.name),
    el("p", { class: "meaning" }, meaning),
    el("ul", {}, ...bundle.checks.map(line)),
    el(
      "dl",
      {},
      ...logs,
      el("dt", {}, "Documents"),
      el("dd", {}, String(bundle.documents.length)),
      el("dt", {}, "Media"),
      el("dd", {}, `${bundle.media.length}, ${bundle.media.length - open.length} of them proven`),
      ...open.slice(0, 20).flatMap((medium) => [el("dt", {}, "Not proven"), el("dd", {}, `${labelOf(medium.medium)}: ${STANDINGS[medium.standing]}`)]),
    ),
  );
}

function humanBytes(word) {
  let [value, unit] = [Number(word), 0];
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

function signersOf(document) {
  return document.signatures
    .map((s) => `${state.trust.find(s.kid)?.name ?? "unknown key"} as ${s.role ?? "?"}${s.iat === null ? "" : `, ${when(s.iat)}`}`)
    .join("; ");
}

const precedesDestruction = ({ kind, payload }) => kind === "certificate" && get(payload, "facts.policy.before_destruction") === true;

function facts(document) {
  const { payload } = document;
  if (!(payload instanceof Map)) return [];
  const of = (path) => get(payload, path);
  const signed = ["Signed by", signersOf(document)];
  const id = ["Id", document.id];
  if (document.kind === "certificate" || document.kind === "failure_report") {
    return [
      ["Medium", [of("facts.medium.identity.vendor"), of("facts.medium.identity.model")].filter(Boolean).join(" ")],
      ["Serial", of("facts.medium.identity.serial")],
      ["Size", humanBytes(of("facts.medium.geometry.size"))],
      ["Class", of("facts.medium.class") === "physical" ? null : `${of("facts.medium.class")}: not a physical medium`],
      ["Asset", of("facts.asset_tag")],
      ["Requested, attained", `${of("facts.requested")}, ${of("facts.attained") ?? "nothing"}`],
      ["Technique", of("facts.technique")],
      ["Proven by", String(of("facts.proven")).replaceAll("_", " ")],
      ["Grade", of("grade.mark")],
      ["Failure", of("failure.message")],
      ["Ended", of("facts.ended")],
      ["Organization", `${of("organization")}, ${of("station")}`],
      ["Operator", of("facts.operator.name") ? `${of("facts.operator.name")} (${of("facts.operator.standing")})` : null],
      signed,
      id,
    ];
  }
  const medium = of("medium");
  const label = medium instanceof Map ? ["vendor", "model", "serial"].map((name) => medium.get(name)).filter(Boolean).join(" ") : null;
  const counts = of("counts");
  return [
    ["Medium", label],
    ["About document", of("document.id") ?? of("certificate.id")],
    ["Decision", of("decision")],
    ["Reason", of("reason")],
    ["Attained", of("attained")],
    ["Technique", of("technique.name")],
    ["Asset", of("of.asset_tag")],
    ["Lot", of("of.number")],
    ["Media", Array.isArray(of("media")) ? `${of("media").length}${of("expected") ? ` of ${of("expected")} expected` : ""}` : null],
    ["Standing", counts instanceof Map ? [...counts].map(([name, value]) => `${value} ${name.replaceAll("_", " ")}`).join(", ") : null],
    ["Result", of("result")],
    ["By", of("by.name") ?? of("operator.name")],
    ["Organization", of("organization")],
    signed,
    id,
  ];
}

function accept(list) {
  const files = [...list];
  // Keys before what they signed; the rest in the order of names.
  const rank = (file) => (/\.jwks\.json$|\.bundle\.jsonl$|\.pem$|trust/i.test(file.name) ? 0 : 1);
  files.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  state.queue = state.queue.then(() => take(files));
}

async function start() {
  if (!globalThis.crypto?.subtle || !(await browserCanVerify())) {
    $("browser").hidden = false;
    $("drop").hidden = true;
    return;
  }
  $("files").addEventListener("change", (event) => {
    accept(event.target.files);
    event.target.value = "";
  });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      $("drop").classList.add("over");
    });
  }
  document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    accept(event.dataTransfer.files);
  });
  render();
}

start();

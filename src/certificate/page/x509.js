// Certificates (RFC 5280) and the way from one to an authority that the reader trusts, judged as the library does that
// the program uses (webpki): what it refuses is refused here.

// Object identifiers below 2.5.29 that are understood, and one more.
const [KEY_ID, KEY_USAGE, ALT_NAME, CONSTRAINTS, NAMES, CRL_POINTS, PURPOSES] =
  [14, 15, 17, 19, 30, 31, 37].map((last) => `2.5.29.${last}`);
const SCT_LIST = "1.3.6.1.4.1.11129.2.4.2";
const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
const MAX_CERTIFICATE = 0xfffe;
const MAX_BETWEEN = 6;

// Sorts of names: others, mail, hosts, X.400, directories, EDI, URIs, addresses, registered identifiers.
const GENERAL_NAMES = [0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88];
const [DIRECTORY_NAME, COMPARED_NAMES] = [0xa4, [0x82, 0x87]];

// Algorithm identifiers, as the bytes within them.
const SIGNED_WITH = new Map([
  ["06082a8648ce3d040302", { kind: "ECDSA", hash: "SHA-256" }],
  ["06082a8648ce3d040303", { kind: "ECDSA", hash: "SHA-384" }],
  ["06032b6570", { kind: "Ed25519" }],
  ...[["0b", "256", "01", "20"], ["0c", "384", "02", "30"], ["0d", "512", "03", "40"]].flatMap(([last, bits, digest, salt]) => {
    const [oid, sha] = ["06092a864886f70d0101", `300d06096086480165030402${digest}0500`];
    const pkcs1 = { kind: "RSASSA-PKCS1-v1_5", hash: `SHA-${bits}` };
    const pss = `a00f${sha}a11c301a06092a864886f70d010108${sha}a2030201${salt}`;
    return [
      [`${oid}${last}0500`, pkcs1],
      [`${oid}${last}`, pkcs1],
      [`${oid}0a3034${pss}`, { kind: "RSA-PSS", hash: `SHA-${bits}`, salt: parseInt(salt, 16) }],
    ];
  }),
]);
const KEY_KIND = new Map([
  ["06092a864886f70d0101010500", { family: "RSA" }],
  ["06072a8648ce3d020106082a8648ce3d030107", { family: "EC", curve: "P-256", size: 32 }],
  ["06072a8648ce3d020106052b81040022", { family: "EC", curve: "P-384", size: 48 }],
  ["06032b6570", { family: "Ed25519" }],
]);
// SHA-256 over public keys of authorities that the library distrusts, whoever trusts them.
const DISTRUSTED = [
  "2d5f988ee3ceaf696845a34299ca3e05816429cdb5de92427889533175f97b95",
  "616e9a92539c40f454813f7fb8ae4a6db719498495215774f02d8b8b5a615d36",
  "bdf5ab18303069ebc3e3ddbb0fc0613693acef01b2fb7be1a0624aab60fbff0d",
  "b941c7577b918f7b9a9374aff3b02d8eda92545c86adb5b5268d1e121fe58ce2",
  "e8263cea915a92109a29fb497105dceeeb58fa099c2552c4082aff1e1a9a33b2",
  "09f75d128061fcdc6d31d8317ce3fe0aea4dab2c66777ce548858dd23f763ce7",
  "7f09de2d155cc9fbc2dc4585f2c134ea3fc04ea9d9b3e31fa2d6bf9fdc0a02a2",
  "6fc13706463e00b2cd2ae357f86de2441e59d501e322c7a02a531a9871e450f6",
];

// Reads a certificate. `faults` are reasons why it cannot stand in a chain; an authority's own may have some.
async function readCertificate(bytes) {
  const what = "a certificate";
  if (bytes.length > MAX_CERTIFICATE) throw new Refused(`${what} is larger than any`);
  const outer = partsOf(derOne(bytes), what);
  const [tbs, algorithm, signature] = [outer.take(SEQUENCE), outer.take(SEQUENCE), outer.take(BIT_STRING)];
  outer.end();
  const parts = partsOf(tbs, what);
  const told = parts.left[0]?.tag === tagged(0);
  const version = told ? smallOf(parts.within(tagged(0), INTEGER), "the version", 255) : 0;
  if (told && version !== 2) throw new Refused(`${what} is not of version 3`);
  const serial = parts.take(INTEGER);
  const [inner, issuer, validity, subject, key] = Array.from({ length: 5 }, () => parts.take(SEQUENCE));
  const certificate = {
    bytes, signed: tbs.whole, algorithm: hex(algorithm.content), signature: bitsOf(signature, what), version,
    serial: integerOf(serial, "the serial number"), issuer: issuer.whole, subject: subject.whole, name: subject, key: key.content,
    extensions: new Map(), faults: [],
  };
  [issuer, subject].forEach(checkName);
  checkKey(key);
  if (serial.content.length > 21) throw new Refused("the serial number is longer than any");
  if (version === 2) readExtensions(parts, certificate);
  parts.end();
  if (version !== 2) certificate.faults.push("it is not of version 3");
  if (!sameBytes(inner.content, algorithm.content)) throw new Refused(`${what} names two algorithms`);
  const window = partsOf(validity, what);
  [certificate.from, certificate.until] = [window.take(), window.take()].map((at) => timeOf(at, "the validity"));
  window.end();
  if (DISTRUSTED.includes(hex(await sha256(certificate.key)))) certificate.faults.push("its key is distrusted");
  return certificate;
}

// A name is a list of sets of pairs. Nothing is told by it here; a token with a certificate that is not whole is none.
function checkName({ content }) {
  for (const { tag, content: pairs } of derAll(content)) {
    demand(tag === SET, "a name in a certificate is not of the published form");
    for (const item of derAll(pairs)) {
      const pair = partsOf(item, "a name in a certificate");
      oidOf(pair.take(OID), "a name in a certificate");
      pair.take();
      pair.end();
    }
  }
}

// An algorithm that nothing is judged by here: with or without parameters.
function checkAlgorithm(value) {
  const parts = partsOf(value, "an algorithm");
  oidOf(parts.take(OID), "an algorithm");
  if (parts.left.length > 0) parts.take();
  parts.end();
}

// Nor is one with a key that is not: an algorithm and bits.
function checkKey(key) {
  const parts = partsOf(key, "a key in a certificate");
  checkAlgorithm(parts.take(SEQUENCE));
  bitsOf(parts.take(BIT_STRING), "a key in a certificate");
  parts.end();
}

function readExtensions(parts, certificate) {
  if (parts.left.length === 0) return;
  const all = derAll(parts.within(tagged(3), SEQUENCE).content);
  for (const item of all) {
    const extension = partsOf(item, "an extension");
    const id = oidOf(extension.take(OID), "an extension");
    const flag = extension.maybe(BOOLEAN);
    const critical = flag !== null && booleanOf(flag, "an extension");
    const { content } = extension.take(OCTET_STRING);
    extension.end();
    const known = [KEY_USAGE, ALT_NAME, CONSTRAINTS, NAMES, CRL_POINTS, PURPOSES, SCT_LIST].includes(id);
    if (certificate.extensions.has(id)) throw new Refused("an extension stands twice");
    certificate.extensions.set(id, { critical, content });
    if (!known && critical) certificate.faults.push(`it demands an extension that is not known (${id})`);
    if (known && id !== KEY_USAGE && derOne(content).tag !== (id === SCT_LIST ? OCTET_STRING : SEQUENCE)) {
      throw new Refused("an extension is not of the published form");
    }
  }
}

// Certificates of authorities, in a PEM file. Whoever trusts one trusts its key under its name.
async function readAuthorities(bytes) {
  const found = [];
  const blocks = text(bytes).matchAll(/^-----BEGIN CERTIFICATE-----\s*$([^-]*)^-----END CERTIFICATE-----\s*$/gm);
  for (const [, word] of blocks) found.push(await readCertificate(fromBase64(word.replace(/[ \t\r\n]/g, ""))));
  const begun = text(bytes).split("-----BEGIN CERTIFICATE-----").length - 1;
  if (begun !== found.length) throw new Refused("a certificate of the file is not whole");
  return found;
}

// Whether a key made a signature. `how`: of SIGNED_WITH.
async function isSignedBy(key, how, message, signature) {
  try {
    const parts = derAll(key);
    const [algorithm, bits] = parts;
    if (parts.length !== 2 || algorithm.tag !== SEQUENCE || bits.tag !== BIT_STRING) return false;
    const kind = KEY_KIND.get(hex(algorithm.content));
    const value = bitsOf(bits, "a key");
    const family = { "Ed25519": "Ed25519", "ECDSA": "EC" }[how.kind] ?? "RSA";
    if (kind?.family !== family) return false;
    if (family === "Ed25519") return value.length === 32 && signature.length === 64 && (await verifyBytes(value, message, signature));
    if (family === "EC") return await isSignedByCurve(kind, value, how.hash, message, signature);
    return await isSignedByRsa(key, value, how, message, signature);
  } catch (error) {
    // A key or a signature that cannot be read verifies nothing.
    if (error instanceof Refused) return false;
    throw error;
  }
}

async function isSignedByCurve({ curve, size }, point, hash, message, signature) {
  if (point.length !== 1 + 2 * size || point[0] !== 4) return false;
  const raw = new Uint8Array(2 * size);
  const pair = partsOf(derOne(signature), "a signature");
  for (const end of [size, 2 * size]) {
    const half = unsignedOf(pair.take(INTEGER), "a signature");
    if (half.length > size) return false;
    raw.set(half, end - half.length);
  }
  pair.end();
  return byBrowser("raw", point, { name: "ECDSA", namedCurve: curve }, { name: "ECDSA", hash }, message, raw);
}

async function isSignedByRsa(key, value, { kind, hash, salt }, message, signature) {
  const numbers = partsOf(derOne(value), "an RSA key");
  const [modulus, exponent] = [numbers.take(INTEGER), numbers.take(INTEGER)].map((part) => unsignedOf(part, "an RSA key"));
  numbers.end();
  const bits = modulus.length * 8 - Math.clz32(modulus[0]) + 24;
  const power = exponent.reduce((sum, byte) => sum * 256 + byte, 0);
  if (bits <= 2040 || bits > 8192 || !(modulus.at(-1) & 1) || !(power % 2) || power < 3 || power > 2 ** 33 - 1) return false;
  if (signature.length !== modulus.length) return false;
  const length = key.length < 0x80 ? [key.length] : key.length < 0x100 ? [0x81, key.length] : [0x82, key.length >> 8, key.length & 0xff];
  const whole = join(Uint8Array.of(SEQUENCE, ...length), key);
  const how = kind === "RSA-PSS" ? { name: kind, saltLength: salt } : { name: kind };
  return byBrowser("spki", whole, { name: kind, hash }, how, message, signature);
}

async function byBrowser(format, key, imported, how, message, signature) {
  let ready;
  try {
    ready = await crypto.subtle.importKey(format, key, imported, false, ["verify"]);
  } catch {
    throw new Unjudged("it is signed with a key that this browser does not take");
  }
  return crypto.subtle.verify(how, ready, signature, message);
}

// Whether a way leads from a certificate over those of the token to an authority, at a time and for time-stamping.
async function leadsToAuthority(certificate, between, authorities, at) {
  const search = { between, authorities, at, signatures: 100, steps: 1000, names: 10_000, why: "no authority that is trusted here issued its certificate", open: null };
  if (await hasPath([certificate], 0, search)) return;
  if (search.open !== null) throw new Unjudged(search.open);
  throw new Refused(`its signer is no authority that is trusted here: ${search.why}`);
}

async function hasPath(path, below, search) {
  const head = path.at(-1);
  const fault = faultOf(head, path.length > 1, below, search.at);
  if (fault !== null) {
    search.why = fault;
    return false;
  }
  for (const authority of search.authorities) {
    if (sameBytes(head.issuer, authority.subject) && (await isPath(path, authority, search))) return true;
  }
  for (const next of search.between) {
    if (!sameBytes(next.subject, head.issuer) || path.length > MAX_BETWEEN) continue;
    if (path.some((before) => sameBytes(before.key, next.key) && sameBytes(before.subject, next.subject))) continue;
    search.steps -= 1;
    if (search.steps < 0) throw new Unjudged("its certificates lead to too many ways for this page");
    if (await hasPath([...path, next], path.length > 1 ? below + 1 : below, search)) return true;
  }
  return false;
}

// From the authority down, each signed by the one before.
async function isPath(path, authority, search) {
  if (authority.faults.includes("its key is distrusted")) return false;
  let { key } = authority;
  for (const certificate of path.toReversed()) {
    search.signatures -= 1;
    if (search.signatures < 0) throw new Unjudged("its certificates need too many signatures checked for this page");
    const how = SIGNED_WITH.get(certificate.algorithm);
    if (how === undefined || !(await isSignedBy(key, how, certificate.signed, certificate.signature))) {
      search.why = "a certificate was not signed by the one that it names";
      return false;
    }
    key = certificate.key;
  }
  return mayBeNamedSo([...path, authority], search);
}

// Whether each authority of a chain may issue to the names below it (name constraints). As for the library, what limits
// a sort of name forbids every name of that sort; only of hosts and addresses does it compare them, and this page does
// not. Each certificate has a name of one sort: its subject.
function mayBeNamedSo(chain, search) {
  try {
    for (const [above, { extensions }] of chain.entries()) {
      if (above === 0 || !extensions.has(NAMES)) continue;
      const limits = limitedSorts(extensions.get(NAMES).content);
      for (const { extensions: below } of chain.slice(0, above)) {
        const names = [DIRECTORY_NAME, ...(below.has(ALT_NAME) ? sortsOf(derAll(derOne(below.get(ALT_NAME).content).content)) : [])];
        search.names -= limits.length * names.length;
        if (search.names < 0) throw new Unjudged("its authorities limit more names than this page looks at");
        const limited = limits.filter((sort) => names.includes(sort));
        demand(limited.every((sort) => COMPARED_NAMES.includes(sort)), "an authority of it may not name what it names (name constraints)");
        if (limited.length > 0) search.open = "an authority of it may only name some (name constraints), which this page does not compare";
        if (limited.length > 0) return false;
      }
    }
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    search.why = error.message;
    return false;
  }
}

// The sorts of names that are permitted or excluded.
function limitedSorts(content) {
  const parts = partsOf(derOne(content), "an extension");
  const subtrees = [parts.maybe(tagged(0)), parts.maybe(tagged(1))].filter((part) => part !== null);
  parts.end();
  // Neither the least nor the greatest distance may be told.
  return subtrees.flatMap((part) => derAll(part.content)).flatMap((subtree) => {
    const base = partsOf(subtree, "a name constraint");
    const name = base.take();
    base.end();
    return sortsOf([name]);
  });
}

function sortsOf(names) {
  demand(names.every(({ tag }) => GENERAL_NAMES.includes(tag)), "a certificate of it has a name of no known sort");
  return names.map(({ tag }) => tag);
}

// What stands against a certificate in a chain, whoever signed it; null: nothing.
function faultOf(certificate, issues, below, at) {
  try {
    return findFault(certificate, issues, below, at);
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

function findFault(certificate, issues, below, at) {
  const { from, until, extensions, faults } = certificate;
  if (faults.length > 0) return faults[0];
  if (from > until || at < from || at > until) return `a certificate of it was not valid then (${when(from)} to ${when(until)})`;
  const constraints = extensions.get(CONSTRAINTS);
  const [isAuthority, most] = constraints === undefined ? [false, null] : readConstraints(constraints.content);
  if (isAuthority !== issues) return issues ? "a certificate that may issue none issued one" : "its signer's certificate is an authority's";
  if (issues && most !== null && below > most) return "there are more authorities in between than one of them allows";
  return purposesOf(certificate).includes(TIME_STAMPING) ? null : "a certificate of it is not for time-stamping (extended key usage)";
}

function readConstraints(content) {
  const parts = partsOf(derOne(content), "an extension");
  const flag = parts.maybe(BOOLEAN);
  const most = parts.maybe(INTEGER);
  parts.end();
  return [flag !== null && booleanOf(flag, "an extension"), most === null ? null : smallOf(most, "the length of a path", 255)];
}

function purposesOf({ extensions }) {
  const purposes = extensions.get(PURPOSES);
  return purposes === undefined ? [] : derAll(derOne(purposes.content).content).map((id) => oidOf(id, "a purpose"));
}

const SHORT_NAMES = { "2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU" };

// A distinguished name for a person.
function distinguishedName(value) {
  const told = derAll(value.content).reverse().flatMap((set) => derAll(set.content)).map((pair) => {
    const [id, word] = derAll(pair.content);
    const oid = oidOf(id, "a name");
    return `${SHORT_NAMES[oid] ?? oid}=${[UTF8, PRINTABLE, IA5].includes(word.tag) ? text(word.content) : hex(word.whole)}`;
  });
  return told.join(",");
}

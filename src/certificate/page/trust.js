// Whom the reader trusts: a JWK Set with names, roles and windows, and bundles of what its roots have
// signed (delegations, revocation lists). A key inside a certificate is never trust.

const ROLES = [
  "station", "operator", "witness", "validator", "verifier", "transferor", "receiver", "policy_approver",
  "register", "root",
];
const DELEGATION = "vnd.lastwrite.delegation+json";
const REVOCATION_LIST = "vnd.lastwrite.revocation-list+json";

// A time as documents write it, in whole seconds since 1970.
function seconds(word, what) {
  if (typeof word !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(word)) {
    throw new Refused(`${what} is not a time (RFC 3339)`);
  }
  const at = Date.parse(word);
  if (Number.isNaN(at)) throw new Refused(`${what} is not a time (RFC 3339)`);
  return Math.floor(at / 1000);
}

const when = (at) => new Date(at * 1000).toISOString().replace(".000Z", "Z");

async function thumbprint(x) {
  return toBase64url(await sha256(asciiBytes(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`)));
}

// The key of a JWK, and its name by RFC 7638, which must be the one that is written.
async function readKey(jwk, what) {
  if (jwk.has("d")) throw new Refused(`${what} is a PRIVATE key: remove it, and treat that key as known to all`);
  if (jwk.get("kty") !== "OKP" || jwk.get("crv") !== "Ed25519") throw new Refused(`${what} is not an Ed25519 key`);
  const bytes = fromBase64url(jwk.get("x"));
  if (bytes.length !== 32 || !isSoundPoint(bytes)) throw new Refused(`${what} cannot be a key`);
  const kid = await thumbprint(jwk.get("x"));
  if (kid !== jwk.get("kid")) throw new Refused(`${what} is named ${jwk.get("kid")}, but its thumbprint is ${kid}`);
  return { bytes, kid };
}

// A machine, a register and a root stand alone, persons hold several roles.
const ALONE = ["station", "register", "root"];

function readRoles(single, several, what) {
  const roles = several ?? (single === undefined ? undefined : [single]);
  const known = Array.isArray(roles) && roles.length > 0 && roles.every((role) => ROLES.includes(role));
  if (!known || (single !== undefined && several !== undefined)) throw new Refused(`${what} has no known role`);
  const fits = roles.length === 1 || !roles.some((role, i) => ALONE.includes(role) || roles.indexOf(role) !== i);
  if (!fits) throw new Refused(`${what} has roles that no key holds together`);
  return roles;
}

const makesRoot = (statement) => statement.key !== undefined && statement.key.roles.includes("root");

// Whether it takes the place of another delegation of its key. In one second the one that makes no root does; else any,
// as long as it is the same whatever the order.
function supersedes(statement, other) {
  if (statement.at !== other.at) return statement.at > other.at;
  if (makesRoot(statement) !== makesRoot(other)) return makesRoot(other);
  return statement.text > other.text;
}

// Of two times that may be open.
const firstOf = (a, b) => (a === null || b === null ? (a ?? b) : Math.min(a, b));
const lastOf = (a, b) => (a === null || b === null ? (a ?? b) : Math.max(a, b));

// A key that two trust files have: neither gives it what the other does not, or takes back what that says against it.
function joinKeys(known, key) {
  const differs = (what) => new Refused(`key ${key.kid} has ${what} in a trust file that was opened before; reload the page to go by this one alone`);
  if (!sameName(known.name, key.name)) throw differs(`another name ("${known.name}", here "${key.name}")`);
  const roles = known.roles.filter((role) => key.roles.includes(role));
  if (roles.length === 0) throw differs(`other roles (${known.roles.join(", ")}, here ${key.roles.join(", ")})`);
  return {
    ...known,
    roles,
    validFrom: lastOf(known.validFrom, key.validFrom),
    validUntil: firstOf(known.validUntil, key.validUntil),
    revokedAt: firstOf(known.revokedAt, key.revokedAt),
  };
}

const isWithin = (key, at) => (key.validFrom === null || at >= key.validFrom) && (key.validUntil === null || at <= key.validUntil);

class TrustStore {
  constructor() {
    this.keys = new Map();
    this.delegated = new Map();
    this.revoked = new Map();
    this.lists = new Map();
    this.statements = [];
    this.authorities = [];
    this.sources = [];
  }

  get isEmpty() {
    return this.keys.size === 0;
  }

  // Its own keys and those that its roots vouch for.
  all() {
    const more = [...this.delegated.values()].map((d) => d.key).filter((key) => !this.keys.has(key.kid));
    return [...this.keys.values(), ...more];
  }

  find(kid) {
    return this.keys.get(kid) ?? this.delegated.get(kid)?.key;
  }

  // When a key was disowned, by the store or by a root's list; the earlier of both.
  revocation(key) {
    const times = [key.revokedAt, this.revoked.get(key.kid)].filter((at) => at !== undefined && at !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  // The newest revocation lists that should have been followed by another: they say nothing about what happened since.
  staleLists(now) {
    const stale = [...this.lists.values()].filter((list) => list.nextUpdate !== null && list.nextUpdate < now);
    const tell = (list) => `revocation list ${list.number} of ${list.organization} should have been followed by another on ${when(list.nextUpdate)}; get the newest`;
    return stale.map(tell);
  }

  async takeSet(bytes, source) {
    const set = members(parseJson(text(bytes)), ["keys"], "the trust store");
    if (!Array.isArray(set.get("keys"))) throw new Refused("the trust store has no keys");
    const known = [
      "kty", "crv", "x", "kid", "use", "alg", "d", "name", "role", "roles", "valid_from", "valid_until", "revoked_at",
    ];
    const taken = new Map();
    for (const [i, jwk] of set.get("keys").entries()) {
      const what = `key ${i + 1} of the trust store`;
      members(jwk, known, what);
      const { bytes: key, kid } = await readKey(jwk, what);
      const time = (name) => (jwk.has(name) ? seconds(jwk.get(name), `${name} of ${what}`) : null);
      if (typeof jwk.get("name") !== "string") throw new Refused(`${what} has no name`);
      if ((jwk.get("use") ?? "sig") !== "sig") throw new Refused(`${what}: its use is not sig`);
      if (!["Ed25519", "EdDSA"].includes(jwk.get("alg") ?? "EdDSA")) throw new Refused(`${what}: its alg is not Ed25519`);
      if (taken.has(kid)) throw new Refused(`${what}: key ${kid} stands in the trust store already`);
      taken.set(kid, {
        bytes: key,
        kid,
        name: jwk.get("name"),
        roles: readRoles(jwk.get("role"), jwk.get("roles"), what),
        validFrom: time("valid_from"),
        validUntil: time("valid_until"),
        revokedAt: time("revoked_at"),
      });
    }
    const before = this.keys;
    const join = (key) => (before.has(key.kid) ? joinKeys(before.get(key.kid), key) : key);
    this.keys = new Map([...before, ...[...taken.values()].map((key) => [key.kid, join(key)])]);
    try {
      await this.settle();
    } catch (error) {
      this.keys = before;
      throw error;
    }
    this.sources.push(`${source}: ${taken.size} ${taken.size === 1 ? "key" : "keys"}`);
  }

  // Certificates of time-stamping authorities that are believed.
  async takeAuthorities(bytes, source) {
    const taken = await readAuthorities(bytes);
    this.authorities.push(...taken);
    this.sources.push(`${source}: ${taken.length} time-stamping ${taken.length === 1 ? "authority" : "authorities"}`);
  }

  // One signed statement a line. What no known root has signed waits for what tells of it.
  async takeStatements(bytes, source) {
    const lines = text(bytes).split("\n").filter((line) => line !== "");
    const read = [];
    for (const [i, line] of lines.entries()) read.push(await this.readStatement(line, i + 1));
    const before = this.statements;
    this.statements = [...before, ...read];
    try {
      await this.settle();
    } catch (error) {
      this.statements = before;
      throw error;
    }
    this.sources.push(`${source}: ${read.length} ${read.length === 1 ? "statement" : "statements"} of roots`);
  }

  async readStatement(line, number) {
    const what = `line ${number} of the trust bundle`;
    const jws = parseJws(new TextEncoder().encode(line));
    const [signature, ...more] = jws.signatures;
    if (more.length > 0 || signature.role !== "root" || signature.kid === null || signature.iat === null) {
      throw new Refused(`${what} is not signed by one root, with its key's name and a date`);
    }
    const payload = parseJson(text(jws.payload));
    if (!(payload instanceof Map) || payload.get("version") !== 1) throw new Refused(`${what} is of an unknown version`);
    const statement = { number, text: line, jws, root: signature.kid, at: signature.iat };
    if (signature.typ === DELEGATION && payload.get("schema") === "lastwrite-delegation") {
      const known = ["schema", "version", "organization", "key", "name", "roles", "valid_from", "valid_until", "replaces"];
      members(payload, known, what);
      const { bytes, kid } = await readKey(members(payload.get("key"), ["kty", "crv", "x", "kid"], what), what);
      const until = payload.get("valid_until");
      statement.key = {
        bytes,
        kid,
        name: payload.get("name"),
        roles: readRoles(undefined, payload.get("roles"), what),
        validFrom: seconds(payload.get("valid_from"), `valid_from of ${what}`),
        validUntil: until === null ? null : seconds(until, `valid_until of ${what}`),
        revokedAt: null,
        delegatedBy: signature.kid,
      };
    } else if (signature.typ === REVOCATION_LIST && payload.get("schema") === "lastwrite-revocation-list") {
      members(payload, ["schema", "version", "organization", "number", "issued", "next_update", "revoked"], what);
      const [listed, next] = [payload.get("number"), payload.get("next_update") ?? null];
      if (!Number.isInteger(listed)) throw new Refused(`the list of ${what} has no number`);
      const nextUpdate = next === null ? null : seconds(next, `next_update of ${what}`);
      statement.list = { number: listed, organization: payload.get("organization"), nextUpdate };
      statement.revoked = payload.get("revoked").map((entry) => {
        members(entry, ["kid", "revoked_at", "reason"], what);
        return [entry.get("kid"), seconds(entry.get("revoked_at"), `revoked_at of ${what}`)];
      });
    } else {
      throw new Refused(`${what} is no delegation and no revocation list`);
    }
    return statement;
  }

  // Weighs all that was taken in, whatever its order. Of several delegations of a key the newest counts, of those that
  // somebody signed who is a root by now and was within its time then: whoever is none any more could make delegations of
  // any date. What is said of a root counts from the store's own roots, else from the roots that are fewest steps away
  // from them; so no root can hold itself, or those that it depends on, against them. Revocations of whoever was ever
  // made a root count: they can only take trust away.
  async settle() {
    const signed = await this.signedByRoots();
    const [said, newest, roots] = [new Map(), new Map(), new Set()];
    [this.revoked, this.lists] = [new Map(), new Map()];
    for (const statement of signed) {
      if (!said.has(statement.root)) said.set(statement.root, []);
      if (statement.key) said.get(statement.root).push(statement);
      for (const [kid, at] of statement.revoked ?? []) this.revoked.set(kid, Math.min(at, this.revoked.get(kid) ?? at));
      const { root, list } = statement;
      if (list !== undefined && (this.lists.get(root)?.number ?? 0) <= list.number) this.lists.set(root, list);
    }
    let speak = [...this.keys.values()].filter((key) => key.roles.includes("root"));
    while (speak.length > 0) {
      const told = new Set();
      for (const root of speak.filter((key) => this.revocation(key) === null)) {
        for (const statement of said.get(root.kid) ?? []) {
          const { kid } = statement.key;
          if (!isWithin(root, statement.at) || roots.has(kid)) continue;
          told.add(kid);
          const there = newest.get(kid);
          if (there === undefined || supersedes(statement, there)) newest.set(kid, statement);
        }
      }
      speak = [...told].filter((kid) => makesRoot(newest.get(kid)) && !this.keys.has(kid)).map((kid) => newest.get(kid).key);
      speak.forEach((key) => roots.add(key.kid));
    }
    this.delegated = newest;
  }

  // What anybody has signed who was ever made a root here. Refused where a line is not by the root that it names.
  async signedByRoots() {
    const [of, known, signed] = [new Map(), [...this.keys.values()], []];
    for (const statement of this.statements) {
      if (!of.has(statement.root)) of.set(statement.root, []);
      of.get(statement.root).push(statement);
    }
    const made = new Set(this.keys.keys());
    // It grows on the way.
    for (const root of known) {
      for (const statement of of.get(root.kid) ?? []) {
        await this.checkStatement(statement, root);
        signed.push(statement);
        if (!makesRoot(statement) || made.has(statement.key.kid)) continue;
        made.add(statement.key.kid);
        known.push(statement.key);
      }
    }
    return signed;
  }

  // What the store itself says of a root is the same for all lines; what lines say of one is weighed with them.
  async checkStatement(statement, root) {
    const [what, own] = [`line ${statement.number} of the trust bundle`, this.keys.get(root.kid)];
    if (own && !own.roles.includes("root")) throw new Refused(`${what} is signed by ${own.name}, who is not trusted as root`);
    statement.genuine ??= await verifySignature(statement.jws, 0, root);
    if (!statement.genuine) throw new Refused(`${what} was not signed by the root that it names: it was changed`);
    if (own && own.validFrom !== null && statement.at < own.validFrom) throw new Refused(`${what} is older than its root`);
    if (own && own.validUntil !== null && statement.at > own.validUntil) throw new Refused(`${what} is younger than its root`);
  }
}

async function verifySignature(jws, index, key) {
  const signature = jws.signatures[index];
  const message = asciiBytes(`${signature.protectedText}.${jws.payloadText}`);
  return verifyBytes(key.bytes, message, signature.value);
}

const passed = (name, detail) => ({ name, outcome: "passed", detail });
const failed = (name, detail) => ({ name, outcome: "failed", detail });
const unknown = (name, detail) => ({ name, outcome: "unknown", detail });

// Unicode white space, as the program has it; trim() has another list.
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

// Whether two names are one: spaces around them and the case of ASCII letters make no difference.
function sameName(a, b) {
  const bare = (name) => {
    let [from, to] = [0, name.length];
    while (from < to && SPACE.test(name[from])) from += 1;
    while (from < to && SPACE.test(name[to - 1])) to -= 1;
    return lower(name.slice(from, to));
  };
  return bare(a) === bare(b);
}

// Whether a document calls the owner of a key what the trust store calls them.
function checkPerson(what, kid, name, trust) {
  const key = trust.find(kid);
  if (trust.isEmpty) return unknown("person", `no trust store was given to tell whether key ${kid} is that of the ${what} "${name}"`);
  if (key === undefined) return unknown("person", `key ${kid} is not in the trust store, so whether it is that of the ${what} "${name}" is not known`);
  return sameName(key.name, name)
    ? passed("person", `the ${what} "${name}" is known by that name to the trust store`)
    : failed("person", `the document calls the ${what} "${name}", but the trust store knows key ${kid} as "${key.name}"`);
}

const NO_EVIDENCE = { evidence: [], tokens: [] };

// The checks of every signature, each on its own. `found` is evidence of time by others.
async function checkSignatures(jws, trust, found = NO_EVIDENCE) {
  const checks = [];
  for (const [index, signature] of jws.signatures.entries()) {
    const of = jws.signatures.length > 1 ? `signature ${index + 1}: ` : "";
    for (const check of await checkSignature(jws, index, signature, trust, found)) {
      checks.push({ ...check, detail: of + check.detail });
    }
  }
  return checks;
}

async function checkSignature(jws, index, signature, trust, found) {
  const needsKey = ["signature", "key role", "key validity", "revocation"];
  const without = (first) => [first, ...needsKey.map((name) => unknown(name, "needs the signer's key"))];
  if (signature.kid === null) return without(failed("key known", "the signature names no key (kid)"));
  if (trust.isEmpty) return without(unknown("key known", `no trust store was given to look up key ${signature.kid} in`));
  const key = trust.find(signature.kid);
  if (key === undefined) return without(failed("key known", `key ${signature.kid} is not in the trust store`));
  const through = key.delegatedBy ? `, vouched for by the root "${trust.find(key.delegatedBy)?.name}"` : "";
  const genuine = await verifySignature(jws, index, key);
  const about = await evidenceOf(jws, index, found);
  return [
    passed("key known", `key ${key.kid} is known as "${key.name}" (${key.roles.join(", ")})${through}`),
    genuine
      ? passed("signature", `made by key ${key.kid} over exactly these bytes`)
      : failed("signature", `not made by key ${key.kid}: the document or the signature was changed`),
    checkRole(signature, key),
    checkWindow(signature, key, about.evidence),
    checkRevocation(signature, trust.revocation(key), about.evidence),
    ...tellEvidence(about, key),
  ];
}

function checkRole(signature, key) {
  const name = "key role";
  if (signature.role === null) return failed(name, "the signature does not say in which role it was made");
  return key.roles.includes(signature.role)
    ? passed(name, `signed as ${signature.role}, which the key may`)
    : failed(name, `signed as ${signature.role}, but the key is trusted as ${key.roles.join(", ")} only`);
}

function checkWindow(signature, key, evidence) {
  const name = "key validity";
  if (signature.iat === null) return failed(name, "the signature does not say when it was made (iat)");
  const signed = `signed ${when(signature.iat)}`;
  const earliest = earliestOf(evidence);
  if (earliest !== null && key.validFrom !== null && earliest.at < key.validFrom) {
    const existed = `it existed on ${when(earliest.at)} (${earliest.kind} by ${earliest.by})`;
    return failed(name, `${existed}, before the key became valid on ${when(key.validFrom)}`);
  }
  if (key.validFrom !== null && signature.iat < key.validFrom) {
    return failed(name, `${signed}, before the key became valid on ${when(key.validFrom)}`);
  }
  if (key.validUntil !== null && signature.iat > key.validUntil) {
    return failed(name, `${signed}, after the key expired on ${when(key.validUntil)}`);
  }
  const told = earliest === null ? "; nobody else says when" : `, and not after ${when(earliest.at)} by others`;
  return passed(name, `${signed} by the signer's clock, within the key's window${told}`);
}

// Whoever holds a key can backdate what it signs, so only others can say that it was earlier.
function checkRevocation(signature, revoked, evidence) {
  const name = "revocation";
  if (revoked === null) return passed(name, "the key is not revoked");
  const earlier = earliestOf(evidence.filter((e) => e.at < revoked));
  if (earlier !== null) {
    const existed = `it existed on ${when(earlier.at)} (${earlier.kind} by ${earlier.by})`;
    return passed(name, `the key was revoked on ${when(revoked)}, after this was signed: ${existed}`);
  }
  if (signature.iat === null || signature.iat >= revoked) return failed(name, `the key was revoked on ${when(revoked)}`);
  return unknown(
    name,
    `the key was revoked on ${when(revoked)}; the signature says ${when(signature.iat)}, but whoever holds a key can ` +
      "backdate. Drop a countersignature or a proof with a cosigned checkpoint that is older than the revocation",
  );
}

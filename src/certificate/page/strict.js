// Reading strictly: JSON without a member twice, canonical base64url, the JWS envelope. Whatever is
// not exactly as documented is refused, as `lastwrite certificate verify` does.

class Refused extends Error {}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const asciiBytes = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const fromHex = (word) => Uint8Array.from(word.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const sameBytes = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

function join(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function text(bytes) {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Refused("not UTF-8");
  }
}

// RFC 8259, nesting of at most 32, no member twice (compared after unescaping), nothing after it.
function parseJson(source) {
  let at = 0;
  const MAX_DEPTH = 32;
  const fail = (why) => {
    throw new Refused(`not acceptable JSON: ${why} at character ${at + 1}`);
  };
  const space = () => {
    while (" \t\n\r".includes(source[at]) && at < source.length) at += 1;
  };
  const word = (literal, value) => {
    if (!source.startsWith(literal, at)) fail("a value was expected");
    at += literal.length;
    return value;
  };
  const string = () => {
    const begin = at;
    at += 1;
    for (;;) {
      const c = source.charCodeAt(at);
      if (Number.isNaN(c)) fail("the text ends inside a string");
      if (c === 0x22) break;
      if (c < 0x20) fail("a control character in a string");
      at += c === 0x5c ? 2 : 1;
    }
    at += 1;
    let value;
    try {
      value = JSON.parse(source.slice(begin, at));
    } catch {
      fail("a malformed string");
    }
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value)) fail("half a character");
    return value;
  };
  const number = () => {
    const found = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/.exec(source.slice(at, at + 400));
    if (!found) fail("a value was expected");
    const value = Number(found[0]);
    if (!Number.isFinite(value)) fail("a number too large");
    at += found[0].length;
    // Every number of ours is a whole one, and is written in one way.
    return /^(0|[1-9][0-9]*)$/.test(found[0]) && Number.isSafeInteger(value) ? value : { odd: found[0] };
  };
  const value = (depth) => {
    space();
    switch (source[at]) {
      case "{": {
        if (depth >= MAX_DEPTH) fail(`nested deeper than ${MAX_DEPTH}`);
        const members = new Map();
        at += 1;
        space();
        if (source[at] === "}") {
          at += 1;
          return members;
        }
        for (;;) {
          space();
          if (source[at] !== '"') fail("a member was expected");
          const name = string();
          if (members.has(name)) fail(`member ${JSON.stringify(name)} stands twice`);
          space();
          if (source[at] !== ":") fail("a colon was expected");
          at += 1;
          members.set(name, value(depth + 1));
          space();
          if (source[at] === "}") break;
          if (source[at] !== ",") fail("a comma was expected");
          at += 1;
        }
        at += 1;
        return members;
      }
      case "[": {
        if (depth >= MAX_DEPTH) fail(`nested deeper than ${MAX_DEPTH}`);
        const items = [];
        at += 1;
        space();
        if (source[at] === "]") {
          at += 1;
          return items;
        }
        for (;;) {
          items.push(value(depth + 1));
          space();
          if (source[at] === "]") break;
          if (source[at] !== ",") fail("a comma was expected");
          at += 1;
        }
        at += 1;
        return items;
      }
      case '"':
        return string();
      case "t":
        return word("true", true);
      case "f":
        return word("false", false);
      case "n":
        return word("null", null);
      default:
        return number();
    }
  };
  const whole = value(0);
  space();
  if (at !== source.length) fail("bytes after the end");
  return whole;
}

// The members of an object, all of which must be among `known`.
function members(value, known, what) {
  if (!(value instanceof Map)) throw new Refused(`${what} is not an object`);
  for (const name of value.keys()) {
    if (!known.includes(name)) throw new Refused(`${what} has the unknown member ${JSON.stringify(name)}`);
  }
  return value;
}

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Without padding, without white space, unused bits zero (RFC 4648 sections 3.5 and 5).
function fromBase64url(word, alphabet = BASE64URL) {
  if (typeof word !== "string" || word.length % 4 === 1) throw new Refused("not canonical base64url");
  const bytes = new Uint8Array(Math.floor((word.length * 6) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const c of word) {
    const six = alphabet.indexOf(c);
    if (six < 0) throw new Refused("not canonical base64url");
    held = (held << 6) | six;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
      held &= (1 << bits) - 1;
    }
  }
  if (held !== 0) throw new Refused("not canonical base64url");
  return bytes;
}

// Standard base64 with its padding (signed notes).
function fromBase64(word) {
  if (word.length % 4 !== 0 || !/^[^=]*={0,2}$/.test(word)) throw new Refused("not base64");
  return fromBase64url(word.replace(/=+$/, ""), BASE64);
}

const toBase64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

const MAX_DOCUMENT = 16 * 1024 * 1024;
const MAX_SIGNATURES = 16;
const FOREIGN_KEYS = ["jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256"];

// A JWS in JSON general serialization (RFC 7515 section 7.2.1). Nothing is verified yet.
function parseJws(bytes) {
  if (bytes.length > MAX_DOCUMENT) throw new Refused("larger than any document");
  const source = text(bytes).replace(/\n$/, "");
  if (!source.startsWith("{") || !source.endsWith("}")) {
    throw new Refused("it does not begin with { and end with }: there are foreign bytes around it, or it was cut");
  }
  const envelope = members(parseJson(source), ["payload", "signatures"], "the envelope");
  const payloadText = envelope.get("payload");
  const payload = fromBase64url(payloadText);
  const signatures = envelope.get("signatures");
  if (!Array.isArray(signatures) || signatures.length < 1 || signatures.length > MAX_SIGNATURES) {
    throw new Refused(`it must have 1 to ${MAX_SIGNATURES} signatures`);
  }
  return { payload, payloadText, signatures: signatures.map((raw, i) => parseSignature(raw, i + 1)) };
}

function parseSignature(raw, number) {
  const what = `signature ${number}`;
  members(raw, ["protected", "signature"], what);
  const value = fromBase64url(raw.get("signature"));
  if (value.length !== 64) throw new Refused(`${what} is not 64 bytes`);
  const header = parseJson(text(fromBase64url(raw.get("protected"))));
  if (!(header instanceof Map)) throw new Refused(`the header of ${what} is not an object`);
  if (header.has("crit")) throw new Refused(`${what} demands an extension that is not known (crit)`);
  const own = FOREIGN_KEYS.find((name) => header.has(name));
  if (own) throw new Refused(`${what} brings its own key (${own}), which is never trusted`);
  members(header, ["alg", "kid", "typ", "role", "iat"], `the header of ${what}`);
  if (!["Ed25519", "EdDSA"].includes(header.get("alg"))) throw new Refused(`the algorithm of ${what} is not accepted`);
  const word = (name) => {
    const found = header.get(name);
    if (found === undefined) return null;
    if (typeof found !== "string" || found === "") throw new Refused(`${name} of ${what} is not a text`);
    return found;
  };
  const iat = header.has("iat") ? header.get("iat") : null;
  // The last second that a Date can tell.
  if (header.has("iat") && !(Number.isSafeInteger(iat) && iat <= 8_640_000_000_000)) throw new Refused(`iat of ${what} is not a time`);
  const role = word("role");
  if (role !== null && !ROLES.includes(role)) throw new Refused(`the role of ${what} is not known here`);
  return { kid: word("kid"), typ: word("typ"), role, iat, value, protectedText: raw.get("protected") };
}

// DER (X.690) as time-stamp tokens and certificates have it, read strictly: the shortest length, one spelling of each
// value, nothing left over.

// What this page does not know how to judge. It is told as such, and never counts for a document.
class Unjudged extends Error {}

const [BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, UTF8] = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c];
const [PRINTABLE, TELETEX, IA5, UTC_TIME, GENERALIZED_TIME, BMP] = [0x13, 0x14, 0x16, 0x17, 0x18, 0x1e];
const [SEQUENCE, SET] = [0x30, 0x31];
// Tags of the context: explicit or of constructed values, and implicit ones of plain values.
const tagged = (number) => 0xa0 + number;
const plain = (number) => 0x80 + number;
const MAX_NESTING = 32;

function malformed(why) {
  throw new Refused(`it is not DER: ${why}`);
}

// The value that begins at `at`: its tag, its content, and all its bytes.
function derAt(bytes, at) {
  if (at + 2 > bytes.length) malformed("it was cut");
  const tag = bytes[at];
  if ((tag & 0x1f) === 0x1f) malformed("a tag of several bytes");
  let [length, head] = [bytes[at + 1], 2];
  if (length >= 0x80) {
    const digits = bytes.subarray(at + 2, at + 2 + length - 0x80);
    if (digits.length < 1 || digits.length > 4 || digits.length !== length - 0x80) malformed("a length that is none");
    head += digits.length;
    length = digits.reduce((sum, byte) => sum * 256 + byte, 0);
    if (length < 0x80 || length < 256 ** (digits.length - 1)) malformed("a length that is not the shortest");
  }
  const end = at + head + length;
  if (end > bytes.length) malformed("it was cut");
  return { tag, content: bytes.subarray(at + head, end), whole: bytes.subarray(at, end), end };
}

// One value and nothing after it.
function derOne(bytes) {
  const value = derAt(bytes, 0);
  if (value.end !== bytes.length) malformed("bytes after the end");
  return value;
}

// Values one after another.
function derAll(bytes) {
  const all = [];
  for (let at = 0; at < bytes.length; at = all.at(-1).end) all.push(derAt(bytes, at));
  return all;
}

// The members of a constructed value, taken one after another.
class Parts {
  constructor(value, tag, what) {
    this.what = what;
    if (value === undefined || value.tag !== tag) this.fail();
    this.left = derAll(value.content);
  }

  fail() {
    throw new Refused(`${this.what} is not of the published form`);
  }

  take(...tags) {
    const next = this.left.shift();
    if (next === undefined || (tags.length > 0 && !tags.includes(next.tag))) this.fail();
    return next;
  }

  // The next one if it is of this tag, or null.
  maybe(tag) {
    return this.left[0]?.tag === tag ? this.left.shift() : null;
  }

  // An explicit tag around one value.
  within(tag, ...inner) {
    const parts = new Parts(this.take(tag), tag, this.what);
    const value = parts.take(...inner);
    parts.end();
    return value;
  }

  end() {
    if (this.left.length > 0) this.fail();
  }
}

const partsOf = (value, what) => new Parts(value, SEQUENCE, what);

// The dotted name of an object identifier.
function oidOf(value, what) {
  const { tag, content } = value;
  if (tag !== OID || content.length === 0 || content.at(-1) & 0x80) throw new Refused(`${what} is no object identifier`);
  const arcs = [];
  let arc = 0;
  for (const [i, byte] of content.entries()) {
    if (byte === 0x80 && (i === 0 || !(content[i - 1] & 0x80))) malformed("an object identifier that is not the shortest");
    arc = arc * 128 + (byte & 0x7f);
    if (arc > 0xffffffff) throw new Unjudged(`${what} has an object identifier too large for this page`);
    if (byte & 0x80) continue;
    if (arcs.length > 0) arcs.push(arc);
    else arcs.push(...(arc < 80 ? [Math.floor(arc / 40), arc % 40] : [2, arc - 80]));
    arc = 0;
  }
  return arcs.join(".");
}

// The content of a whole number in its shortest spelling.
function integerOf({ tag, content }, what) {
  const [first, second] = content;
  if (content.length === 0) malformed(`${what} is an empty number`);
  if (content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) malformed(`${what} is not the shortest`);
  return content;
}

// The bytes of one that is not negative, without the zero before a high bit.
function unsignedOf(value, what) {
  const content = integerOf(value, what);
  if (content[0] & 0x80) throw new Refused(`${what} is negative`);
  return content.length > 1 && content[0] === 0 ? content.subarray(1) : content;
}

// A small one, as a number.
function smallOf(value, what, most) {
  const sum = unsignedOf(value, what).reduce((total, byte) => total * 256 + byte, 0);
  if (sum > most) throw new Refused(`${what} is more than ${most}`);
  return sum;
}

function booleanOf({ content }, what) {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) malformed(`${what} is neither true nor false`);
  return content[0] === 0xff;
}

// A bit string of whole bytes.
function bitsOf({ content }, what) {
  if (content[0] !== 0) throw new Refused(`${what} is not of whole bytes`);
  return content.subarray(1);
}

// A time of RFC 5280, in seconds since 1970: with seconds, without fractions, in UTC.
function timeOf({ tag, content }, what) {
  const digits = tag === UTC_TIME ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
  const found = [UTC_TIME, GENERALIZED_TIME].includes(tag) ? digits.exec(String.fromCharCode(...content)) : null;
  if (found === null) throw new Refused(`${what} is no time`);
  const century = tag === UTC_TIME ? (found[1] < "50" ? "20" : "19") : "";
  const word = `${century}${found.slice(1, 4).join("-")}T${found.slice(4).join(":")}Z`;
  const at = Date.parse(word);
  if (Number.isNaN(at) || at < 0 || when(at / 1000) !== word) throw new Refused(`${what} is no time`);
  return at / 1000;
}

// In the order of a set of DER.
function compareBytes(a, b) {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

const isSorted = (values) => values.every((value, i) => i === 0 || compareBytes(values[i - 1].whole, value.whole) < 0);

// The program reads certificates and spells them again, and what was signed is the original. Where the two could
// differ, this page does not judge.
function requireOneSpelling(value, what, depth = 0) {
  const odd = () => {
    throw new Unjudged(`${what} is spelled in a way that this page does not judge`);
  };
  const { tag, content } = value;
  try {
    if (depth > MAX_NESTING) odd();
    else if (tag === BOOLEAN && !booleanOf(value, what)) odd(); // where it may be left out, it is
    else if (tag === INTEGER) integerOf(value, what);
    else if (tag === OID) oidOf(value, what);
    else if (tag === NULL && content.length > 0) odd();
    else if (tag === UTF8) text(content);
    else if (tag === UTC_TIME || tag === GENERALIZED_TIME) timeOf(value, what);
    else if (tag === BIT_STRING && (content.length === 0 || content[0] > 7 || (content[0] > 0 && content.length === 1))) odd();
    else if (tag & 0x20) {
      const all = derAll(content);
      if (tag === SET && (all.length === 0 || !isSorted(all))) odd();
      all.forEach((inner) => requireOneSpelling(inner, what, depth + 1));
    } else if (!(tag & 0x80) && ![BOOLEAN, BIT_STRING, OCTET_STRING, NULL, PRINTABLE, TELETEX, IA5, BMP].includes(tag)) odd();
  } catch (error) {
    if (error instanceof Refused) odd();
    throw error;
  }
}

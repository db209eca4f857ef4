// Ed25519 by the browser, with the checks that browsers leave out: no key and no R of low order, one
// spelling of every point and number (as strict verification does).

const FIELD = (1n << 255n) - 19n;
const ORDER = (1n << 252n) + 27742317777372353535851937790883648493n;
// y of the points whose order divides 8.
const LOW_ORDER_Y = [
  0n,
  1n,
  FIELD - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
];

const number = (bytes) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

function isSoundPoint(bytes) {
  const y = number(bytes) & ((1n << 255n) - 1n);
  return y < FIELD && !LOW_ORDER_Y.includes(y);
}

let supported = null;

// Whether this browser can check Ed25519 at all: it must accept a published signature (RFC 8032
// section 7.1, test 2) and refuse the same with one bit changed.
async function browserCanVerify() {
  if (supported !== null) return supported;
  const bytes = (word) => Uint8Array.from(word.match(/../g), (b) => parseInt(b, 16));
  const key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const signature = bytes(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
  try {
    const good = await verifyBytes(key, Uint8Array.of(0x72), signature);
    const bad = await verifyBytes(key, Uint8Array.of(0x73), signature);
    supported = good && !bad;
  } catch {
    supported = false;
  }
  return supported;
}

async function verifyBytes(key, message, signature) {
  const [r, s] = [signature.slice(0, 32), signature.slice(32)];
  if (!isSoundPoint(key) || !isSoundPoint(r) || number(s) >= ORDER) return false;
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
}

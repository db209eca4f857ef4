// The custody log: signed checkpoints (C2SP signed-note, tlog-checkpoint) and inclusion proofs
// (RFC 6962 section 2.1.1).

const leafHash = (line) => sha256(join(Uint8Array.of(0), line));
const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));

// RFC 9162 section 2.1.3.2.
async function isIncluded(index, size, leaf, proof, root) {
  if (index >= size) return false;
  let [at, last, hash] = [index, size - 1n, leaf];
  for (const sibling of proof) {
    if (last === 0n) return false;
    if (at & 1n || at === last) {
      hash = await nodeHash(sibling, hash);
      while (!(at & 1n) && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  return last === 0n && sameBytes(hash, root);
}

const MAX_NOTE = 1 << 20;
const MAX_NOTE_SIGNATURES = 64;

function parseCheckpoint(note) {
  const split = note.lastIndexOf("\n\n");
  const control = /[\u0000-\u0009\u000b-\u001f]/.test(note) || new TextEncoder().encode(note).length > MAX_NOTE;
  if (split < 0 || !note.endsWith("\n") || control) throw new Refused("the checkpoint is no signed note");
  const body = note.slice(0, split + 1);
  const lines = body.split("\n");
  if (lines.length !== 4 || lines[0] === "") throw new Refused("the checkpoint must have three lines");
  if (decimal(lines[1]) === null) throw new Refused("the size of the checkpoint is not a number");
  const root = fromBase64(lines[2]);
  if (root.length !== 32) throw new Refused("the root of the checkpoint is not 32 bytes");
  const signatures = note.slice(split + 2, -1).split("\n").map((line) => {
    const found = /^\u2014 ([^\s+\u007f-\u009f]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line);
    const bytes = found ? fromBase64(found[2]) : [];
    if (bytes.length < 5) throw new Refused("a signature line of the checkpoint is malformed");
    return { name: found[1], id: bytes.slice(0, 4), value: bytes.slice(4) };
  });
  if (signatures.length > MAX_NOTE_SIGNATURES) throw new Refused("the checkpoint has too many signatures");
  return { origin: lines[0], size: BigInt(lines[1]), root, body, signatures };
}

// The log's id at the end of the origin, where it is one of ours.
function logIdOf(checkpoint) {
  const id = checkpoint.origin.split("/").pop();
  return new TextEncoder().encode(id).length === 32 ? id : null;
}

async function noteKeyId(name, kind, key) {
  return (await sha256(join(new TextEncoder().encode(name), Uint8Array.of(10, kind), key))).slice(0, 4);
}

// A known station must have signed it, and no signature that names a known key may be bad.
async function checkCheckpoint(checkpoint, trust) {
  const name = "checkpoint";
  if (trust.isEmpty) return unknown(name, "who signed it cannot be told without a trust store");
  const stations = trust.all().filter((key) => key.roles.includes("station"));
  const good = await signersOfCheckpoint(checkpoint, stations.filter((key) => trust.revocation(key) === null));
  if (good.length > 0) return passed(name, `${checkpoint.size} entries of ${checkpoint.origin}, signed by "${good[0].name}"`);
  const revoked = await signersOfCheckpoint(checkpoint, stations.filter((key) => trust.revocation(key) !== null));
  return revoked.length > 0
    ? unknown(name, "it was signed with a key that is revoked; when, cannot be told")
    : failed(name, "it is not signed by a station of the trust store, or it was changed");
}

// Those of the keys that have signed it as its log; none where one of them has not, and is said to.
async function signersOfCheckpoint(checkpoint, keys) {
  const message = new TextEncoder().encode(checkpoint.body);
  const signers = [];
  for (const key of keys) {
    const id = await noteKeyId(checkpoint.origin, 1, key.bytes);
    for (const line of checkpoint.signatures.filter((s) => s.name === checkpoint.origin && sameBytes(s.id, id))) {
      if (line.value.length !== 64 || !(await verifyBytes(key.bytes, message, line.value))) return [];
      signers.push(key);
    }
  }
  return signers;
}

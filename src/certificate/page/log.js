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

function parseCheckpoint(note) {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new Refused("the checkpoint is no signed note");
  const body = note.slice(0, split + 1);
  const lines = body.split("\n");
  if (lines.length !== 4 || lines[0] === "") throw new Refused("the checkpoint must have three lines");
  if (!/^(0|[1-9][0-9]*)$/.test(lines[1])) throw new Refused("the size of the checkpoint is not a number");
  const root = fromBase64(lines[2]);
  if (root.length !== 32) throw new Refused("the root of the checkpoint is not 32 bytes");
  const signatures = note.slice(split + 2, -1).split("\n").map((line) => {
    const found = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line);
    if (!found) throw new Refused("a signature line of the checkpoint is malformed");
    const bytes = fromBase64(found[2]);
    return { name: found[1], id: bytes.slice(0, 4), value: bytes.slice(4) };
  });
  return { origin: lines[0], size: BigInt(lines[1]), root, body, signatures };
}

async function noteKeyId(name, kind, key) {
  return (await sha256(join(new TextEncoder().encode(name), Uint8Array.of(10, kind), key))).slice(0, 4);
}

async function checkCheckpoint(checkpoint, trust) {
  const name = "checkpoint";
  if (trust.isEmpty) return unknown(name, "who signed it cannot be told without a trust store");
  const message = new TextEncoder().encode(checkpoint.body);
  let revoked = false;
  for (const signature of checkpoint.signatures.filter((s) => s.name === checkpoint.origin && s.value.length === 64)) {
    for (const key of trust.all()) {
      if (!key.roles.includes("station")) continue;
      if (!sameBytes(await noteKeyId(checkpoint.origin, 1, key.bytes), signature.id)) continue;
      if (!(await verifyBytes(key.bytes, message, signature.value))) {
        return failed(name, `the signature of "${key.name}" does not verify: the checkpoint was changed`);
      }
      if (trust.revocation(key) === null) {
        return passed(name, `${checkpoint.size} entries of ${checkpoint.origin}, signed by "${key.name}"`);
      }
      revoked = true;
    }
  }
  return revoked
    ? unknown(name, "it was signed with a key that is revoked; when, cannot be told")
    : failed(name, "it is not signed by a station of the trust store");
}

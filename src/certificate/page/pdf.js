// The signed document inside a PDF certificate: its associated file, as it was signed.

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function find(bytes, word, from = 0, to = bytes.length) {
  const wanted = asciiBytes(word);
  outer: for (let at = bytes.indexOf(wanted[0], from); at >= 0 && at + wanted.length <= to; ) {
    for (let i = 1; i < wanted.length; i += 1) {
      if (bytes[at + i] !== wanted[i]) {
        at = bytes.indexOf(wanted[0], at + 1);
        continue outer;
      }
    }
    return at;
  }
  return -1;
}

// Every embedded file stream (ISO 32000-2 section 7.11.4), unpacked.
async function embeddedFiles(pdf) {
  const files = [];
  for (let at = find(pdf, "/EmbeddedFile"); at >= 0; at = find(pdf, "/EmbeddedFile", at + 1)) {
    const begin = find(pdf, "stream", at, Math.min(pdf.length, at + 4096));
    const end = begin < 0 ? -1 : find(pdf, "endstream", begin + 6);
    const word = String.fromCharCode(pdf[at + 13] ?? 32);
    if (begin < 0 || end < 0 || /[A-Za-z]/.test(word)) continue;
    const object = pdf.subarray(Math.max(0, at - 4096), begin);
    const dictionary = String.fromCharCode(...object).split(/\bobj\b/).pop();
    const start = begin + 6 + (pdf[begin + 6] === 13 ? 2 : 1);
    const length = /\/Length\s+(\d+)(?!\s+\d+\s+R)/.exec(dictionary);
    const raw = length ? pdf.slice(start, start + Number(length[1])) : pdf.slice(start, end);
    try {
      files.push(/\/FlateDecode\b/.test(dictionary) ? await inflate(raw) : raw);
    } catch {
      throw new Refused("an embedded file of the PDF cannot be unpacked");
    }
  }
  return files;
}

// The signed documents among them.
async function documentsOfPdf(pdf) {
  // Beside them lies how the pages were made, which is JSON too.
  const files = (await embeddedFiles(pdf)).filter((file) => find(file, '{"payload"', 0, 16) === 0);
  if (files.length === 0) throw new Refused("no signed document is embedded in this PDF; ask for the certificate itself");
  return files;
}

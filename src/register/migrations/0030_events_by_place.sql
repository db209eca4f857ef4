-- The hash of an event was unique, which its stream and revision are already. Nothing is looked up by it, and
-- an index in the order of hashes costs each new event a page of its own.
CREATE TABLE event_by_place(
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  hash TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  type TEXT NOT NULL,
  jws TEXT NOT NULL,
  PRIMARY KEY(stream, revision)
);
INSERT INTO event_by_place(stream, revision, hash, at, actor, type, jws)
  SELECT stream, revision, hash, at, actor, type, jws FROM event ORDER BY stream, revision;
DROP TABLE event;
ALTER TABLE event_by_place RENAME TO event;

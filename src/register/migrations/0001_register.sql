-- Read by SQLite and PostgreSQL alike. Facts of record: info, event, document. The rest is made
-- from the events and can be made again (register rebuild).
CREATE TABLE info(
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);
CREATE TABLE event(
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  type TEXT NOT NULL,
  jws TEXT NOT NULL,
  PRIMARY KEY(stream, revision)
);
CREATE TABLE document(
  sha256 TEXT NOT NULL PRIMARY KEY,
  id TEXT,
  kind TEXT NOT NULL,
  verdict TEXT NOT NULL,
  reason TEXT,
  name TEXT,
  received_at TEXT NOT NULL,
  bytes TEXT NOT NULL
);
CREATE INDEX document_id ON document(id);
CREATE TABLE state(
  stream TEXT NOT NULL PRIMARY KEY,
  revision BIGINT NOT NULL,
  head TEXT NOT NULL,
  document TEXT NOT NULL
);
CREATE TABLE asset(
  stream TEXT NOT NULL PRIMARY KEY,
  tag TEXT NOT NULL UNIQUE,
  serial TEXT,
  category TEXT,
  manufacturer TEXT,
  model TEXT,
  class TEXT NOT NULL,
  data_class TEXT NOT NULL,
  stage TEXT NOT NULL,
  condition TEXT NOT NULL,
  location TEXT,
  custodian TEXT
);
CREATE INDEX asset_serial ON asset(serial);
CREATE INDEX asset_stage ON asset(stage);
CREATE TABLE medium(
  stream TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  serial TEXT,
  wwn TEXT,
  digest TEXT,
  asset TEXT,
  state TEXT NOT NULL,
  class TEXT NOT NULL
);
CREATE INDEX medium_serial ON medium(serial);
CREATE INDEX medium_wwn ON medium(wwn);
CREATE INDEX medium_digest ON medium(digest);
CREATE INDEX medium_asset ON medium(asset);

-- What figures and reports are made from. All of it follows from the events (register rebuild).
ALTER TABLE asset ADD COLUMN company TEXT;
ALTER TABLE asset ADD COLUMN purchase_day TEXT;
ALTER TABLE asset ADD COLUMN cost_minor BIGINT;
ALTER TABLE asset ADD COLUMN currency TEXT;
ALTER TABLE asset ADD COLUMN warranty_months BIGINT;
ALTER TABLE asset ADD COLUMN eol_day TEXT;
ALTER TABLE asset ADD COLUMN in_service BIGINT;
ALTER TABLE asset ADD COLUMN out_of_service BIGINT;
ALTER TABLE asset ADD COLUMN closed_at BIGINT;
ALTER TABLE asset ADD COLUMN closed_day TEXT;
ALTER TABLE asset ADD COLUMN route TEXT;
ALTER TABLE asset ADD COLUMN outcome TEXT;
ALTER TABLE asset ADD COLUMN vendor TEXT;
ALTER TABLE asset ADD COLUMN lot TEXT;
ALTER TABLE asset ADD COLUMN grams BIGINT;
ALTER TABLE asset ADD COLUMN serial_key TEXT;
ALTER TABLE asset ADD COLUMN mac TEXT;
DROP INDEX asset_serial;
CREATE INDEX asset_serial_key ON asset(serial_key);
CREATE INDEX asset_mac ON asset(mac);
CREATE TABLE cost(
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  category TEXT NOT NULL,
  minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  day TEXT NOT NULL,
  reference TEXT,
  PRIMARY KEY(stream, revision)
);
CREATE TABLE sample(
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  n BIGINT NOT NULL,
  name TEXT NOT NULL,
  at BIGINT NOT NULL,
  value BIGINT NOT NULL,
  source TEXT NOT NULL,
  PRIMARY KEY(stream, revision, n)
);
CREATE TABLE span(
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  n BIGINT NOT NULL,
  kind TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  to_at BIGINT NOT NULL,
  source TEXT NOT NULL,
  PRIMARY KEY(stream, revision, n)
);
CREATE TABLE sighting(
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  n BIGINT NOT NULL,
  source TEXT NOT NULL,
  at BIGINT NOT NULL,
  tag TEXT,
  serial TEXT,
  serial_key TEXT,
  mac TEXT,
  host TEXT,
  location TEXT,
  custodian TEXT,
  PRIMARY KEY(stream, revision, n)
);
CREATE INDEX sighting_tag ON sighting(tag);
CREATE INDEX sighting_serial ON sighting(serial_key);
CREATE INDEX sighting_mac ON sighting(mac);
CREATE TABLE finding(
  stream TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  open_name TEXT UNIQUE,
  kind TEXT NOT NULL,
  asset TEXT,
  tag TEXT,
  place TEXT,
  detail TEXT NOT NULL,
  opened_day TEXT NOT NULL,
  resolution TEXT
);
CREATE INDEX finding_asset ON finding(asset);

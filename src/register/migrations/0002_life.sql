-- The rest of the life: what has a name of its own (models, vendors, requests, work orders,
-- licences, lots), and what is looked for by day or by origin. Made from the events, too.
CREATE TABLE record(
  stream TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  asset TEXT,
  due TEXT,
  UNIQUE(kind, name)
);
CREATE INDEX record_status ON record(kind, status, stream);
CREATE INDEX record_asset ON record(asset);
ALTER TABLE asset ADD COLUMN origin TEXT;
ALTER TABLE asset ADD COLUMN warranty_until TEXT;
ALTER TABLE asset ADD COLUMN maintenance_due TEXT;
CREATE INDEX asset_origin ON asset(origin, tag);
CREATE INDEX asset_warranty ON asset(warranty_until);
CREATE INDEX asset_maintenance ON asset(maintenance_due);

-- What assets were worth, each time somebody looked: for the reports that hold it against book value and proceeds.
CREATE TABLE valuation(
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  basis TEXT NOT NULL,
  minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  day TEXT NOT NULL,
  source TEXT NOT NULL,
  PRIMARY KEY(stream, revision)
);

-- A judgement that comes before the document that it judges waits for it.
ALTER TABLE document ADD COLUMN about TEXT;
CREATE INDEX document_about ON document(about) WHERE about IS NOT NULL;

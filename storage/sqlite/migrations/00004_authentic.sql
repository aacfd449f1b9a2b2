-- Authenticators of records, made by the domains under a keystore key; NULL until
-- the first start of this version has given it. A register is a record's newest
-- revision, from its second one on, apart from the record.

-- +goose Up

ALTER TABLE signing_keys ADD COLUMN auth BLOB;
ALTER TABLE participants ADD COLUMN auth BLOB;
ALTER TABLE clients ADD COLUMN auth BLOB;
ALTER TABLE license_types ADD COLUMN auth BLOB;
ALTER TABLE service_items ADD COLUMN auth BLOB;
ALTER TABLE licenses ADD COLUMN auth BLOB;
ALTER TABLE license_versions ADD COLUMN auth BLOB;
ALTER TABLE grants ADD COLUMN auth BLOB;
ALTER TABLE use_codes ADD COLUMN auth BLOB;
ALTER TABLE parties ADD COLUMN auth BLOB;
ALTER TABLE accounts ADD COLUMN auth BLOB;
ALTER TABLE sessions ADD COLUMN auth BLOB;
ALTER TABLE families ADD COLUMN auth BLOB;

CREATE TABLE registers (
	kind TEXT NOT NULL, -- the record's table, as its facts name it
	id   TEXT NOT NULL,
	mark BLOB,
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Registers go with what is purged.
-- +goose StatementBegin
CREATE TRIGGER sessions_registers AFTER DELETE ON sessions
BEGIN DELETE FROM registers WHERE kind = 'sessions' AND id = old.id; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER families_registers AFTER DELETE ON families
BEGIN DELETE FROM registers WHERE kind = 'families' AND id = old.id; END;
-- +goose StatementEnd

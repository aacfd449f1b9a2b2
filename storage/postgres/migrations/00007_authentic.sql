-- Authenticators of records, made by the domains under a keystore key; NULL until
-- the first start of this version has given it. A register is a record's newest
-- revision, from its second one on, apart from the record.

-- +goose Up

ALTER TABLE keys ADD COLUMN auth bytea;
ALTER TABLE participants ADD COLUMN auth bytea;
ALTER TABLE clients ADD COLUMN auth bytea;
ALTER TABLE types ADD COLUMN auth bytea;
ALTER TABLE service_items ADD COLUMN auth bytea;
ALTER TABLE licenses ADD COLUMN auth bytea;
ALTER TABLE license_versions ADD COLUMN auth bytea;
ALTER TABLE grants ADD COLUMN auth bytea;
ALTER TABLE use_codes ADD COLUMN auth bytea;
ALTER TABLE parties ADD COLUMN auth bytea;
ALTER TABLE accounts ADD COLUMN auth bytea;
ALTER TABLE sessions ADD COLUMN auth bytea;
ALTER TABLE families ADD COLUMN auth bytea;

CREATE TABLE registers (
	kind text COLLATE "C" NOT NULL, -- the record's table, as its facts name it
	id   text COLLATE "C" NOT NULL,
	mark bytea,
	PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);

-- What people agreed to show a client at its logins. Times, sealed columns and
-- lookup keys are as in the first migration.

-- +goose Up

CREATE TABLE consents (
	id      TEXT    NOT NULL PRIMARY KEY,
	client  TEXT    NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	body    BLOB
) STRICT;

CREATE TABLE consent_parties (
	serial  INTEGER NOT NULL,
	sum     BLOB    NOT NULL,
	created INTEGER NOT NULL,
	consent TEXT    NOT NULL REFERENCES consents ON DELETE CASCADE,
	PRIMARY KEY (serial, sum, created DESC, consent DESC)
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_parties_of_consent ON consent_parties (consent);

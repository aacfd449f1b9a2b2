-- Service items, grants, use codes and readings. Times, sealed columns and lookup
-- keys are as in the migration before.

-- +goose Up

CREATE TABLE service_items (
	code     TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	state    TEXT    NOT NULL,
	revision INTEGER NOT NULL,
	owner    TEXT    NOT NULL,
	body     BLOB    NOT NULL,
	updated  INTEGER NOT NULL,
	PRIMARY KEY (code, version)
) STRICT;
CREATE UNIQUE INDEX service_items_one_draft ON service_items (code) WHERE state = 'draft';
CREATE UNIQUE INDEX service_items_one_published ON service_items (code) WHERE state = 'published';

CREATE TABLE grants (
	id        TEXT    NOT NULL PRIMARY KEY,
	revision  INTEGER NOT NULL,
	state     TEXT    NOT NULL,
	client    TEXT    NOT NULL,
	item      TEXT    NOT NULL,
	basis     TEXT    NOT NULL,
	recurring INTEGER NOT NULL,
	created   INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	body      BLOB,
	code      BLOB -- NULL: no authorization code was redeemed
) STRICT;

-- Lookup keys of parties, with the grant's time of creation, so that a party's
-- grants are read in their order.
CREATE TABLE grant_parties (
	serial   INTEGER NOT NULL,
	sum      BLOB    NOT NULL,
	created  INTEGER NOT NULL,
	grant_id TEXT    NOT NULL REFERENCES grants,
	PRIMARY KEY (serial, sum, created DESC, grant_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE use_codes (
	grant_id TEXT    NOT NULL REFERENCES grants,
	hash     BLOB    NOT NULL,
	license  TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	number   INTEGER NOT NULL,
	created  INTEGER NOT NULL,
	first    INTEGER, -- NULL: unused
	PRIMARY KEY (grant_id, hash),
	UNIQUE (grant_id, license, number),
	FOREIGN KEY (license, version) REFERENCES license_versions
) STRICT, WITHOUT ROWID;

CREATE TABLE access_records (
	seq         INTEGER NOT NULL PRIMARY KEY,
	id          TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	grant_id    TEXT    NOT NULL,
	license     TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	client      TEXT    NOT NULL,
	participant TEXT    NOT NULL,
	item        TEXT    NOT NULL,
	basis       TEXT    NOT NULL,
	channel     TEXT    NOT NULL,
	result      TEXT    NOT NULL,
	disclosure  TEXT    NOT NULL,
	body        BLOB
) STRICT;

-- Lookup keys of those whose records they are.
CREATE TABLE access_parties (
	serial INTEGER NOT NULL,
	sum    BLOB    NOT NULL,
	seq    INTEGER NOT NULL REFERENCES access_records,
	PRIMARY KEY (serial, sum, seq)
) STRICT, WITHOUT ROWID;

-- Hashes of consumers' request ids, of allowed readings.
CREATE TABLE use_requests (
	grant_id TEXT    NOT NULL,
	hash     BLOB    NOT NULL,
	request  TEXT    NOT NULL,
	seq      INTEGER NOT NULL REFERENCES access_records,
	PRIMARY KEY (grant_id, hash, request),
	FOREIGN KEY (grant_id, hash) REFERENCES use_codes
) STRICT, WITHOUT ROWID;

-- Access records are only ever added.
-- +goose StatementBegin
CREATE TRIGGER access_records_unchanged BEFORE UPDATE ON access_records
BEGIN SELECT raise(ABORT, 'access_records is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER access_records_undeleted BEFORE DELETE ON access_records
BEGIN SELECT raise(ABORT, 'access_records is append-only'); END;
-- +goose StatementEnd

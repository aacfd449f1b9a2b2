-- Times are microseconds since 1970, dates texts such as 2026-03-01. What is
-- sealed is a BLOB. A lookup key is the serial of the key that made it and its
-- sum: the serial comes first, so that all of a purged key's lie together.

-- +goose Up

-- Two processes that migrate at once must not both apply a migration: the
-- second one's transaction fails here, whatever else it did.
CREATE UNIQUE INDEX goose_db_version_once ON goose_db_version (version_id);

CREATE TABLE license_types (
	code     TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	state    TEXT    NOT NULL,
	revision INTEGER NOT NULL,
	owner    TEXT    NOT NULL,
	body     BLOB    NOT NULL,
	updated  INTEGER NOT NULL,
	PRIMARY KEY (code, version)
) STRICT;
CREATE UNIQUE INDEX license_types_one_draft ON license_types (code) WHERE state = 'draft';
CREATE UNIQUE INDEX license_types_one_published ON license_types (code) WHERE state = 'published';

CREATE TABLE licenses (
	id        TEXT    NOT NULL PRIMARY KEY,
	revision  INTEGER NOT NULL,
	type      TEXT    NOT NULL,
	authority TEXT    NOT NULL,
	version   INTEGER NOT NULL,
	state     TEXT    NOT NULL,
	created   INTEGER NOT NULL,
	updated   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX licenses_by_creation ON licenses (created DESC, id);
CREATE INDEX licenses_by_authority ON licenses (authority, created DESC, id);

-- With a rowid: the rows are large, and those of one insert lie together.
CREATE TABLE license_versions (
	license      TEXT    NOT NULL REFERENCES licenses,
	version      INTEGER NOT NULL,
	state        TEXT    NOT NULL,
	type_version INTEGER NOT NULL,
	origin       TEXT    NOT NULL,
	trust_grade  TEXT    NOT NULL,
	valid_from   TEXT,
	valid_until  TEXT,
	status_list  INTEGER NOT NULL,
	status_index INTEGER NOT NULL,
	issued       INTEGER,
	body         BLOB,
	credential   BLOB,
	holder_key   BLOB,
	ending       BLOB,
	PRIMARY KEY (license, version)
) STRICT;

-- Lookup keys of identifiers, with and without verification code.
CREATE TABLE identifiers (
	serial  INTEGER NOT NULL,
	sum     BLOB    NOT NULL,
	kind    TEXT    NOT NULL,
	license TEXT    NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (serial, sum),
	FOREIGN KEY (license, version) REFERENCES license_versions
) STRICT, WITHOUT ROWID;

-- Lookup keys of type, authority and number.
CREATE TABLE numbers (
	serial    INTEGER NOT NULL,
	sum       BLOB    NOT NULL,
	license   TEXT    NOT NULL REFERENCES licenses,
	exclusive INTEGER NOT NULL,
	PRIMARY KEY (serial, sum, license)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX numbers_exclusive ON numbers (serial, sum) WHERE exclusive;

-- Lookup keys of holders' codes, with the license's time of creation, so that
-- a holder's licenses are read in their order.
CREATE TABLE holdings (
	serial  INTEGER NOT NULL,
	sum     BLOB    NOT NULL,
	created INTEGER NOT NULL,
	license TEXT    NOT NULL REFERENCES licenses,
	PRIMARY KEY (serial, sum, created DESC, license)
) STRICT, WITHOUT ROWID;

-- Lookup keys of clients' idempotency keys.
CREATE TABLE requests (
	serial             INTEGER NOT NULL,
	sum                BLOB    NOT NULL,
	fingerprint_serial INTEGER NOT NULL,
	fingerprint        BLOB    NOT NULL,
	license            TEXT    NOT NULL,
	version            INTEGER NOT NULL,
	state              TEXT    NOT NULL,
	created            INTEGER NOT NULL,
	PRIMARY KEY (serial, sum)
) STRICT, WITHOUT ROWID;

CREATE TABLE status_lists (
	list     INTEGER NOT NULL PRIMARY KEY,
	revision INTEGER NOT NULL,
	taken    INTEGER NOT NULL,
	created  INTEGER NOT NULL
) STRICT;

-- A row is a taken entry, 0 while it is valid.
CREATE TABLE status_entries (
	list     INTEGER NOT NULL REFERENCES status_lists,
	position INTEGER NOT NULL CHECK (position >= 0),
	value    INTEGER NOT NULL,
	PRIMARY KEY (list, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX status_entries_set ON status_entries (list, position, value) WHERE value <> 0;

-- Events of licenses. Refused reads of licenses that don't exist are events
-- too, so there is no foreign key.
CREATE TABLE history (
	seq         INTEGER NOT NULL PRIMARY KEY,
	license     TEXT    NOT NULL,
	id          TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	action      TEXT    NOT NULL,
	client      TEXT    NOT NULL,
	participant TEXT    NOT NULL,
	request_id  TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	result      TEXT    NOT NULL,
	detail      BLOB,
	hash        BLOB    NOT NULL
) STRICT;
CREATE INDEX history_of_license ON history (license, seq);

-- Events that are about no one license.
CREATE TABLE events (
	seq         INTEGER NOT NULL PRIMARY KEY,
	id          TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	action      TEXT    NOT NULL,
	client      TEXT    NOT NULL,
	participant TEXT    NOT NULL,
	request_id  TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	result      TEXT    NOT NULL,
	detail      BLOB,
	hash        BLOB    NOT NULL
) STRICT;

CREATE TABLE settings (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
	id         TEXT    NOT NULL PRIMARY KEY,
	purpose    TEXT    NOT NULL,
	owner      TEXT    NOT NULL,
	serial     INTEGER NOT NULL,
	algorithm  TEXT    NOT NULL,
	state      TEXT    NOT NULL,
	public_key BLOB,
	chain      TEXT, -- JSON: an array of certificates in base64
	wrapped    BLOB,
	wrapped_by TEXT    NOT NULL,
	created    INTEGER NOT NULL,
	activated  INTEGER,
	retired    INTEGER,
	revoked    INTEGER,
	reason     TEXT    NOT NULL,
	revision   INTEGER NOT NULL,
	UNIQUE (purpose, owner, serial)
) STRICT;
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (purpose, owner) WHERE state = 'active';

CREATE TABLE participants (
	id        TEXT    NOT NULL PRIMARY KEY,
	uscc      TEXT    NOT NULL UNIQUE,
	name      TEXT    NOT NULL,
	class     TEXT    NOT NULL,
	area_code TEXT    NOT NULL,
	level     INTEGER NOT NULL,
	parent    TEXT    NOT NULL,
	successor TEXT    NOT NULL,
	disabled  INTEGER NOT NULL,
	created   INTEGER NOT NULL,
	updated   INTEGER NOT NULL,
	revision  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
	id          TEXT    NOT NULL PRIMARY KEY,
	participant TEXT    NOT NULL,
	disabled    INTEGER NOT NULL,
	revision    INTEGER NOT NULL,
	body        BLOB    NOT NULL,
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL
) STRICT;
CREATE INDEX clients_of_participant ON clients (participant, id);

CREATE TABLE provider_events (
	seq        INTEGER NOT NULL PRIMARY KEY,
	id         TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	action     TEXT    NOT NULL,
	actor      TEXT    NOT NULL,
	object     TEXT    NOT NULL,
	request_id TEXT    NOT NULL,
	result     TEXT    NOT NULL,
	hash       BLOB    NOT NULL
) STRICT;

-- One row, written to see whether the database takes writes.
CREATE TABLE readiness (
	only   INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
	writes INTEGER NOT NULL
) STRICT;
INSERT INTO readiness (only, writes) VALUES (1, 0);

-- Events are only ever added.
-- +goose StatementBegin
CREATE TRIGGER history_unchanged BEFORE UPDATE ON history
BEGIN SELECT raise(ABORT, 'history is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER history_undeleted BEFORE DELETE ON history
BEGIN SELECT raise(ABORT, 'history is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
BEGIN SELECT raise(ABORT, 'events is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_undeleted BEFORE DELETE ON events
BEGIN SELECT raise(ABORT, 'events is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER provider_events_unchanged BEFORE UPDATE ON provider_events
BEGIN SELECT raise(ABORT, 'provider_events is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER provider_events_undeleted BEFORE DELETE ON provider_events
BEGIN SELECT raise(ABORT, 'provider_events is append-only'); END;
-- +goose StatementEnd

-- Parties, accounts, sessions, families of tokens, and what was spent. Times,
-- sealed columns and lookup keys are as in the first migration.

-- +goose Up

CREATE TABLE parties (
	id       TEXT    NOT NULL PRIMARY KEY,
	kind     TEXT    NOT NULL,
	revision INTEGER NOT NULL,
	body     BLOB,
	created  INTEGER NOT NULL,
	updated  INTEGER NOT NULL
) STRICT;

-- Lookup keys of parties' codes: each leads to one party.
CREATE TABLE party_codes (
	serial INTEGER NOT NULL,
	sum    BLOB    NOT NULL,
	party  TEXT    NOT NULL REFERENCES parties,
	PRIMARY KEY (serial, sum)
) STRICT, WITHOUT ROWID;
CREATE INDEX party_codes_of_party ON party_codes (party);

CREATE TABLE accounts (
	id       TEXT    NOT NULL PRIMARY KEY,
	party    TEXT    NOT NULL UNIQUE,
	disabled INTEGER NOT NULL,
	revision INTEGER NOT NULL,
	body     BLOB,
	created  INTEGER NOT NULL,
	updated  INTEGER NOT NULL
) STRICT;

-- Lookup keys of what people log in with: each leads to one account.
CREATE TABLE account_logins (
	serial  INTEGER NOT NULL,
	sum     BLOB    NOT NULL,
	account TEXT    NOT NULL REFERENCES accounts,
	PRIMARY KEY (serial, sum)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_logins_of_account ON account_logins (account);

CREATE TABLE sessions (
	id       TEXT    NOT NULL PRIMARY KEY,
	cookie   BLOB    NOT NULL UNIQUE, -- hash
	revision INTEGER NOT NULL,
	created  INTEGER NOT NULL,
	seen     INTEGER NOT NULL,
	expires  INTEGER NOT NULL,
	ended    INTEGER, -- NULL: live
	body     BLOB
) STRICT;
-- When it was over, for Purge.
CREATE INDEX sessions_over ON sessions (coalesce(min(ended, expires), expires));

-- Lookup keys of parties, with the session's time of creation, so that a party's
-- sessions are read in their order.
CREATE TABLE session_parties (
	serial  INTEGER NOT NULL,
	sum     BLOB    NOT NULL,
	created INTEGER NOT NULL,
	session TEXT    NOT NULL REFERENCES sessions ON DELETE CASCADE,
	PRIMARY KEY (serial, sum, created DESC, session DESC)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_parties_of_session ON session_parties (session);

CREATE TABLE families (
	id       TEXT    NOT NULL PRIMARY KEY,
	client   TEXT    NOT NULL,
	session  TEXT    NOT NULL, -- empty: offline access
	revision INTEGER NOT NULL,
	number   INTEGER NOT NULL,
	rotated  INTEGER, -- NULL: there was no refresh token
	created  INTEGER NOT NULL,
	expires  INTEGER NOT NULL,
	ended    INTEGER, -- NULL: live
	ended_by TEXT    NOT NULL,
	body     BLOB
) STRICT;
CREATE INDEX families_over ON families (coalesce(min(ended, expires), expires));

CREATE TABLE family_parties (
	serial  INTEGER NOT NULL,
	sum     BLOB    NOT NULL,
	created INTEGER NOT NULL,
	family  TEXT    NOT NULL REFERENCES families ON DELETE CASCADE,
	PRIMARY KEY (serial, sum, created DESC, family DESC)
) STRICT, WITHOUT ROWID;
CREATE INDEX family_parties_of_family ON family_parties (family);

-- Hashes of what may be used once and was. A row outlives what it led to.
CREATE TABLE spent (
	hash   BLOB    NOT NULL PRIMARY KEY,
	keep   INTEGER NOT NULL, -- until then at least
	family TEXT              -- that an authorization code led to; NULL: it was no code
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_keep ON spent (keep);

-- Parties, accounts, sessions, families of tokens, and what was spent. As before,
-- what is personal stands here only sealed, or as the sum of a lookup key, and
-- partitions are made by the next migration.
--
-- Everything is partitioned by what it is sought by. A unique index spans one
-- partition alone: so what is unique beside an id has a table of its own, a
-- session's cookie, an account's party.

-- +goose Up

CREATE TABLE parties (
	id       text COLLATE "C" NOT NULL,
	kind     text NOT NULL,
	revision bigint NOT NULL,
	body     bytea, -- sealed
	created  timestamptz NOT NULL,
	updated  timestamptz NOT NULL,
	PRIMARY KEY (id)
) PARTITION BY HASH (id);

CREATE TABLE party_codes (
	sum    bytea NOT NULL,
	serial integer NOT NULL,
	party  text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum)
) PARTITION BY HASH (sum);
CREATE INDEX party_codes_party ON party_codes (party);

CREATE TABLE accounts (
	id       text COLLATE "C" NOT NULL,
	party    text COLLATE "C" NOT NULL,
	disabled boolean NOT NULL,
	revision bigint NOT NULL,
	body     bytea, -- sealed
	created  timestamptz NOT NULL,
	updated  timestamptz NOT NULL,
	PRIMARY KEY (id)
) PARTITION BY HASH (id);

CREATE TABLE account_parties (
	party   text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	PRIMARY KEY (party)
) PARTITION BY HASH (party);

CREATE TABLE account_logins (
	sum     bytea NOT NULL,
	serial  integer NOT NULL,
	account text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum)
) PARTITION BY HASH (sum);
CREATE INDEX account_logins_account ON account_logins (account);

CREATE TABLE sessions (
	id       text COLLATE "C" NOT NULL,
	cookie   bytea NOT NULL, -- hash
	revision bigint NOT NULL,
	created  timestamptz NOT NULL,
	seen     timestamptz NOT NULL,
	expires  timestamptz NOT NULL,
	ended    timestamptz, -- NULL: live
	body     bytea,       -- sealed
	PRIMARY KEY (id)
) PARTITION BY HASH (id);
-- When it was over, for Purge. Nothing else that an update changes is indexed.
CREATE INDEX sessions_over ON sessions (LEAST(ended, expires));

CREATE TABLE session_cookies (
	cookie  bytea NOT NULL,
	session text COLLATE "C" NOT NULL,
	PRIMARY KEY (cookie)
) PARTITION BY HASH (cookie);

CREATE TABLE session_parties (
	sum     bytea NOT NULL,
	serial  integer NOT NULL,
	created timestamptz NOT NULL, -- of the session
	session text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum, created, session)
) PARTITION BY HASH (sum);
CREATE INDEX session_parties_session ON session_parties (session);

CREATE TABLE families (
	id       text COLLATE "C" NOT NULL,
	client   text NOT NULL,
	session  text NOT NULL, -- empty: offline access
	revision bigint NOT NULL,
	number   bigint NOT NULL,
	rotated  timestamptz, -- NULL: there was no refresh token
	created  timestamptz NOT NULL,
	expires  timestamptz NOT NULL,
	ended    timestamptz, -- NULL: live
	ended_by text NOT NULL,
	body     bytea, -- sealed
	PRIMARY KEY (id)
) PARTITION BY HASH (id);
CREATE INDEX families_over ON families (LEAST(ended, expires));

CREATE TABLE family_parties (
	sum     bytea NOT NULL,
	serial  integer NOT NULL,
	created timestamptz NOT NULL, -- of the family
	family  text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum, created, family)
) PARTITION BY HASH (sum);
CREATE INDEX family_parties_family ON family_parties (family);

-- Hashes of what may be used once and was. A row outlives what it led to.
CREATE TABLE spent (
	hash   bytea NOT NULL,
	keep   timestamptz NOT NULL, -- until then at least
	family text,                 -- that an authorization code led to; NULL: it was no code
	PRIMARY KEY (hash)
) PARTITION BY HASH (hash);
CREATE INDEX spent_keep ON spent (keep);

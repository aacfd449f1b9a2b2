-- Service items, grants, use codes and readings. As before, what is personal
-- stands here only sealed, or as the sum of a lookup key, and partitions are made
-- by the next migration.
--
-- A use code names its grant, so that grants, use codes and request ids are all
-- partitioned by the grant. Access records go by month, like events.

-- +goose Up

CREATE TABLE service_items (
	code     text COLLATE "C" NOT NULL,
	version  integer NOT NULL,
	state    text NOT NULL,
	revision bigint NOT NULL,
	owner    text NOT NULL,
	body     bytea NOT NULL, -- JSON, as bytes: it comes back as it went in
	updated  timestamptz NOT NULL,
	PRIMARY KEY (code, version)
);
CREATE UNIQUE INDEX service_items_draft ON service_items (code) WHERE state = 'draft';
CREATE UNIQUE INDEX service_items_published ON service_items (code) WHERE state = 'published';

CREATE TABLE grants (
	id        text COLLATE "C" NOT NULL,
	revision  bigint NOT NULL,
	state     text NOT NULL,
	client    text NOT NULL,
	item      text NOT NULL,
	basis     text NOT NULL,
	recurring boolean NOT NULL,
	created   timestamptz NOT NULL,
	expires   timestamptz NOT NULL,
	body      bytea, -- sealed
	code      bytea, -- hash of the authorization code; NULL: none was redeemed
	PRIMARY KEY (id)
) PARTITION BY HASH (id);

CREATE TABLE grant_parties (
	sum      bytea NOT NULL,
	serial   integer NOT NULL,
	created  timestamptz NOT NULL, -- of the grant
	grant_id text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum, grant_id)
) PARTITION BY HASH (sum);
CREATE INDEX grant_parties_order ON grant_parties (serial, sum, created DESC, grant_id);

CREATE TABLE use_codes (
	grant_id text COLLATE "C" NOT NULL,
	hash     bytea NOT NULL,
	license  text COLLATE "C" NOT NULL,
	version  integer NOT NULL,
	number   integer NOT NULL,
	created  timestamptz NOT NULL,
	first    timestamptz, -- NULL: unused
	PRIMARY KEY (grant_id, hash)
) PARTITION BY HASH (grant_id);
CREATE UNIQUE INDEX use_codes_number ON use_codes (grant_id, license, number);

CREATE SEQUENCE access_records_seq;
CREATE TABLE access_records (
	seq         bigint NOT NULL DEFAULT nextval('access_records_seq'),
	id          text NOT NULL,
	at          timestamptz NOT NULL,
	grant_id    text NOT NULL,
	license     text NOT NULL,
	version     integer NOT NULL,
	client      text NOT NULL,
	participant text NOT NULL,
	item        text NOT NULL,
	basis       text NOT NULL,
	channel     text NOT NULL,
	result      text NOT NULL,
	disclosure  text NOT NULL,
	body        bytea, -- sealed
	PRIMARY KEY (seq, at)
) PARTITION BY RANGE (at);

-- Lookup keys of those whose records they are. With its time, a record is sought
-- in its own month alone.
CREATE TABLE access_parties (
	sum    bytea NOT NULL,
	serial integer NOT NULL,
	seq    bigint NOT NULL,
	at     timestamptz NOT NULL,
	PRIMARY KEY (serial, sum, seq)
) PARTITION BY HASH (sum);

-- Hashes of consumers' request ids, of allowed readings.
CREATE TABLE use_requests (
	grant_id text COLLATE "C" NOT NULL,
	hash     bytea NOT NULL,
	request  text COLLATE "C" NOT NULL,
	seq      bigint NOT NULL,
	at       timestamptz NOT NULL,
	PRIMARY KEY (grant_id, hash, request)
) PARTITION BY HASH (grant_id);

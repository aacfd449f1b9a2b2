-- What is personal stands here only sealed, or as the sum of a lookup key.
--
-- The large tables are hash-partitioned from the start: by the license's id, or
-- by the lookup key under which a row is sought, so that each hot query touches
-- one partition. Events that belong to no license go by month. The partitions
-- themselves are made by the next migration, apart from this one, for databases
-- that distribute tables in a way of their own.
--
-- Ids and codes are COLLATE "C": the stores promise an order by bytes, whatever
-- the database's locale.
--
-- In lookup tables the key's serial leads the primary key, so that the rows of a
-- retired key are found when they are purged.
--
-- No migration has a way down: it could only destroy what was kept.

-- +goose Up

CREATE TABLE licenses (
	id        text COLLATE "C" NOT NULL,
	revision  bigint NOT NULL,
	type      text COLLATE "C" NOT NULL,
	authority text COLLATE "C" NOT NULL,
	version   integer NOT NULL, -- the newest
	state     text NOT NULL,    -- of the newest version
	created   timestamptz NOT NULL,
	updated   timestamptz NOT NULL,
	PRIMARY KEY (id)
) PARTITION BY HASH (id);
CREATE INDEX licenses_created ON licenses (created DESC, id);
CREATE INDEX licenses_authority ON licenses (authority, created DESC, id);
CREATE INDEX licenses_type ON licenses (type, created DESC, id);

CREATE TABLE license_versions (
	license      text COLLATE "C" NOT NULL,
	version      integer NOT NULL,
	state        text NOT NULL,
	type_version integer NOT NULL,
	origin       text NOT NULL,
	trust_grade  text NOT NULL,
	valid_from   date,
	valid_until  date, -- NULL: 长期
	status_list  bigint NOT NULL,
	status_index integer NOT NULL,
	issued       timestamptz NOT NULL,
	body         bytea, -- sealed, as are all below
	credential   bytea,
	holder_key   bytea,
	ending       bytea,
	PRIMARY KEY (license, version)
) PARTITION BY HASH (license);

CREATE SEQUENCE history_seq;
CREATE TABLE history (
	seq         bigint NOT NULL DEFAULT nextval('history_seq'),
	id          text NOT NULL,
	at          timestamptz NOT NULL,
	action      text NOT NULL,
	client      text NOT NULL,
	participant text NOT NULL,
	request_id  text NOT NULL,
	license     text COLLATE "C" NOT NULL,
	version     integer NOT NULL,
	result      text NOT NULL,
	detail      bytea, -- sealed
	hash        bytea NOT NULL,
	PRIMARY KEY (license, seq)
) PARTITION BY HASH (license);

CREATE TABLE identifiers (
	sum     bytea NOT NULL,
	serial  integer NOT NULL, -- of the lookup key that made sum
	kind    text NOT NULL,    -- identifier or verification
	license text COLLATE "C" NOT NULL,
	version integer NOT NULL,
	PRIMARY KEY (serial, sum, kind)
) PARTITION BY HASH (sum);

CREATE TABLE numbers (
	sum       bytea NOT NULL,
	serial    integer NOT NULL,
	license   text COLLATE "C" NOT NULL,
	exclusive boolean NOT NULL, -- no other license may have it
	PRIMARY KEY (serial, sum, license)
) PARTITION BY HASH (sum);
CREATE UNIQUE INDEX numbers_exclusive ON numbers (serial, sum) WHERE exclusive;

CREATE TABLE holdings (
	sum     bytea NOT NULL,
	serial  integer NOT NULL,
	license text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum, license)
) PARTITION BY HASH (sum);

CREATE TABLE requests (
	sum                bytea NOT NULL,
	serial             integer NOT NULL,
	fingerprint        bytea NOT NULL,
	fingerprint_serial integer NOT NULL,
	license            text COLLATE "C" NOT NULL,
	version            integer NOT NULL,
	state              text NOT NULL, -- as answered
	created            timestamptz NOT NULL,
	PRIMARY KEY (serial, sum)
) PARTITION BY HASH (sum);

CREATE TABLE status_lists (
	list    bigint PRIMARY KEY,
	taken   integer NOT NULL, -- entries that are
	created timestamptz NOT NULL
);

CREATE TABLE status_entries (
	list  bigint NOT NULL,
	index integer NOT NULL,
	value smallint NOT NULL,
	PRIMARY KEY (list, index)
) PARTITION BY HASH (list);
CREATE INDEX status_entries_set ON status_entries (list, index, value) WHERE value <> 0;

-- A list's revision is the sum of its shards: one counter would make every
-- change of a license in the list wait for the commit of the one before.
CREATE TABLE status_revisions (
	list    bigint NOT NULL,
	shard   smallint NOT NULL,
	changes bigint NOT NULL,
	PRIMARY KEY (list, shard)
);

CREATE SEQUENCE events_seq;
CREATE TABLE events (
	seq         bigint NOT NULL DEFAULT nextval('events_seq'),
	id          text NOT NULL,
	at          timestamptz NOT NULL,
	action      text NOT NULL,
	client      text NOT NULL,
	participant text NOT NULL,
	request_id  text NOT NULL,
	version     integer NOT NULL,
	result      text NOT NULL,
	detail      bytea, -- sealed
	hash        bytea NOT NULL,
	PRIMARY KEY (seq, at)
) PARTITION BY RANGE (at);

CREATE TABLE types (
	code     text COLLATE "C" NOT NULL,
	version  integer NOT NULL,
	state    text NOT NULL,
	revision bigint NOT NULL,
	owner    text NOT NULL,
	body     bytea NOT NULL, -- JSON, as bytes: it comes back as it went in
	updated  timestamptz NOT NULL,
	PRIMARY KEY (code, version)
);
CREATE UNIQUE INDEX types_draft ON types (code) WHERE state = 'draft';
CREATE UNIQUE INDEX types_published ON types (code) WHERE state = 'published';

CREATE TABLE settings (
	name  text PRIMARY KEY,
	value text NOT NULL
);

CREATE TABLE keys (
	id         text COLLATE "C" NOT NULL,
	purpose    text COLLATE "C" NOT NULL,
	owner      text COLLATE "C" NOT NULL,
	serial     integer NOT NULL,
	algorithm  text NOT NULL,
	state      text NOT NULL,
	public_key bytea,
	chain      bytea[],
	wrapped    bytea,
	wrapped_by text NOT NULL,
	created    timestamptz NOT NULL,
	activated  timestamptz,
	retired    timestamptz,
	revoked    timestamptz,
	reason     text NOT NULL,
	revision   bigint NOT NULL,
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX keys_serial ON keys (purpose, owner, serial);
CREATE UNIQUE INDEX keys_active ON keys (purpose, owner) WHERE state = 'active';

CREATE TABLE participants (
	id        text COLLATE "C" PRIMARY KEY,
	uscc      text COLLATE "C" NOT NULL UNIQUE,
	name      text NOT NULL,
	class     text NOT NULL,
	area_code text NOT NULL,
	level     integer NOT NULL,
	parent    text NOT NULL,
	successor text NOT NULL,
	disabled  boolean NOT NULL,
	created   timestamptz NOT NULL,
	updated   timestamptz NOT NULL,
	revision  bigint NOT NULL
);

CREATE TABLE clients (
	id          text COLLATE "C" PRIMARY KEY,
	participant text COLLATE "C" NOT NULL,
	disabled    boolean NOT NULL,
	revision    bigint NOT NULL,
	body        bytea NOT NULL,
	created     timestamptz NOT NULL,
	updated     timestamptz NOT NULL
);
CREATE INDEX clients_participant ON clients (participant, id);

CREATE SEQUENCE provider_events_seq;
CREATE TABLE provider_events (
	seq        bigint NOT NULL DEFAULT nextval('provider_events_seq'),
	id         text NOT NULL,
	at         timestamptz NOT NULL,
	action     text NOT NULL,
	actor      text NOT NULL,
	object     text NOT NULL,
	request_id text NOT NULL,
	result     text NOT NULL,
	hash       bytea NOT NULL,
	PRIMARY KEY (seq, at)
) PARTITION BY RANGE (at);

-- One row that Ping counts up, to see that a write reaches the disk.
CREATE TABLE pings (
	id    smallint PRIMARY KEY,
	count bigint NOT NULL
);

-- Systems whose accounts are taken in, and which of their records led to which accounts. What a
-- record was stands sealed in the link's body alone.

-- +goose Up

CREATE TABLE sources (
	id           TEXT    NOT NULL PRIMARY KEY, -- its name
	display_name TEXT    NOT NULL,
	level        INTEGER NOT NULL, -- the highest proofing level of its records
	created      INTEGER NOT NULL,
	updated      INTEGER NOT NULL,
	revision     INTEGER NOT NULL,
	auth         BLOB
) STRICT;

CREATE TABLE links (
	id      TEXT    NOT NULL PRIMARY KEY,
	body    BLOB    NOT NULL, -- sealed
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Lookup keys of sources' records: each leads to one link.
CREATE TABLE link_keys (
	serial INTEGER NOT NULL,
	sum    BLOB    NOT NULL,
	link   TEXT    NOT NULL REFERENCES links,
	PRIMARY KEY (serial, sum)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_keys_of_link ON link_keys (link);

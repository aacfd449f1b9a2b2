-- Whose codes a participant may begin those of its types and items with, beside its
-- own. Times and authenticators are as in the migrations before.

-- +goose Up

CREATE TABLE delegations (
	id          TEXT    NOT NULL PRIMARY KEY, -- prefix/participant
	prefix      TEXT    NOT NULL,
	participant TEXT    NOT NULL,
	document    TEXT    NOT NULL,
	given_by    TEXT    NOT NULL,
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL,
	ended       INTEGER, -- NULL: in force
	revision    INTEGER NOT NULL,
	auth        BLOB
) STRICT;

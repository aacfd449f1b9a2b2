-- Who may act for whom. What a representation says stands sealed in its body; the keys that lead to it are lookup
-- keys.

-- +goose Up

CREATE TABLE representations (
	id       TEXT    NOT NULL PRIMARY KEY,
	state    TEXT    NOT NULL,
	revision INTEGER NOT NULL,
	body     BLOB    NOT NULL, -- sealed
	created  INTEGER NOT NULL,
	updated  INTEGER NOT NULL,
	auth     BLOB
) STRICT;

-- Lookup keys of principals and representatives: each leads to some representations.
CREATE TABLE representation_keys (
	serial         INTEGER NOT NULL,
	sum            BLOB    NOT NULL,
	ended          INTEGER NOT NULL, -- those that haven't ended come first
	created        INTEGER NOT NULL,
	representation TEXT    NOT NULL REFERENCES representations,
	PRIMARY KEY (serial, sum, ended, created, representation)
) STRICT, WITHOUT ROWID;
CREATE INDEX representation_keys_of_representation ON representation_keys (representation);

-- Lookup keys of kind, principal and representative, until a representation ends: each leads to one.
CREATE TABLE representation_uniques (
	serial         INTEGER NOT NULL,
	sum            BLOB    NOT NULL,
	representation TEXT    NOT NULL REFERENCES representations,
	PRIMARY KEY (serial, sum)
) STRICT, WITHOUT ROWID;
CREATE INDEX representation_uniques_of_representation ON representation_uniques (representation);

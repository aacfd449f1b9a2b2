-- Posts of officers 工作人员 in participants. Who it is stands sealed in the body alone, and before they
-- accepted it nothing else says so. Times and authenticators are as in the migrations before.

-- +goose Up

CREATE TABLE posts (
	id          TEXT    NOT NULL PRIMARY KEY,
	participant TEXT    NOT NULL,
	party       TEXT    NOT NULL, -- '': nobody accepted it
	roles       TEXT    NOT NULL, -- words with a space between them
	state       TEXT    NOT NULL,
	revision    INTEGER NOT NULL,
	body        BLOB    NOT NULL, -- sealed
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL,
	auth        BLOB
) STRICT;
CREATE INDEX posts_participant ON posts (participant, id);
CREATE INDEX posts_party ON posts (party, id) WHERE party <> '';

-- Lookup keys of what only one post has until it ends: a staff number, and a person, of a participant.
CREATE TABLE post_claims (
	serial INTEGER NOT NULL,
	sum    BLOB    NOT NULL,
	post   TEXT    NOT NULL REFERENCES posts,
	PRIMARY KEY (serial, sum)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_claims_post ON post_claims (post);

-- Lookup keys of the persons to whom posts are offered: each leads to several.
CREATE TABLE post_offers (
	serial INTEGER NOT NULL,
	sum    BLOB    NOT NULL,
	post   TEXT    NOT NULL REFERENCES posts,
	PRIMARY KEY (serial, sum, post)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_offers_post ON post_offers (post);

-- Posts of officers 工作人员 in participants. Who it is stands sealed in the body alone, and before they
-- accepted it nothing else says so. Times and authenticators are as in the migrations before. No table is
-- partitioned: an installation has some 10,000 officers.

-- +goose Up

CREATE TABLE posts (
	id          text COLLATE "C" NOT NULL PRIMARY KEY,
	participant text COLLATE "C" NOT NULL,
	party       text COLLATE "C" NOT NULL, -- '': nobody accepted it
	roles       text        NOT NULL, -- words with a space between them
	state       text        NOT NULL,
	revision    bigint      NOT NULL,
	body        bytea       NOT NULL, -- sealed
	created     timestamptz NOT NULL,
	updated     timestamptz NOT NULL,
	auth        bytea
);
ALTER TABLE posts ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX posts_participant ON posts (participant, id);
CREATE INDEX posts_party ON posts (party, id) WHERE party <> '';

-- Lookup keys of what only one post has until it ends: a staff number, and a person, of a participant.
CREATE TABLE post_claims (
	sum    bytea   NOT NULL,
	serial integer NOT NULL,
	post   text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum)
);
CREATE INDEX post_claims_post ON post_claims (post);

-- Lookup keys of the persons to whom posts are offered: each leads to several.
CREATE TABLE post_offers (
	sum    bytea   NOT NULL,
	serial integer NOT NULL,
	post   text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum, post)
);
CREATE INDEX post_offers_post ON post_offers (post);

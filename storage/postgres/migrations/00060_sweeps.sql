-- How far each table was looked at for what is over; see sweeps.go. Keys of
-- sessions and families, which lie by their own sums, are found in this way too,
-- and no longer by an index of their own, which every login had to fill.

-- +goose Up

CREATE TABLE sweeps (
	name  text COLLATE "C" NOT NULL PRIMARY KEY,
	part  integer NOT NULL DEFAULT 0,     -- the partition that is next
	block bigint NOT NULL DEFAULT 0,      -- and its first block that wasn't looked at
	due   timestamptz NOT NULL DEFAULT '-infinity' -- nothing is looked at before
);
INSERT INTO sweeps (name) VALUES ('requests'), ('use_codes'), ('grants'), ('grant_parties'), ('consents'),
	('session_parties'), ('family_parties'), ('access_parties');

DROP INDEX session_parties_session;
DROP INDEX family_parties_family;

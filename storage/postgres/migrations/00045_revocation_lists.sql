-- +goose Up

-- The newest revocation list of each root, as it is served. It is signed by the
-- root: who changes it changes nothing that a verifier would believe.
CREATE TABLE revocation_lists (
	root   text COLLATE "C" NOT NULL PRIMARY KEY, -- the id of the root's key
	number bigint NOT NULL,
	list   bytea NOT NULL -- DER
);

-- Whose codes a participant may begin those of its types and items with, beside its
-- own. Times and authenticators are as in the migrations before.

-- +goose Up

CREATE TABLE delegations (
	id          text COLLATE "C" NOT NULL PRIMARY KEY, -- prefix/participant
	prefix      text        NOT NULL,
	participant text        NOT NULL,
	document    text        NOT NULL,
	given_by    text        NOT NULL,
	created     timestamptz NOT NULL,
	updated     timestamptz NOT NULL,
	ended       timestamptz, -- NULL: in force
	revision    bigint      NOT NULL,
	auth        bytea
);

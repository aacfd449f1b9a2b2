-- What is remembered of the months of events and access records: that they were
-- archived, and that they are gone.

-- +goose Up

CREATE TABLE months (
	log      text COLLATE "C" NOT NULL, -- the table
	month    text COLLATE "C" NOT NULL, -- 2026-01
	parts    integer NOT NULL,          -- in how many it was archived; 0: it was not
	rows     bigint NOT NULL,           -- of all parts
	last     bigint NOT NULL,           -- the highest seq in them
	digest   bytea,                     -- SM3 of the last part
	archived timestamptz,
	dropped  timestamptz,
	PRIMARY KEY (log, month)
);

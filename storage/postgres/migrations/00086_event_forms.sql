-- Each event says in which canonical form it was hashed: see signing/journal. Those that
-- are there have the first one, and so has what a node of the program before still writes.

-- +goose Up

ALTER TABLE history ADD COLUMN form integer NOT NULL DEFAULT 1;
ALTER TABLE events ADD COLUMN form integer NOT NULL DEFAULT 1;
ALTER TABLE provider_events ADD COLUMN form integer NOT NULL DEFAULT 1;

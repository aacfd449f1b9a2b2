-- What each node's clock showed when it last said so, and the database's then.

-- +goose Up

CREATE TABLE node_clocks (
	node     text COLLATE "C" PRIMARY KEY,
	shown    timestamptz NOT NULL,
	database timestamptz NOT NULL
);

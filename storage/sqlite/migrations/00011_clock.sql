-- When the database was last used by a clock that was believed, and a clock that
-- isn't believed yet: what it showed last, and for how long it went on steadily.

-- +goose Up

CREATE TABLE clock (
	only   INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
	mark   INTEGER,
	doubt  INTEGER,
	steady INTEGER NOT NULL
) STRICT;

-- A database from before this knows by its newest events when it was used.
INSERT INTO clock (only, mark, steady) VALUES (1, (
	SELECT max(at) FROM (
		SELECT (SELECT at FROM provider_events ORDER BY seq DESC LIMIT 1) AS at
		UNION ALL SELECT (SELECT at FROM events ORDER BY seq DESC LIMIT 1)
		UNION ALL SELECT (SELECT at FROM history ORDER BY seq DESC LIMIT 1))), 0);

-- Systems whose accounts are taken in, and which of their records led to which accounts. What a
-- record was stands sealed in the link's body alone. Partitions are as in the migrations before.

-- +goose Up

CREATE TABLE sources (
	id           text COLLATE "C" NOT NULL PRIMARY KEY, -- its name
	display_name text        NOT NULL,
	level        integer     NOT NULL, -- the highest proofing level of its records
	created      timestamptz NOT NULL,
	updated      timestamptz NOT NULL,
	revision     bigint      NOT NULL,
	auth         bytea
);

CREATE TABLE links (
	id      text COLLATE "C" NOT NULL,
	body    bytea       NOT NULL, -- sealed
	created timestamptz NOT NULL,
	PRIMARY KEY (id)
) PARTITION BY HASH (id);
ALTER TABLE links ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE link_keys (
	sum    bytea NOT NULL,
	serial integer NOT NULL,
	link   text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum)
) PARTITION BY HASH (sum);
CREATE INDEX link_keys_link ON link_keys (link);

-- +goose StatementBegin
DO $$
DECLARE
	parent text;
BEGIN
	FOREACH parent IN ARRAY ARRAY['links', 'link_keys']
	LOOP
		FOR n IN 0..15 LOOP
			EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
				parent || '_' || lpad(n::text, 2, '0'), parent, n);
		END LOOP;
	END LOOP;
END $$;
-- +goose StatementEnd

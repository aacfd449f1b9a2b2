-- Who may act for whom. What a representation says stands sealed in its body; the keys that lead to it are lookup
-- keys. People are shown what happened to representations of theirs: the indexes of 00089_trails.sql, with those
-- actions. Partitions are as in the migrations before.

-- +goose Up

CREATE TABLE representations (
	id       text COLLATE "C" NOT NULL,
	state    text        NOT NULL,
	revision bigint      NOT NULL,
	body     bytea       NOT NULL, -- sealed
	created  timestamptz NOT NULL,
	updated  timestamptz NOT NULL,
	auth     bytea,
	PRIMARY KEY (id)
) PARTITION BY HASH (id);
ALTER TABLE representations ALTER COLUMN body SET STORAGE EXTERNAL;

-- Lookup keys of principals and representatives: each leads to some representations.
CREATE TABLE representation_keys (
	sum            bytea       NOT NULL,
	serial         integer     NOT NULL,
	ended          boolean     NOT NULL, -- those that haven't ended come first
	created        timestamptz NOT NULL,
	representation text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum, ended, created, representation)
) PARTITION BY HASH (sum);
CREATE INDEX representation_keys_representation ON representation_keys (representation);

-- Lookup keys of kind, principal and representative, until a representation ends: each leads to one.
CREATE TABLE representation_uniques (
	sum            bytea   NOT NULL,
	serial         integer NOT NULL,
	representation text COLLATE "C" NOT NULL,
	PRIMARY KEY (serial, sum)
) PARTITION BY HASH (sum);
CREATE INDEX representation_uniques_representation ON representation_uniques (representation);

-- +goose StatementBegin
DO $$
DECLARE
	parent text;
BEGIN
	FOREACH parent IN ARRAY ARRAY['representations', 'representation_keys', 'representation_uniques']
	LOOP
		FOR n IN 0..15 LOOP
			EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
				parent || '_' || lpad(n::text, 2, '0'), parent, n);
		END LOOP;
	END LOOP;
END $$;
-- +goose StatementEnd

-- Partitions of what the migration before made; see 00002_partitions.sql.

-- +goose Up

-- +goose StatementBegin
DO $$
DECLARE
	parent text;
BEGIN
	FOREACH parent IN ARRAY ARRAY['grants', 'grant_parties', 'use_codes', 'use_requests', 'access_parties']
	LOOP
		FOR n IN 0..15 LOOP
			EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
				parent || '_' || lpad(n::text, 2, '0'), parent, n);
		END LOOP;
	END LOOP;
END
$$;
-- +goose StatementEnd

CREATE TABLE access_records_rest PARTITION OF access_records DEFAULT;

-- Sixteen hash partitions for each large table: enough for some hundred million
-- licenses on one server, and a number that can't change once rows are in.
-- Events go by month; those partitions come from EnsurePartitions, and what has
-- no month of its own goes to the rest, so that nothing is refused.

-- +goose Up

-- +goose StatementBegin
DO $$
DECLARE
	parent text;
BEGIN
	FOREACH parent IN ARRAY ARRAY['licenses', 'license_versions', 'history', 'identifiers', 'numbers',
		'holdings', 'requests', 'status_entries']
	LOOP
		FOR n IN 0..15 LOOP
			EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
				parent || '_' || lpad(n::text, 2, '0'), parent, n);
		END LOOP;
	END LOOP;
END
$$;
-- +goose StatementEnd

CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE provider_events_rest PARTITION OF provider_events DEFAULT;

-- Partitions of what the migration before made; see 00002_partitions.sql.
--
-- Pages of sessions and families keep some room: their rows change often, and a
-- changed row that stays on its page needs no new entries in the indexes.

-- +goose Up

-- +goose StatementBegin
DO $$
DECLARE
	parent text;
BEGIN
	FOREACH parent IN ARRAY ARRAY['parties', 'party_codes', 'accounts', 'account_parties', 'account_logins',
		'session_cookies', 'session_parties', 'family_parties', 'spent']
	LOOP
		FOR n IN 0..15 LOOP
			EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
				parent || '_' || lpad(n::text, 2, '0'), parent, n);
		END LOOP;
	END LOOP;
	FOREACH parent IN ARRAY ARRAY['sessions', 'families']
	LOOP
		FOR n IN 0..15 LOOP
			EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 80)',
				parent || '_' || lpad(n::text, 2, '0'), parent, n);
		END LOOP;
	END LOOP;
END
$$;
-- +goose StatementEnd

-- What is remembered of the months of events and access records: that they were
-- archived, and that they are gone. Rows may be deleted only of a month that is
-- being deleted.

-- +goose Up

CREATE TABLE months (
	log      TEXT    NOT NULL, -- the table
	month    TEXT    NOT NULL, -- 2026-01
	parts    INTEGER NOT NULL, -- in how many it was archived; 0: it was not
	rows     INTEGER NOT NULL, -- of all parts
	last     INTEGER NOT NULL, -- the highest seq in them
	digest   BLOB,             -- SM3 of the last part
	archived INTEGER,
	dropping INTEGER NOT NULL, -- 1 while its rows are being deleted
	dropped  INTEGER,
	PRIMARY KEY (log, month)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_records_at ON access_records (at);
-- Keys and request ids go with their records.
CREATE INDEX access_parties_of_record ON access_parties (seq);
CREATE INDEX use_requests_of_record ON use_requests (seq);

DROP TRIGGER events_undeleted;
DROP TRIGGER provider_events_undeleted;
DROP TRIGGER access_records_undeleted;
-- +goose StatementBegin
CREATE TRIGGER events_undeleted BEFORE DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM months WHERE log = 'events' AND month = strftime('%Y-%m', old.at / 1000000, 'unixepoch') AND dropping)
BEGIN SELECT raise(ABORT, 'events is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER provider_events_undeleted BEFORE DELETE ON provider_events
WHEN NOT EXISTS (SELECT 1 FROM months WHERE log = 'provider_events' AND month = strftime('%Y-%m', old.at / 1000000, 'unixepoch') AND dropping)
BEGIN SELECT raise(ABORT, 'provider_events is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER access_records_undeleted BEFORE DELETE ON access_records
WHEN NOT EXISTS (SELECT 1 FROM months WHERE log = 'access_records' AND month = strftime('%Y-%m', old.at / 1000000, 'unixepoch') AND dropping)
BEGIN SELECT raise(ABORT, 'access_records is append-only'); END;
-- +goose StatementEnd

-- +goose Up

-- What a participant is called in other languages than Chinese: a JSON object of names
-- by language tag, NULL for none. The record's authenticator covers it.
ALTER TABLE participants ADD COLUMN names text;

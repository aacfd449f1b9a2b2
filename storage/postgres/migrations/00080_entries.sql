-- Authenticators of status entries, made by the domain under a keystore key, and what
-- they cover beside the value: the revision of the license that set it. An entry that
-- never changed has neither; one that was changed by an earlier version gets them at the
-- first start of this one.

-- +goose Up

ALTER TABLE status_entries ADD COLUMN serial bigint, ADD COLUMN auth bytea;
DROP INDEX status_entries_set;
CREATE INDEX status_entries_set ON status_entries (list, index) INCLUDE (value, serial, auth) WHERE value <> 0 OR auth IS NOT NULL;
CREATE INDEX status_entries_plain ON status_entries (list, index) WHERE value <> 0 AND auth IS NULL;

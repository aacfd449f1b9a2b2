-- +goose Up

-- A license is found by a former number, which keeps no other license from having it.
ALTER TABLE numbers ADD COLUMN former boolean NOT NULL DEFAULT false;

-- Sealed: the document of the latest suspension.
ALTER TABLE license_versions ADD COLUMN suspension bytea;

-- The license's revision as answered; 0 in what was answered before it was kept.
ALTER TABLE requests ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- +goose Up

-- How many readings a use code was used for, and how many refused ones were recorded:
-- there is a bound for each. Readings from before this migration aren't counted.
ALTER TABLE use_codes ADD COLUMN readings integer NOT NULL DEFAULT 0;
ALTER TABLE use_codes ADD COLUMN refused integer NOT NULL DEFAULT 0;

-- A holder looks at the readings of one license. They lie in as many partitions as
-- there are months; a partition by license would have to be swept row by row.
CREATE INDEX access_records_of_license ON access_records (license, seq);

-- What names a key to others: the thumbprint of its public part (RFC 7638). Keys of
-- earlier versions have none, and keep their ids as their names.

-- +goose Up

ALTER TABLE keys ADD COLUMN thumbprint text NOT NULL DEFAULT '';

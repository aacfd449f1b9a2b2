-- Whether the clock that isn't believed jumped while a process ran: then it is no
-- pause in which nobody used the database.

-- +goose Up
ALTER TABLE clock ADD COLUMN jumped INTEGER NOT NULL DEFAULT 0;

-- Events are listed by time, all logs as one. Rows come in the order of time, or
-- nearly so: each index grows at its end alone.

-- +goose Up
CREATE INDEX history_at ON history (at);
CREATE INDEX events_at ON events (at);
CREATE INDEX provider_events_at ON provider_events (at);

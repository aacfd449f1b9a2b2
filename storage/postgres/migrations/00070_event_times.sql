-- Events are listed by time, all logs as one. Rows come in the order of time, or
-- nearly so: BRIN says which pages have a day's, at next to no cost for writers.
-- pages_per_range is small, for a minute's events take few pages.

-- +goose Up
CREATE INDEX history_at ON history USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX events_at ON events USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX provider_events_at ON provider_events USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

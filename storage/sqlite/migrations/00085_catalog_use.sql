-- +goose Up

-- How much a participant has in the catalog is added up before each draft.
CREATE INDEX license_types_use ON license_types (owner, state, length(body));
CREATE INDEX service_items_use ON service_items (owner, state, length(body));

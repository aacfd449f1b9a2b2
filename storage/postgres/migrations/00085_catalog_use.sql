-- +goose Up

-- How much a participant has in the catalog is added up before each draft.
CREATE INDEX types_owner ON types (owner);
CREATE INDEX service_items_owner ON service_items (owner);

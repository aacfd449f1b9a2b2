-- Grants are deleted when they are over for long enough, with what belongs to them.

-- +goose Up

CREATE INDEX grant_parties_of_grant ON grant_parties (grant_id);
-- +goose StatementBegin
CREATE TRIGGER grants_registers AFTER DELETE ON grants
BEGIN DELETE FROM registers WHERE kind = 'grants' AND id = old.id; END;
-- +goose StatementEnd

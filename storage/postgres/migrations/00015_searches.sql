-- A department's searches by type, and by a state that few licenses are in. All
-- searches are some department's, so its code comes first, and the index over all
-- departments' types goes: an issue makes as many entries as before.

-- +goose Up

CREATE INDEX licenses_authority_type ON licenses (authority, type, created DESC, id);
CREATE INDEX licenses_authority_state ON licenses (authority, state, created DESC, id) WHERE state <> 'active';
DROP INDEX licenses_type;

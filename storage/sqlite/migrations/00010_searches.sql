-- A department's searches by type, and by a state that few licenses are in.

-- +goose Up

CREATE INDEX licenses_by_authority_type ON licenses (authority, type, created DESC, id);
CREATE INDEX licenses_by_authority_state ON licenses (authority, state, created DESC, id) WHERE state <> 'active';

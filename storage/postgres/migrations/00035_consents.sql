-- What people agreed to show a client at its logins. Times, sealed columns and
-- lookup keys are as in the first migration.

-- +goose Up

CREATE TABLE consents (
	id      text        NOT NULL PRIMARY KEY,
	client  text        NOT NULL,
	created timestamptz NOT NULL,
	expires timestamptz NOT NULL,
	body    bytea
);

CREATE TABLE consent_parties (
	serial  integer     NOT NULL,
	sum     bytea       NOT NULL,
	created timestamptz NOT NULL,
	consent text        NOT NULL,
	PRIMARY KEY (serial, sum, created, consent)
);
CREATE INDEX consent_parties_of_consent ON consent_parties (consent);

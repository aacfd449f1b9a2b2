-- Who may act for whom. What a representation says stands sealed in its body; the keys that lead to it are lookup
-- keys. People are shown what happened to representations of theirs: the indexes of 00089_trails.sql, with those actions.

-- +goose Up

CREATE TABLE representations (
	id       TEXT    NOT NULL PRIMARY KEY,
	state    TEXT    NOT NULL,
	revision INTEGER NOT NULL,
	body     BLOB    NOT NULL, -- sealed
	created  INTEGER NOT NULL,
	updated  INTEGER NOT NULL,
	auth     BLOB
) STRICT;

-- Lookup keys of principals and representatives: each leads to some representations.
CREATE TABLE representation_keys (
	serial         INTEGER NOT NULL,
	sum            BLOB    NOT NULL,
	ended          INTEGER NOT NULL, -- those that haven't ended come first
	created        INTEGER NOT NULL,
	representation TEXT    NOT NULL REFERENCES representations,
	PRIMARY KEY (serial, sum, ended, created, representation)
) STRICT, WITHOUT ROWID;
CREATE INDEX representation_keys_of_representation ON representation_keys (representation);

-- Lookup keys of kind, principal and representative, until a representation ends: each leads to one.
CREATE TABLE representation_uniques (
	serial         INTEGER NOT NULL,
	sum            BLOB    NOT NULL,
	representation TEXT    NOT NULL REFERENCES representations,
	PRIMARY KEY (serial, sum)
) STRICT, WITHOUT ROWID;
CREATE INDEX representation_uniques_of_representation ON representation_uniques (representation);

DROP INDEX provider_events_trail;
CREATE INDEX provider_events_trail ON provider_events ((
	CASE WHEN instr(' session.begin session.step_up session.end consent.remember consent.end family.end' ||
	' representation.propose representation.accept representation.decline representation.end representation.confirm representation.choose ', ' ' || action || ' ') > 0 THEN actor ELSE object END
), at, seq)
WHERE instr(' account.create account.import account.disable account.enable account.change_phone' ||
	' account.setup_ticket account.set_password account.change_password account.add_authenticator' ||
	' account.rename_authenticator account.remove_authenticator login.password login.challenge' ||
	' login.confirm login.phone login.person login.scan login.upstream scan.confirm scan.refuse code.send code.check totp.check recovery_code.check' ||
	' passkey.check person.level person.rename person.add_code person.end_code person.close' ||
	' person.reopen account.enter session.begin' ||
	' session.step_up session.end consent.remember consent.end family.end' ||
	' representation.propose representation.accept representation.decline representation.end representation.confirm representation.choose' ||
	' representation.offered representation.begun representation.ended ', ' ' || action || ' ') > 0
AND (result = 'ok' OR action IN ('session.end', 'family.end'));

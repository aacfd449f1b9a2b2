-- People are shown what happened to representations of theirs, logins with a certificate and refused ones, that they
-- raised how well they are proofed, that somebody tried it with their number, and that two records of them were merged: the
-- indexes of 00089_trails.sql, with those actions.

-- +goose Up
DROP INDEX provider_events_trail;
DROP INDEX provider_events_tries;

CREATE INDEX provider_events_trail ON provider_events ((
	CASE WHEN instr(' session.begin session.step_up session.end consent.remember consent.end family.end' ||
	' representation.propose representation.accept representation.decline representation.end representation.confirm representation.choose ', ' ' || action || ' ') > 0 THEN actor ELSE object END
), at, seq)
WHERE instr(' account.create account.import account.disable account.enable account.change_phone' ||
	' account.setup_ticket account.set_password account.change_password account.add_authenticator' ||
	' account.rename_authenticator account.remove_authenticator login.password login.challenge' ||
	' login.confirm login.phone login.person login.scan login.upstream scan.confirm scan.refuse code.send code.check totp.check recovery_code.check' ||
	' passkey.check certificate.check person.level person.rename person.add_code person.end_code person.close' ||
	' person.reopen person.merge person.merged account.enter account.raise account.number_claimed session.begin' ||
	' session.step_up session.end consent.remember consent.end family.end' ||
	' representation.propose representation.accept representation.decline representation.end representation.confirm representation.choose' ||
	' representation.offered representation.begun representation.ended ', ' ' || action || ' ') > 0
AND (result = 'ok' OR action IN ('session.end', 'family.end'));

CREATE INDEX provider_events_tries ON provider_events (object, at, seq)
WHERE instr(' login.password login.challenge login.confirm login.phone login.person login.scan login.upstream account.enter account.raise phone.prove code.send code.check' ||
	' totp.check recovery_code.check passkey.check certificate.check account.set_password account.change_password ', ' ' || action || ' ') > 0
AND result NOT IN ('ok', 'begun');

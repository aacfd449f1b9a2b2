-- People are shown what happened to their accounts. An event names the account as who did
-- something or as what it was done to; which, its action says. Refused tries have an index
-- of their own: a flood of them pushes nothing else away. An event has an entry in one of
-- the two at the most, and one that nobody is shown in neither. The queries say the same,
-- word for word: an action that people are to be shown from now on needs a new index. It is
-- instr and not IN, for which SQLite would make a table of the list with each insert.

-- +goose Up
CREATE INDEX provider_events_trail ON provider_events ((
	CASE WHEN instr(' session.begin session.step_up session.end consent.remember consent.end family.end ', ' ' || action || ' ') > 0 THEN actor ELSE object END
), at, seq)
WHERE instr(' account.create account.import account.disable account.enable account.change_phone' ||
	' account.setup_ticket account.set_password account.change_password account.add_authenticator' ||
	' account.rename_authenticator account.remove_authenticator login.password login.challenge' ||
	' login.confirm login.phone login.person code.send code.check totp.check recovery_code.check' ||
	' passkey.check person.level person.rename person.add_code person.end_code person.close' ||
	' person.reopen session.begin' ||
	' session.step_up session.end consent.remember consent.end family.end ', ' ' || action || ' ') > 0
AND (result = 'ok' OR action IN ('session.end', 'family.end'));

CREATE INDEX provider_events_tries ON provider_events (object, at, seq)
WHERE instr(' login.password login.challenge login.confirm login.phone login.person code.send code.check' ||
	' totp.check recovery_code.check passkey.check account.set_password account.change_password ', ' ' || action || ' ') > 0
AND result NOT IN ('ok', 'begun');

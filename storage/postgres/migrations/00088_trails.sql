-- People are shown what happened to their accounts. An event names the account as who did
-- something or as what it was done to; which, its action says. Refused tries have an index
-- of their own: a flood of them pushes nothing else away. An event has an entry in one of
-- the two at the most, and one that nobody is shown in neither. The queries say the same,
-- word for word: an action that people are to be shown from now on needs a new index.

-- +goose Up
CREATE INDEX provider_events_trail ON provider_events ((CASE WHEN action IN ('session.begin', 'session.step_up', 'session.end', 'consent.remember', 'consent.end', 'family.end') THEN actor ELSE object END), at, seq)
WHERE action IN ('account.create', 'account.import', 'account.disable', 'account.enable', 'account.change_phone', 'account.setup_ticket', 'account.set_password', 'account.change_password',
	'account.add_authenticator', 'account.rename_authenticator', 'account.remove_authenticator', 'login.password', 'login.challenge', 'login.confirm', 'code.send', 'code.check',
	'totp.check', 'recovery_code.check', 'passkey.check', 'login.phone', 'login.person', 'person.level', 'person.rename', 'person.add_code', 'person.end_code', 'person.close', 'person.reopen', 'session.begin', 'session.step_up', 'session.end', 'consent.remember', 'consent.end', 'family.end')
AND (result = 'ok' OR action IN ('session.end', 'family.end'));

CREATE INDEX provider_events_tries ON provider_events (object, at, seq)
WHERE action IN ('login.password', 'login.challenge', 'login.confirm', 'code.send', 'code.check', 'totp.check', 'recovery_code.check', 'passkey.check', 'login.phone', 'login.person', 'account.set_password',
	'account.change_password')
AND result NOT IN ('ok', 'begun');

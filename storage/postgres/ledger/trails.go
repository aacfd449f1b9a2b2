package ledger

import (
	"context"
	"fmt"

	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
)

// Trails implements [trail.Events].
type Trails struct{ DB *engine.DB }

// What is looked for in the log Provider: the conditions of the indexes provider_events_trail
// and provider_events_tries.
const (
	whereDone = `
	CASE WHEN action IN ('session.begin', 'session.step_up', 'session.end', 'consent.remember', 'consent.end', 'family.end', 'representation.propose', 'representation.accept', 'representation.decline', 'representation.end', 'representation.confirm', 'representation.choose') THEN actor ELSE object END = $1
	AND action IN ('account.create', 'account.import', 'account.disable', 'account.enable', 'account.change_phone', 'account.setup_ticket', 'account.set_password', 'account.change_password',
	'account.add_authenticator', 'account.rename_authenticator', 'account.remove_authenticator', 'login.password', 'login.challenge', 'login.confirm', 'code.send', 'code.check',
	'totp.check', 'recovery_code.check', 'passkey.check', 'certificate.check', 'login.phone', 'login.person', 'login.scan', 'login.upstream', 'scan.confirm', 'scan.refuse', 'person.level', 'person.rename', 'person.add_code', 'person.end_code', 'person.close', 'person.reopen', 'person.merge', 'person.merged', 'account.enter', 'account.raise', 'account.number_claimed', 'session.begin', 'session.step_up', 'session.end', 'consent.remember', 'consent.end', 'family.end', 'representation.propose', 'representation.accept', 'representation.decline', 'representation.end', 'representation.confirm', 'representation.choose', 'representation.offered', 'representation.begun', 'representation.ended')
	AND (result = 'ok' OR action IN ('session.end', 'family.end'))`
	whereTried = `
	object = $1
	AND action IN ('login.password', 'login.challenge', 'login.confirm', 'code.send', 'code.check', 'totp.check', 'recovery_code.check', 'passkey.check', 'certificate.check', 'login.phone', 'login.person', 'login.scan', 'login.upstream', 'account.enter', 'account.raise', 'phone.prove', 'account.set_password',
	'account.change_password')
	AND result NOT IN ('ok', 'begun')`
)

// TrailOf returns the query of a trail: of which account, from when on, so much of it, and
// before which time and number.
func TrailOf(q trail.Query) (sql string, args []any) {
	where := whereDone
	if q.Tries {
		where = whereTried
	}
	args = append(args, q.Account, q.From, max(q.Limit, 0))
	where += " AND at >= $2"
	if !q.Before.At.IsZero() {
		// The first condition says which months' partitions are needed.
		where, args = where+" AND at <= $4 AND (at, seq) < ($4, $5)", append(args, q.Before.At, q.Before.Seq)
	}
	return "SELECT " + logs[journal.Provider].columns + " FROM provider_events WHERE" + where + " ORDER BY at DESC, seq DESC LIMIT $3", args
}

// AccountEvents implements [trail.Events].
func (s *Trails) AccountEvents(ctx context.Context, q trail.Query) ([]journal.Event, error) {
	sql, args := TrailOf(q)
	es, err := engine.ForValues(ctx, s.DB, scanEventOf(journal.Provider), sql, args...)
	if err != nil {
		return nil, fmt.Errorf("reading an account's events: %w", err)
	}
	return es, nil
}

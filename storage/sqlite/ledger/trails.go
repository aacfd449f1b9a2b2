package ledger

import (
	"context"
	"fmt"

	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
)

// Trails implements [trail.Events].
type Trails struct{ DB *engine.DB }

// What is looked for in the log Provider: the conditions of the indexes provider_events_trail
// and provider_events_tries, word for word, for otherwise SQLite doesn't use them.
const (
	whereDone = `
	CASE WHEN instr(' session.begin session.step_up session.end consent.remember consent.end family.end' ||
	' representation.propose representation.accept representation.decline representation.end representation.confirm representation.choose ', ' ' || action || ' ') > 0 THEN actor ELSE object END = ?
	AND instr(' account.create account.import account.disable account.enable account.change_phone' ||
	' account.setup_ticket account.set_password account.change_password account.add_authenticator' ||
	' account.rename_authenticator account.remove_authenticator login.password login.challenge' ||
	' login.confirm login.phone login.person login.scan login.upstream scan.confirm scan.refuse code.send code.check totp.check recovery_code.check' ||
	' passkey.check certificate.check person.level person.rename person.add_code person.end_code person.close' ||
	' person.reopen person.merge person.merged account.enter account.raise account.number_claimed session.begin' ||
	' session.step_up session.end consent.remember consent.end family.end' ||
	' representation.propose representation.accept representation.decline representation.end representation.confirm representation.choose' ||
	' representation.offered representation.begun representation.ended ', ' ' || action || ' ') > 0
	AND (result = 'ok' OR action IN ('session.end', 'family.end'))`
	whereTried = `
	object = ?
	AND instr(' login.password login.challenge login.confirm login.phone login.person login.scan login.upstream account.enter account.raise phone.prove code.send code.check' ||
	' totp.check recovery_code.check passkey.check certificate.check account.set_password account.change_password ', ' ' || action || ' ') > 0
	AND result NOT IN ('ok', 'begun')`
)

// TrailOf returns the query of a trail: of which account, from when on, before which time and
// number, and so much of it.
func TrailOf(q trail.Query) (sql string, values []any) {
	where := whereDone
	if q.Tries {
		where = whereTried
	}
	values = append(values, q.Account, q.From)
	where += " AND at >= ?"
	if !q.Before.At.IsZero() {
		where, values = where+" AND (at, seq) < (?, ?)", append(values, q.Before.At, q.Before.Seq)
	}
	return "SELECT " + logs[journal.Provider].columns + " FROM provider_events WHERE" + where + " ORDER BY at DESC, seq DESC LIMIT ?", append(values, max(q.Limit, 0))
}

// AccountEvents implements [trail.Events].
func (s *Trails) AccountEvents(ctx context.Context, q trail.Query) ([]journal.Event, error) {
	sql, values := TrailOf(q)
	es, err := engine.Many(ctx, s.DB, sql, scanEventOf(journal.Provider), values...)
	if err != nil {
		return nil, fmt.Errorf("reading an account's events: %w", err)
	}
	return es, nil
}

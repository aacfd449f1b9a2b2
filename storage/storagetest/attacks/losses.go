package attacks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/grant"
	"yizheng.internal/license/registry"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/provider"
	"yizheng.internal/storage/storagetest/suite"
)

// Losses does with SQL alone what authenticators and registers can't show: puts rows
// back together with their registers, deletes, and puts everything back. Each is found
// by one comparison with what a node saw: by the node that wrote, also if it had not
// looked since, and by another one that had looked.
func Losses(t *testing.T, open func(t *testing.T) *Attacked) {
	for _, l := range losses {
		t.Run(l.name, func(t *testing.T) { t.Parallel(); l.run(t, newVictims(t, open(t))) })
	}
	t.Run("everything put back", func(t *testing.T) { t.Parallel(); everythingBack(t, newVictims(t, open(t))) })
	t.Run("nothing", func(t *testing.T) { t.Parallel(); nothingLost(t, newVictims(t, open(t))) })
}

// loss is what is done to records with their registers.
type loss struct {
	name   string
	before func(*testing.T, *victims) // before the rows are copied
	change func(*testing.T, *victims)
	// The rows of the table that are put back: where, and which columns.
	table, where, back string
	kind               string // of their registers; empty: they have none
	id                 func(*victims) string
	sql                []string // what else is done
	alone              bool     // found by the node alone that wrote
	late               bool     // by a node that has looked since, also the one that wrote
	want               string   // in what is found
}

func (l *loss) run(t *testing.T, v *victims) {
	own, other := v.watch(t, v.in.Memory()), v.watch(t, memory{})
	v.in.Keyrings().Auth().SetWitness(own)
	v.unguard(t)
	if l.before != nil {
		l.before(t, v)
	}
	suite.Must(t, "a first look", own.Check(t.Context()))
	suite.Must(t, "another's", other.Check(t.Context()))
	id := l.id(v)
	if l.table != "" {
		v.sql(t, id, "CREATE TABLE was AS SELECT * FROM "+l.table+" WHERE "+l.where)
	}
	v.sql(t, id, "CREATE TABLE marks AS SELECT * FROM registers WHERE kind = '"+l.kind+"' AND id = @id")
	if l.change != nil {
		l.change(t, v)
	}
	suite.Must(t, "before anything is lost", other.Check(t.Context()))
	if l.late {
		suite.Must(t, "before anything is lost, who wrote", own.Check(t.Context()))
	}

	if l.table != "" {
		v.sql(t, id, "UPDATE "+l.table+" SET ("+l.back+") = (SELECT "+l.back+" FROM was) WHERE "+l.where)
		v.sql(t, id, "DELETE FROM registers WHERE kind = '"+l.kind+"' AND id = @id")
		v.sql(t, id, "INSERT INTO registers SELECT * FROM marks")
	}
	for _, sql := range l.sql {
		v.sql(t, id, sql)
	}
	v.found(t, "who wrote it", own, l.want)
	if err := v.watch(t, v.in.Memory()).Refusal(); !errors.Is(err, highwater.ErrLost) {
		t.Errorf("after a restart: %v, want it still refused", err)
	}
	if !l.alone {
		v.found(t, "another node", other, l.want)
	}
	v.accept(t, l.want)
	suite.Must(t, "after it was accepted", own.Check(t.Context()))
	suite.Must(t, "again", own.Check(t.Context()))
}

// accept accepts what was lost, in another process.
func (v *victims) accept(t *testing.T, want string) {
	t.Helper()
	w := v.watch(t, v.in.Memory())
	if err := w.Compare(t.Context()); !errors.Is(err, highwater.ErrLost) {
		t.Errorf("before it is accepted: %v", err)
	}
	if all := strings.Join(w.GivenUp(), "\n"); !strings.Contains(all, want) {
		t.Errorf("given up is %q, want it to tell of %q", all, want)
	}
	suite.Must(t, "accepting", w.Accept(t.Context()))
}

// found checks that a comparison finds something.
func (v *victims) found(t *testing.T, who string, w *highwater.Watch, want string) {
	t.Helper()
	if err := w.Check(t.Context()); !errors.Is(err, highwater.ErrLost) {
		t.Errorf("%s: %v, want it found", who, err)
	} else if !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want it to tell of %q", who, err, want)
	}
}

func (v *victims) watch(t *testing.T, m highwater.Memory) *highwater.Watch {
	t.Helper()
	w, err := highwater.New(highwater.Config{Memory: m, Store: v.HighWater, Auth: v.in.Keyrings().Auth()})
	suite.Must(t, "a watch", err)
	return w
}

// unguard takes away what keeps events as they are: whoever writes the database can.
func (v *victims) unguard(t *testing.T) {
	t.Helper()
	for _, trigger := range v.Guards {
		v.sql(t, "", "DROP TRIGGER "+trigger)
	}
}

// memory is another node's.
type memory map[string][]byte

func (m memory) Remember(name string, data []byte) error { m[name] = data; return nil }
func (m memory) Remembered(name string) ([]byte, error)  { return m[name], nil }
func (m memory) Forget(name string) error                { delete(m, name); return nil }

const (
	clientColumns  = "body, disabled, revision, updated, auth"
	sessionColumns = "ended, revision, auth"
)

var losses = []loss{
	{name: "a client put back to its first state", id: ofClient, change: disabled, kind: "clients", want: "clients",
		table: "clients", where: "id = @id", back: clientColumns},
	{name: "a client put back to a later state", id: ofClient, before: disabled, change: enabled, kind: "clients", want: "clients",
		table: "clients", where: "id = @id", back: clientColumns},
	{name: "a participant put back", id: ofOwner, change: renamed, kind: "participants", want: "participants",
		table: "participants", where: "id = @id", back: "name, disabled, revision, updated, auth"},
	{name: "a source put back", id: named("qinghe"), before: sourced(3), change: sourced(1), kind: "sources", want: "sources",
		table: "sources", where: "id = @id", back: "level, revision, updated, auth"},
	{name: "a representation put back", id: named("represented"), before: represented, change: unrepresented, kind: "representations", want: "representations",
		table: "representations", where: "id = @id", back: "state, body, revision, updated, auth"},
	{name: "a license put back", id: ofLicense, change: suspended, kind: "licenses", want: "licenses",
		table: "licenses", where: "id = @id", back: "state, revision, updated, auth",
		sql: []string{"UPDATE license_versions SET state = 'active', suspension = NULL WHERE license = @id"}},
	{name: "an account put back", id: ofAccount, change: rephoned, kind: "accounts", want: "accounts",
		table: "accounts", where: "id = @id", back: clientColumns},
	{name: "a party put back", id: ofParty, change: reparty, kind: "parties", want: "parties",
		table: "parties", where: "id = @id", back: "body, revision, updated, auth"},
	{name: "a key put back", id: named("access-token-1"), change: revoked, kind: "keys", want: "keys",
		table: "{keys}", where: "id = @id", back: "state, revoked, reason, revision, auth"},
	{name: "a grant put back", id: named("grant"), before: agreed, change: withdrawn, kind: "grants", want: "grants",
		table: "grants", where: "id = @id", back: "state, body, revision, auth"},
	{name: "a type put back", id: ofType, change: retired, want: "license_types",
		table: "{types}", where: "code = @id", back: "state, revision, updated, auth"},
	{name: "a session put back", id: named("living"), before: living, change: endedLiving, kind: "sessions", want: "sessions",
		table: "sessions", where: "id = @id", back: sessionColumns},
	{name: "a family put back", id: named("living"), before: living, change: endedLiving, kind: "families", want: "families",
		table: "families", where: "id = @id", back: "ended, ended_by, revision, auth"},
	{name: "a withdrawn consent put back", id: named("consent"), before: consented, change: unconsented, kind: "consents", want: "consents are gone",
		table: "consents", where: "id = @id", back: "body", late: true, sql: []string{"INSERT INTO consent_parties SELECT * FROM led"}},
	{name: "a client deleted", id: ofClient, before: disabled, kind: "clients", want: "clients are gone",
		sql: []string{"DELETE FROM registers WHERE kind = 'clients' AND id = @id", "DELETE FROM clients WHERE id = @id"}},
	{name: "a license deleted", id: ofLicense, before: suspended, want: "licenses are gone",
		sql: []string{"DELETE FROM registers WHERE kind = 'licenses' AND id = @id", "DELETE FROM holdings WHERE license = @id",
			"DELETE FROM numbers WHERE license = @id", "DELETE FROM identifiers WHERE license = @id",
			"DELETE FROM license_versions WHERE license = @id", "DELETE FROM licenses WHERE id = @id"}},
	{name: "an account's register emptied", id: ofAccount, before: rephoned, want: "accounts are gone",
		sql: []string{"UPDATE registers SET mark = NULL WHERE kind = 'accounts' AND id = @id"}},
	{name: "a key deleted", id: named("access-token-1"), before: revoked, want: "keys are gone",
		sql: []string{"DELETE FROM registers WHERE kind = 'keys' AND id = @id", "DELETE FROM {keys} WHERE id = @id"}},
	{name: "a spent code deleted", id: named("code"), before: spent, want: "spent", alone: true,
		sql: []string{"DELETE FROM spent"}},
	{name: "the newest event deleted", id: named("event"), want: "provider_events",
		sql: []string{"DELETE FROM provider_events WHERE seq = (SELECT max(seq) FROM provider_events)"}},
	{name: "events in between deleted", id: named("event"), before: disabled, want: "provider_events",
		sql: []string{"DELETE FROM provider_events WHERE seq IN (SELECT seq FROM provider_events ORDER BY seq LIMIT 1 OFFSET 1)"}},
	{name: "an event altered with its hash", id: named("event"), want: "provider_events",
		sql: []string{"UPDATE provider_events SET hash = (SELECT hash FROM provider_events ORDER BY seq DESC LIMIT 1), actor = 'another' WHERE seq = (SELECT min(seq) FROM provider_events)"}},
	{name: "an event of the registry deleted", id: named("event"), want: "of events",
		sql: []string{"DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)"}},
}

func enabled(t *testing.T, v *victims) {
	_, err := v.p.Clients.EnableClient(t.Context(), oidc.Actor{ID: "cli"}, v.client.ID)
	suite.Must(t, "enabling", err)
}

func readSource(ctx context.Context, v *victims) error {
	_, err := v.people.Intake.Source(ctx, "qinghe")
	return err
}

// sourced gives a source's records a highest level.
func sourced(level int) func(*testing.T, *victims) {
	return func(t *testing.T, v *victims) {
		_, err := v.people.Intake.PutSource(t.Context(), "cli", intake.Source{Name: "qinghe", Level: level})
		suite.Must(t, "a source", err)
	}
}

// represents is the store of who may act for whom.
func represents(v *victims) representation.Store {
	return representation.AuthenticRepresentations(v.Provider, v.in.Keyrings().Auth())
}

func represented(t *testing.T, v *victims) {
	suite.Must(t, "a representation", represents(v).CreateRepresentation(t.Context(), representation.Record{
		ID: "represented", State: representation.Accepted, Body: []byte("said"), Created: suite.At(0), Updated: suite.At(0), Unique: []signing.Lookup{suite.NewKey()},
	}))
}

// unrepresented dismisses somebody.
func unrepresented(t *testing.T, v *victims) {
	r, err := represents(v).LoadRepresentation(t.Context(), "represented")
	suite.Must(t, "loading a representation", err)
	r.State, r.Updated, r.Body = representation.Ended, suite.At(1), []byte("ended")
	suite.Must(t, "ending a representation", represents(v).UpdateRepresentation(t.Context(), r))
}

func readRepresentation(ctx context.Context, v *victims) error {
	_, err := represents(v).LoadRepresentation(ctx, "represented")
	return err
}

func renamed(t *testing.T, v *victims) {
	p, err := v.p.Clients.Participant(t.Context(), v.client.Participant)
	suite.Must(t, "a participant", err)
	p.Name = "改名单位"
	_, err = v.p.Clients.UpdateParticipant(t.Context(), oidc.Actor{ID: "cli"}, p)
	suite.Must(t, "renaming", err)
}

func rephoned(t *testing.T, v *victims) {
	_, _, err := v.people.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: v.account.ID, To: "13900139000"})
	suite.Must(t, "changing the phone", err)
}

// reparty stores a party once more, as a change of name does.
func reparty(t *testing.T, v *victims) {
	p, err := v.party.LoadParty(t.Context(), v.account.Party)
	suite.Must(t, "a party", err)
	suite.Must(t, "updating a party", v.party.UpdateParty(t.Context(), p))
}

func revoked(t *testing.T, v *victims) {
	suite.Must(t, "revoking", v.in.Keyrings().Revoke(t.Context(), "access-token-1", "superseded", time.Now(), time.Now()))
}

func agreed(t *testing.T, v *victims) {
	g := grants.Pending()
	g.ID = "grant"
	suite.Must(t, "agreeing", v.stores.SaveGrant(t.Context(), g, nil, ledger.Event("", journal.ActionGrantAgree)))
	suite.Must(t, "delivering", v.stores.SaveGrant(t.Context(), grants.Activated(g), nil, ledger.Event("", journal.ActionGrantDeliver)))
}

func withdrawn(t *testing.T, v *victims) {
	g, _, err := v.stores.LoadGrant(t.Context(), "grant")
	suite.Must(t, "a grant", err)
	g.State = grant.Ended
	suite.Must(t, "withdrawing", v.stores.SaveGrant(t.Context(), g, nil, ledger.Event("", journal.ActionGrantWithdraw)))
}

func retired(t *testing.T, v *victims) {
	_, err := v.reg.Catalog().Types().Retire(t.Context(), v.officer, v.typ)
	suite.Must(t, "retiring", err)
}

// living makes a session and a family that live now.
func living(t *testing.T, v *victims) {
	until := time.Now().Add(time.Hour)
	s, f := provider.NewSession(), provider.NewFamily()
	s.ID, s.Expires, f.ID, f.Expires = "living", until, "living", until
	suite.Must(t, "a session", v.session.CreateSession(t.Context(), s))
	_, err := v.family.RedeemCode(t.Context(), suite.NewHash(), until, f)
	suite.Must(t, "a family", err)
}

func endedLiving(t *testing.T, v *victims) {
	s, err := v.session.LoadSession(t.Context(), "living")
	suite.Must(t, "a session", err)
	s.Ended = time.Now()
	suite.Must(t, "ending a session", v.session.UpdateSession(t.Context(), s, ending(journal.ActionSessionEnd)))
	f, err := v.family.LoadFamily(t.Context(), "living")
	suite.Must(t, "a family", err)
	f.Ended, f.EndedBy = time.Now(), "holder"
	suite.Must(t, "ending a family", v.family.UpdateFamily(t.Context(), f, ending(journal.ActionRefreshReuse)))
}

// ending is the event of an end, by which other nodes know of it.
func ending(action journal.Action) journal.Event {
	e := ledger.ProviderEvent()
	e.At, e.Action, e.Subject = time.Now(), action, "living"
	return e
}

func spent(t *testing.T, v *victims) {
	suite.Must(t, "spending", v.spent.Spend(t.Context(), suite.NewHash(), time.Now().Add(time.Hour)))
}

// allTables are those that are put back as a whole, parents before children.
var allTables = []string{"{keys}", "clients", "participants", "parties", "accounts", "sources", "representations", "sessions", "families", "licenses", "license_versions",
	"grants", "registers", "spent", "events", "provider_events"}

// everythingBack puts the whole database back to an hour ago, so to speak.
func everythingBack(t *testing.T, v *victims) {
	own, other := v.watch(t, v.in.Memory()), v.watch(t, memory{})
	v.in.Keyrings().Auth().SetWitness(own)
	v.unguard(t)
	suite.Must(t, "a first look", own.Check(t.Context()))
	for _, table := range allTables {
		v.sql(t, "", "CREATE TABLE was_"+strings.Trim(table, "{}")+" AS SELECT * FROM "+table)
	}
	disabled(t, v) // which leaves an event, too
	suite.Must(t, "another's look", other.Check(t.Context()))
	v.sql(t, "", "DELETE FROM registers")
	v.sql(t, "", "INSERT INTO registers SELECT * FROM was_registers")
	v.sql(t, "", "UPDATE clients SET ("+clientColumns+") = (SELECT "+clientColumns+" FROM was_clients w WHERE w.id = clients.id)")
	v.sql(t, "", "DELETE FROM provider_events")
	v.sql(t, "", "INSERT INTO provider_events SELECT * FROM was_provider_events")
	v.found(t, "who wrote", own, "clients")
	v.found(t, "another", other, "and 1 more")
	if all := strings.Join(other.Findings(), "\n"); !strings.Contains(all, "clients") || !strings.Contains(all, "provider_events") {
		t.Errorf("another finds %q", all)
	}
	// New events take the place of those that are gone: they are others.
	disabled(t, v)
	v.found(t, "after new events", v.watch(t, v.in.Memory()), "")
}

// nothingLost does what is usual: purging, many nodes, restarts, a node that was away.
func nothingLost(t *testing.T, v *victims) {
	ctx := t.Context()
	own, other, away := v.watch(t, v.in.Memory()), v.watch(t, memory{}), v.watch(t, memory{})
	v.in.Keyrings().Auth().SetWitness(own)
	living(t, v)
	suite.Must(t, "a first look", own.Check(ctx))
	suite.Must(t, "one that goes away", away.Check(ctx))
	for range 3 {
		endedLivingOnce(t, v)
		disabled(t, v)
		enabled(t, v)
		suspended(t, v)
		_, err := v.reg.Registry.Resume(ctx, v.officer, v.out.ID, registry.ResumeRequest{Reason: "a reason"}, registry.Terms{})
		suite.Must(t, "resuming", err)
		spent(t, v)
		suite.Must(t, "who writes", own.Check(ctx))
		suite.Must(t, "who looks on", other.Check(ctx))
	}
	// All that has ended is purged by another node, long after.
	for {
		n, err := v.Provider.Purge(ctx, time.Now().Add(-time.Minute), 100)
		suite.Must(t, "purging", err)
		if n == 0 {
			break
		}
	}
	suite.Must(t, "after a purge", own.Check(ctx))
	suite.Must(t, "after a purge, who looks on", other.Check(ctx))
	suite.Must(t, "who was away", away.Check(ctx))
	suite.Must(t, "after a restart", v.watch(t, v.in.Memory()).Check(ctx))
	if s := own.Status(); s.Records < 4 || s.Events < 10 || s.Checked.IsZero() {
		t.Errorf("it remembers %+v", s)
	}
}

// endedLivingOnce ends them, unless that was done.
func endedLivingOnce(t *testing.T, v *victims) {
	if s, err := v.session.LoadSession(t.Context(), "living"); err == nil && s.Ended.IsZero() {
		endedLiving(t, v)
	}
}

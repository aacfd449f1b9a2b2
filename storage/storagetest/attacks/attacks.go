// Package attacks has the suites of a database that somebody else wrote in: rows altered, put back, moved
// and deleted past the service, each of which it must notice.
package attacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Attacked is a database with the means of somebody who can write it, but has no
// keystore.
type Attacked struct {
	suite.Database
	SQL                 func(sql string) error // runs one statement past the stores
	KeyTable, TypeTable string                 // the driver's names
	LaterList           string                 // has status lists seem to have changed
	Cookies             string                 // has the cookie of session another lead to session session
	BadDate, BadTime    string                 // what no date and time of ours is
	Inside              string                 // a version's body with a byte altered in its middle
	Guards              []string               // triggers in the way of whoever alters events
}

// sql is a statement with {keys} and {types} for the driver's names, @id for the
// record, and {was} for the copy of an earlier row of the table.
func (d *Attacked) sql(t *testing.T, id, sql string) {
	t.Helper()
	sql = strings.NewReplacer("{keys}", d.KeyTable, "{types}", d.TypeTable, "{later list}", d.LaterList, "{another's cookie}", d.Cookies, "@id", "'"+id+"'").Replace(sql)
	if err := d.SQL(sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// victims are the records that are attacked, and what reads them.
type victims struct {
	*Attacked
	dir     string
	in      *installation.Installation
	reg     *library.Library
	p       *provider.Provider
	people  *people.People
	session session.Store
	family  token.FamilyStore
	consent consent.Store
	spent   token.Spent
	party   identity.Parties
	stores  library.Stores

	officer audit.Actor
	typ     credential.TypeCode
	out     registry.Issued
	client  oidc.Client
	account identity.Account

	other  registry.Issued // another's
	cookie [32]byte        // another's
	code   grant.UseCodeRecord
}

type noEphemeral struct{ ephemeral.Store }

// Attacks does with SQL alone what must change no decision: each row is a statement,
// and a reading that must be refused after it and was not before.
func Attacks(t *testing.T, open func(t *testing.T) *Attacked) {
	for _, a := range slices.Concat(attacks, lookupAttacks) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			v := newVictims(t, open(t))
			if a.before != nil {
				a.before(t, v)
			}
			id := a.id(v)
			if a.table != "" {
				v.sql(t, id, "CREATE TABLE was AS SELECT * FROM "+a.table+" WHERE "+a.where)
			}
			if a.change != nil {
				a.change(t, v)
			}
			if err := a.read(t.Context(), v); err != nil {
				t.Fatalf("before the attack: %v", err)
			}
			if a.table != "" {
				v.sql(t, id, "UPDATE "+a.table+" SET ("+a.back+") = (SELECT "+a.back+" FROM was) WHERE "+a.where)
			}
			for _, sql := range a.sql {
				v.sql(t, id, sql)
			}
			if err := a.read(t.Context(), v); !errors.Is(err, signing.ErrAltered) && !errors.Is(err, signing.ErrNoKey) {
				t.Errorf("%q has an effect: %v, want it refused as altered", a.sql, err)
			}
			total := int64(0)
			for _, n := range v.in.Keyrings().Auth().Refusals() {
				total += n
			}
			if total == 0 {
				t.Error("the refusal is not counted")
			}
		})
	}
}

type attack struct {
	name string
	sql  []string
	// An earlier row that is put back: of a table, where, its columns.
	table, where, back string
	id                 func(*victims) string
	before             func(*testing.T, *victims) // before that
	change             func(*testing.T, *victims) // after the earlier row was copied
	read               func(context.Context, *victims) error
}

var (
	ofClient  = func(v *victims) string { return v.client.ID }
	ofOwner   = func(v *victims) string { return v.client.Participant }
	ofLicense = func(v *victims) string { return string(v.out.ID) }
	ofAccount = func(v *victims) string { return v.account.ID }
	ofParty   = func(v *victims) string { return v.account.Party }
	ofKey     = func(*victims) string { return "access-token-1" }
	ofType    = func(v *victims) string { return string(v.typ) }
	named     = func(id string) func(*victims) string { return func(*victims) string { return id } }

	readClient = func(ctx context.Context, v *victims) error {
		_, err := v.p.Clients.Client(ctx, v.client.ID)
		return err
	}
	readOwner = func(ctx context.Context, v *victims) error {
		_, err := v.p.Clients.Participant(ctx, v.client.Participant)
		return err
	}
	readLicense = func(ctx context.Context, v *victims) error {
		_, err := v.reg.Registry.Read(ctx, v.officer, v.out.ID, 0)
		return err
	}
	readAccount = func(ctx context.Context, v *victims) error { _, err := v.people.Account(ctx, v.account.ID); return err }
	readParty   = func(ctx context.Context, v *victims) error {
		_, err := v.people.Party(ctx, v.account.Party)
		return err
	}
	readType = func(ctx context.Context, v *victims) error {
		_, err := v.registry(ctx).Catalog().Types().Version(ctx, v.typ, 1)
		return err
	}
	readSession = func(ctx context.Context, v *victims) error {
		_, err := v.session.LoadSession(ctx, "session")
		return err
	}
	ofDelegation   = func(v *victims) string { return string(delegated) + "/" + v.officer.Participant }
	readDelegation = func(ctx context.Context, v *victims) error {
		_, err := v.registry(ctx).Catalog().Delegations().Holds(ctx, v.definer(), string(delegated)+"001")
		return err
	}
	readGrant = func(ctx context.Context, v *victims) error { _, _, err := v.stores.LoadGrant(ctx, "grant"); return err }
	readItem  = func(ctx context.Context, v *victims) error {
		_, err := v.stores.LoadEntries(ctx, entry.KindItem, "item", 0, 2)
		return err
	}
	// readStatus signs a status list as another process of the same node does.
	readStatus = func(ctx context.Context, v *victims) error {
		_, err := v.registry(ctx).Lists().StatusList(ctx, 1)
		return err
	}
	readFamily = func(ctx context.Context, v *victims) error { _, err := v.family.LoadFamily(ctx, "family"); return err }
)

// readKey reads the records as another process does, which has nothing cached.
func readKey(ctx context.Context, v *victims) error {
	r, err := signing.NewKeyrings(signing.KeyringsConfig{Records: v.Keys, Module: v.in.Module(), Auth: v.in.Keyrings().Auth()})
	if err != nil {
		return err
	}
	_, err = r.Active(ctx, signing.PurposeAccessToken, "")
	return err
}

func readForged(ctx context.Context, v *victims) error {
	r, err := signing.NewKeyrings(signing.KeyringsConfig{Records: v.Keys, Module: v.in.Module(), Auth: v.in.Keyrings().Auth()})
	if err != nil {
		return err
	}
	ring, err := r.Ring(ctx, signing.PurposeAccessToken, "")
	if err != nil {
		return err
	}
	for _, k := range ring {
		if k.ID == "forged" {
			return nil // it is published
		}
	}
	if _, err := r.Active(ctx, signing.PurposeAccessToken, ""); err != nil {
		return fmt.Errorf("the key beside it: %v", err)
	}
	if v.in.Keyrings().Auth().Refusals()["keys"] == 0 {
		return nil // before the attack
	}
	return signing.ErrAltered
}

var attacks = []attack{
	{name: "a key of one's own", id: ofKey, read: readForged, sql: []string{`INSERT INTO {keys} (id, purpose, owner, serial, algorithm, state,
		public_key, wrapped_by, created, reason, revision) SELECT 'forged', purpose, owner, 99, algorithm, 'next', public_key, wrapped_by, created, reason, 1
		FROM {keys} WHERE id = @id`}},
	{name: "another public key", id: ofKey, read: readKey, sql: []string{
		`UPDATE {keys} SET public_key = (SELECT public_key FROM {keys} WHERE id = 'id-token-1') WHERE id = @id`}},
	{name: "a key's purpose", id: named("id-token-1"), read: readForged, sql: []string{
		`INSERT INTO {keys} (id, purpose, owner, serial, algorithm, state, public_key, wrapped_by, created, reason, revision, auth)
		SELECT 'forged', 'access-token', owner, 98, algorithm, 'next', public_key, wrapped_by, created, reason, revision, auth FROM {keys} WHERE id = @id`}},
	{name: "a key's name", id: ofKey, read: readKey, sql: []string{`UPDATE {keys} SET thumbprint = '' WHERE id = @id`}},
	{name: "a client's secret", id: ofClient, read: readClient, sql: []string{
		`UPDATE clients SET body = (SELECT body FROM clients WHERE id <> @id) WHERE id = @id`}},
	{name: "a client's participant", id: ofClient, read: readClient, sql: []string{
		`UPDATE clients SET participant = (SELECT participant FROM clients WHERE id <> @id) WHERE id = @id`}},
	{name: "another client's whole row", id: ofClient, read: readClient, sql: []string{
		`UPDATE clients SET (body, auth, revision) = (SELECT body, auth, revision FROM clients WHERE id <> @id) WHERE id = @id`}},
	{name: "a disabled client enabled", id: ofClient, read: readClient, sql: []string{`UPDATE clients SET disabled = NOT disabled WHERE id = @id`}},
	{name: "an earlier client", id: ofClient, read: readClient, table: "clients", where: "id = @id", back: "body, disabled, revision, updated, auth",
		change: func(t *testing.T, v *victims) {
			_, err := v.p.Clients.DisableClient(t.Context(), oidc.Actor{ID: "cli"}, v.client.ID)
			suite.Must(t, "disabling", err)
		}},
	{name: "a client's register emptied", id: ofClient, read: readClient, change: disabled,
		sql: []string{`UPDATE registers SET mark = NULL WHERE kind = 'clients' AND id = @id`}},
	{name: "a client's register gone", id: ofClient, read: readClient, change: disabled,
		sql: []string{`DELETE FROM registers WHERE kind = 'clients' AND id = @id`}},
	{name: "a participant's code", id: ofOwner, read: readOwner, sql: []string{`UPDATE participants SET uscc = 'X' WHERE id = @id`}},
	{name: "a participant's English name", id: ofOwner, read: readOwner, sql: []string{`UPDATE participants SET names = '{"en":"Another"}' WHERE id = @id`}},
	{name: "a participant's class", id: ofOwner, read: readOwner, sql: []string{`UPDATE participants SET class = 'enterprise' WHERE id = @id`}},
	{name: "a source's level raised", id: named("qinghe"), change: sourced(1), read: readSource, sql: []string{`UPDATE sources SET level = 3 WHERE id = @id`}},
	{name: "an earlier source", id: named("qinghe"), before: sourced(3), change: sourced(1), read: readSource, table: "sources", where: "id = @id",
		back: "level, revision, updated, auth"},
	{name: "a representation revived", id: named("represented"), before: represented, change: unrepresented, read: readRepresentation,
		sql: []string{`UPDATE representations SET state = 'accepted' WHERE id = @id`}},
	{name: "an earlier representation", id: named("represented"), before: represented, change: unrepresented, read: readRepresentation,
		table: "representations", where: "id = @id", back: "state, body, revision, updated, auth"},
	{name: "a representation's register gone", id: named("represented"), before: represented, change: unrepresented, read: readRepresentation,
		sql: []string{`DELETE FROM registers WHERE kind = 'representations' AND id = @id`}},
	{name: "a license's authority", id: ofLicense, read: readLicense, sql: []string{`UPDATE licenses SET authority = '99990101MA00000002' WHERE id = @id`}},
	{name: "a license's state", id: ofLicense, read: readLicense, change: suspended, sql: []string{`UPDATE licenses SET state = 'active' WHERE id = @id`}},
	{name: "a version's state", id: ofLicense, read: readLicense, change: suspended, sql: []string{`UPDATE license_versions SET state = 'active' WHERE license = @id`}},
	{name: "a version's end", id: ofLicense, read: readLicense, sql: []string{`UPDATE license_versions SET valid_until = '2099-12-31' WHERE license = @id`}},
	{name: "a version's status entry", id: ofLicense, read: readLicense, sql: []string{`UPDATE license_versions SET status_index = status_index + 1 WHERE license = @id`}},
	{name: "a version's credential", id: ofLicense, read: readLicense, sql: []string{`UPDATE license_versions SET credential = body WHERE license = @id`}},
	{name: "an earlier license", id: ofLicense, read: readLicense, change: suspended, table: "licenses", where: "id = @id",
		back: "state, revision, updated, auth"},
	{name: "an earlier version of a license", id: ofLicense, read: readLicense, change: suspended, table: "license_versions", where: "license = @id",
		back: "state, auth"},
	{name: "an account enabled", id: ofAccount, read: readAccount, sql: []string{`UPDATE accounts SET disabled = NOT disabled WHERE id = @id`}},
	{name: "an earlier account", id: ofAccount, read: readAccount, table: "accounts", where: "id = @id", back: "body, disabled, revision, updated, auth",
		change: func(t *testing.T, v *victims) {
			_, _, err := v.people.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: v.account.ID, To: "13900139000"})
			suite.Must(t, "changing the phone", err)
		}},
	{name: "an earlier body of an account alone", id: ofAccount, read: readAccount, table: "accounts", where: "id = @id", back: "body",
		change: func(t *testing.T, v *victims) {
			_, _, err := v.people.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: v.account.ID, To: "13900139000"})
			suite.Must(t, "changing the phone", err)
		}},
	{name: "another's party", id: ofParty, read: readParty, sql: []string{`UPDATE parties SET kind = 'organization' WHERE id = @id`}},
	{name: "a type's rules", id: ofType, read: readType, sql: []string{`UPDATE {types} SET owner = 'me' WHERE code = @id`}},
	{name: "another's delegation", id: ofDelegation, read: readDelegation, sql: []string{
		`UPDATE delegations SET prefix = '11100000000013338W' WHERE id = @id`}},
	{name: "a delegation revived", id: ofDelegation, read: readDelegation, change: undelegated, sql: []string{
		`UPDATE delegations SET ended = NULL WHERE id = @id`}},
	{name: "an earlier delegation", id: ofDelegation, read: readDelegation, change: undelegated, table: "delegations", where: "id = @id",
		back: "document, given_by, updated, ended, revision, auth"},
	{name: "a session revived", id: named("session"), read: readSession, change: endedSession, sql: []string{`UPDATE sessions SET ended = NULL WHERE id = @id`}},
	{name: "a session's longer life", id: named("session"), read: readSession, sql: []string{`UPDATE sessions SET expires = seen WHERE id = @id`}},
	{name: "an earlier session", id: named("session"), read: readSession, change: endedSession, table: "sessions", where: "id = @id",
		back: "ended, revision, auth"},
	{name: "an earlier family", id: named("family"), read: readFamily, change: endedFamily, table: "families", where: "id = @id",
		back: "ended, ended_by, revision, auth"},
	{name: "a family revived", id: named("family"), read: readFamily, change: endedFamily, sql: []string{`UPDATE families SET ended = NULL WHERE id = @id`}},
	{name: "an earlier refresh token", id: named("family"), read: readFamily, sql: []string{`UPDATE families SET number = number - 1 WHERE id = @id`}},
	{name: "a grant's client", id: named("grant"), read: readGrant, change: agreedWithCode, sql: []string{`UPDATE grants SET client = 'another' WHERE id = @id`}},
	{name: "a withdrawn grant active", id: named("grant"), read: readGrant, change: agreedAndWithdrawn, sql: []string{`UPDATE grants SET state = 'active' WHERE id = @id`}},
	{name: "a grant's end", id: named("grant"), read: readGrant, change: agreedWithCode, sql: []string{`UPDATE grants SET expires = created WHERE id = @id`}},
	{name: "an earlier grant", id: named("grant"), read: readGrant, before: agreed, change: withdrawn, table: "grants", where: "id = @id",
		back: "state, body, revision, auth"},
	{name: "a use code's license version", id: named("grant"), read: readGrant, change: agreedWithCode, sql: []string{`UPDATE use_codes SET number = number + 1 WHERE grant_id = @id`}},
	{name: "a use code's first use", id: named("grant"), read: readGrant, change: agreedWithCode, sql: []string{`UPDATE use_codes SET first = created WHERE grant_id = @id`}},
	{name: "an item's owner", id: named("item"), read: readItem, change: itemPut, sql: []string{`UPDATE service_items SET owner = 'me' WHERE code = @id`}},
	{name: "an item's state", id: named("item"), read: readItem, change: itemPut, sql: []string{`UPDATE service_items SET state = 'published' WHERE code = @id`}},
	{name: "a revoked license's status entry", id: ofLicense, read: readStatus, change: endedLicense, sql: []string{
		`UPDATE status_entries SET value = 0`, `{later list}`}},
	{name: "another client's family", id: named("family"), read: readFamily, sql: []string{`UPDATE families SET client = 'other' WHERE id = @id`}},
}

func disabled(t *testing.T, v *victims) {
	_, err := v.p.Clients.DisableClient(t.Context(), oidc.Actor{ID: "cli"}, v.client.ID)
	suite.Must(t, "disabling", err)
}

// delegated is the code of a body that is no participant.
const delegated = party.USCC("11430000006122244L")

func (v *victims) definer() entry.Definer {
	return entry.Definer{ID: v.officer.Participant, USCC: party.USCC(v.officer.USCC)}
}

func undelegated(t *testing.T, v *victims) {
	_, err := v.reg.Catalog().Delegations().Withdraw(t.Context(), audit.Actor{Client: "cli"}, v.definer(), delegated, "样例函〔2026〕2号")
	suite.Must(t, "withdrawing a delegation", err)
}

func suspended(t *testing.T, v *victims) {
	_, err := v.reg.Registry.Suspend(t.Context(), v.officer, v.out.ID,
		registry.SuspendRequest{Reason: "a reason", Document: license.Document{Number: "样例〔2026〕1号", Date: party.DateOf(time.Now()), Basis: "a basis"}}, registry.Terms{})
	suite.Must(t, "suspending", err)
}

// agreedWithCode makes a grant that was delivered.
func agreedWithCode(t *testing.T, v *victims) {
	g := grants.Pending()
	g.ID = "grant"
	suite.Must(t, "agreeing", v.stores.SaveGrant(t.Context(), g, nil, ledger.Event("", journal.ActionGrantAgree)))
	v.code = grants.CodeFor(g, v.out.ID, 1)
	suite.Must(t, "delivering", v.stores.SaveGrant(t.Context(), grants.Activated(g), []grant.UseCodeRecord{v.code}, ledger.Event("", journal.ActionGrantDeliver)))
}

func agreedAndWithdrawn(t *testing.T, v *victims) { agreed(t, v); withdrawn(t, v) }

func itemPut(t *testing.T, v *victims) {
	i := entry.Record{Code: "item", Version: 1, State: entry.Draft, Owner: suite.NewText(), Body: []byte(`{"name":"样例"}`), Updated: suite.At(1)}
	suite.Must(t, "an item", v.stores.SaveEntries(t.Context(), entry.KindItem, ledger.Event("", journal.ActionItemPut), i))
}

func endedLicense(t *testing.T, v *victims) {
	_, err := v.reg.Registry.End(t.Context(), v.officer, v.out.ID, registry.EndRequest{
		Kind: "revoked", EffectiveFrom: party.DateOf(time.Now()), Reason: "a reason",
		Document: license.Document{Number: "样例〔2026〕1号", Date: party.DateOf(time.Now()), Basis: "a basis"}}, registry.Terms{})
	suite.Must(t, "ending", err)
}

func endedSession(t *testing.T, v *victims) {
	s, err := v.session.LoadSession(t.Context(), "session")
	suite.Must(t, "loading a session", err)
	s.Ended = suite.At(100)
	suite.Must(t, "ending a session", v.session.UpdateSession(t.Context(), s))
}

func endedFamily(t *testing.T, v *victims) {
	f, err := v.family.LoadFamily(t.Context(), "family")
	suite.Must(t, "loading a family", err)
	f.Ended, f.EndedBy = suite.At(100), "holder"
	suite.Must(t, "ending a family", v.family.UpdateFamily(t.Context(), f))
}

func newVictims(t *testing.T, d *Attacked) *victims {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	v := &victims{Attacked: d, dir: t.TempDir() + "/data"}
	var err error
	v.in, err = installation.Open(ctx, installation.Config{
		Dir: v.dir, Records: d.Database.Keys, RegistryName: "样例证照库", RegistryUSCC: "99990101MA0000000X",
	}, now)
	suite.Must(t, "opening an installation", err)
	v.p, err = provider.New(provider.Config{
		Issuer: "https://yizheng.example", Clients: d.Provider, Participants: d.Provider, Events: d.Journal, Keyrings: v.in.Keyrings(),
	})
	suite.Must(t, "opening a provider", err)
	v.people, err = people.New(people.Config{
		Parties: d.Provider, Accounts: d.Provider, Ephemeral: noEphemeral{}, Vault: v.in.Vault(), Journal: oidc.NewRecorder(d.Journal, nil),
		Sources: d.Provider, Links: d.Provider, Changes: d.Provider,
	})
	suite.Must(t, "opening the service of identities", err)
	v.session = session.Authentic(d.Provider, v.in.Keyrings().Auth())
	v.family = token.AuthenticFamilies(d.Provider, d.Provider, v.in.Keyrings().Auth())
	v.consent = consent.Authentic(d.Provider, v.in.Keyrings().Auth())
	v.spent = token.AuthenticSpent(d.Provider, v.in.Keyrings().Auth())
	v.party = identity.AuthenticParties(d.Provider, v.in.Keyrings().Auth())
	v.stores = library.AuthenticStores(d.Licenses, v.in.Keyrings().Auth())
	suite.Must(t, "a session", v.session.CreateSession(ctx, session.Record{ID: "session", Cookie: suite.NewHash(), Created: suite.At(0), Seen: suite.At(0), Expires: suite.At(9)}))
	_, err = v.family.RedeemCode(ctx, suite.NewHash(), suite.At(9), token.FamilyRecord{ID: "family", Client: "client", Number: 2, Rotated: suite.At(1), Created: suite.At(0), Expires: suite.At(9)})
	suite.Must(t, "a family", err)
	for n, code := range []party.USCC{uscc(t, "99990101MA0000001"), uscc(t, "99990101MA0000002")} {
		p, err := v.p.Clients.CreateParticipant(ctx, oidc.Actor{ID: "cli"}, identity.Spec{USCC: string(code), Name: "样例单位", Class: identity.Government, AreaCode: "990101", Level: 3})
		suite.Must(t, "a participant", err)
		c, _, err := v.p.Clients.CreateClient(ctx, oidc.Actor{ID: "cli"}, client.Spec{Name: "样例系统", Participant: p.ID, Scopes: []oidc.Scope{oidc.ScopeLicenseRead}})
		suite.Must(t, "a client", err)
		if n == 0 {
			v.client = c
			v.officer = audit.Actor{Client: c.ID, Participant: p.ID, USCC: string(code)}
		}
	}
	v.account, _, err = v.people.Register(ctx, identity.Registration{
		Name: "样例甲", Code: party.Code{Type: party.Citizen, Value: "11010519491231002X"}, LoginName: "victim-1",
		Proofing: &identity.Proofing{Level: 2, Method: "in_person", Source: "cli"},
	})
	suite.Must(t, "an account", err)
	v.issue(t)
	return v
}

// uscc returns a code with its check character.
func uscc(t *testing.T, first17 string) party.USCC {
	t.Helper()
	for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if code, err := party.ParseUSCC(first17 + string(c)); err == nil {
			return code
		}
	}
	t.Fatalf("%s has no check character", first17)
	return ""
}

// registry opens a registry that has nothing cached.
func (v *victims) registry(ctx context.Context) *library.Library {
	r, err := library.New(ctx, library.Config{
		Stores: v.Licenses, Journal: v.Journal, Keyrings: v.in.Keyrings(), Vault: v.in.Vault(), Anchors: v.in.Anchors(), PublicURL: "https://yizheng.example", Seen: v.in.Memory(),
		AuthorityName: func(context.Context, party.USCC) (string, error) { return "样例单位", nil },
	})
	if err != nil {
		panic(err)
	}
	return r
}

// issue issues the license that is attacked.
func (v *victims) issue(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	authority := party.USCC(v.officer.USCC)
	ca, err := installation.OpenRoot(v.dir+"/root", "")
	suite.Must(t, "opening the root", err)
	_, err = v.in.AddAuthority(ctx, ca, pki.Subject{Name: "样例单位", USCC: string(authority)}, time.Now())
	suite.Must(t, "an authority's key", err)
	v.reg = v.registry(ctx)
	v.typ = credential.TypeCode(string(authority) + "001")
	var d catalog.Definition
	suite.Must(t, "a definition", json.Unmarshal([]byte(`{"name": "样例证", "schema": {"type": "object", "properties": {"grade": {"type": "string", "title": "级别", "maxLength": 5}}, "additionalProperties": false},
		"holders": [{"role": "holder", "name": "持证人", "min": 1, "max": 1, "code_types": ["111"]}],
		"number_policy": "unique", "approval": "one_step", "authorities": ["`+string(authority)+`"]}`), &d))
	_, _, err = v.reg.Catalog().Types().Put(ctx, v.officer, v.typ, d)
	suite.Must(t, "a type", err)
	_, err = v.reg.Catalog().Delegations().Give(ctx, audit.Actor{Client: "cli"}, v.definer(), delegated, "样例函〔2026〕1号")
	suite.Must(t, "a delegation", err)
	_, err = v.reg.Catalog().Types().Publish(ctx, v.officer, v.typ)
	suite.Must(t, "publishing a type", err)
	v.out, err = v.reg.Registry.Issue(ctx, v.officer, v.request("N-1", "样例甲", "11010519491231002X"), "key-1")
	suite.Must(t, "issuing", err)
}

package attacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Rows that only lead somewhere, which have no authenticator, are made to lead to
// another's. What they lead to must agree, or nothing is opened, returned or logged in.
var lookupAttacks = []attack{
	{name: "another's login leads to the victim's account", id: ofAccount, before: twoAccounts, read: readLogin("other-1", "victim's own password"), sql: []string{
		`UPDATE account_logins SET account = @id WHERE account <> @id`}},
	{name: "the victim's login leads to another's account", id: ofAccount, before: twoAccounts, read: readLogin("victim-2", "other's own password"), sql: []string{
		`UPDATE account_logins SET account = (SELECT max(account) FROM account_logins WHERE account <> @id) WHERE account = @id`}},
	{name: "the victim's number leads to another's account", id: ofAccount, before: twoAccounts, read: readLogin(victimCode, "other's own password"), sql: []string{
		`UPDATE account_logins SET account = (SELECT max(account) FROM account_logins WHERE account <> @id) WHERE account = @id`}},
	{name: "an operator finds another's account", id: ofAccount, before: twoAccounts, read: readFound, sql: []string{
		`UPDATE account_logins SET account = @id WHERE account <> @id`}},
	{name: "another's code leads to the victim's party", id: ofParty, before: anotherParty, read: readPartyOf, sql: []string{
		`UPDATE party_codes SET party = @id WHERE party <> @id`}},
	{name: "another's cookie leads to the victim's session", id: named("session"), before: anotherSession, read: readCookie, sql: []string{`{another's cookie}`}},
	{name: "another's verification code leads to the victim's license", id: ofLicense, before: anotherLicense, read: readPrinted, sql: []string{
		`UPDATE identifiers SET license = @id WHERE license <> @id`}},
	{name: "another's identifier leads to the victim's license", id: ofLicense, before: anotherLicense, sql: []string{
		`UPDATE identifiers SET license = @id WHERE license <> @id`},
		read: readSearch(func(v *victims) registry.SearchRequest {
			return registry.SearchRequest{Identifier: string(v.other.Identifier)}
		})},
	{name: "another's number leads to the victim's license", id: ofLicense, before: anotherLicense, sql: []string{
		`UPDATE numbers SET license = @id WHERE license <> @id`},
		read: readSearch(func(v *victims) registry.SearchRequest { return registry.SearchRequest{TypeCode: v.typ, Number: "N-2"} })},
	{name: "another's code leads to the victim's license", id: ofLicense, before: anotherLicense, sql: []string{
		`UPDATE holdings SET license = @id WHERE license <> @id`},
		read: readSearch(func(v *victims) registry.SearchRequest {
			return registry.SearchRequest{Holder: &party.Code{Type: party.Citizen, Value: otherCode}}
		})},
	{name: "a request that issued leads to another license", id: ofLicense, before: anotherLicense, read: readIssuedAgain, sql: []string{
		`UPDATE requests SET license = @id WHERE license <> @id`}},
	{name: "a request that suspended leads to another license", id: ofLicense, before: anotherLicense, read: readSuspendedAgain, sql: []string{
		`UPDATE requests SET license = @id WHERE license <> @id`}},
	{name: "a use code put back to before its use", id: named("grant"), before: agreedWithCode, table: "use_codes", where: "grant_id = @id", back: "first, auth",
		change: usedCode, read: readUse},
	{name: "a withdrawn consent", id: named("consent"), before: consented, table: "consents", where: "id = @id", back: "body", change: unconsented,
		read: readConsent, sql: []string{"INSERT INTO consent_parties SELECT * FROM led"}},
	{name: "a use code of another grant", id: named("grant"), change: twoGrants, read: readGrant, sql: []string{
		`UPDATE use_codes SET grant_id = @id WHERE grant_id <> @id`}},
}

const (
	victimCode = "110105199003077710"
	otherCode  = "110105199003077745"
)

// counting counts nothing, so that no login is limited.
type counting struct{ ephemeral.Store }

func (counting) Count(context.Context, string, int64, time.Duration, time.Time) (int64, error) {
	return 1, nil
}
func (counting) Load(context.Context, string, time.Time) ([]byte, error) {
	return nil, ephemeral.ErrGone
}

// twoAccounts registers two people with passwords; the first one is the victim.
func twoAccounts(t *testing.T, v *victims) {
	var err error
	v.people, err = people.New(people.Config{
		Parties: v.Provider, Accounts: v.Provider, Ephemeral: counting{}, Vault: v.in.Vault(), Journal: oidc.NewRecorder(v.Journal, nil),
	})
	suite.Must(t, "opening the service of identities", err)
	// Only these two shall have logins.
	v.sql(t, v.account.ID, "DELETE FROM account_logins WHERE account = @id")
	for n, r := range []identity.Registration{
		{Name: "样例乙", Code: party.Code{Type: party.Citizen, Value: victimCode}, LoginName: "victim-2", Password: "victim's own password"},
		{Name: "样例丙", Code: party.Code{Type: party.Citizen, Value: otherCode}, LoginName: "other-1", Password: "other's own password"},
	} {
		r.Proofing = &identity.Proofing{Level: 2, Method: "in_person", Source: "cli"}
		a, _, err := v.people.Register(t.Context(), r)
		suite.Must(t, "an account", err)
		if n == 0 {
			v.account = a
		}
	}
}

// readLogin logs both people in as themselves, unless that is refused, and must not get
// in with a login and another's password.
func readLogin(login, password string) func(context.Context, *victims) error {
	return func(ctx context.Context, v *victims) error {
		try := func(login, password string) error {
			_, err := v.people.Factors.CheckPassword(ctx, factor.Attempt{Login: login, Password: password, Address: netip.MustParseAddr("192.0.2.1"), Binding: "binding"})
			return err
		}
		if try("victim-2", "victim's own password") == nil && try("other-1", "other's own password") == nil {
			return nil
		}
		if err := try(login, password); err == nil {
			return nil // somebody is logged in as another
		}
		return v.refused("account_logins")
	}
}

// refused is ErrAltered if a record of a table was refused.
func (v *victims) refused(table string) error {
	if v.in.Keyrings().Auth().Refusals()[table] == 0 {
		return fmt.Errorf("no record of %s was refused", table)
	}
	return signing.ErrAltered
}

func readFound(ctx context.Context, v *victims) error {
	a, err := v.people.FindAccount(ctx, "other-1")
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return signing.ErrAltered // nothing is shown, and it is nothing to be told of
	case err == nil && a.ID == v.account.ID:
		return nil // the victim's account is shown
	}
	return err
}

func anotherParty(t *testing.T, v *victims) {
	suite.Must(t, "another party", readPartyOf(t.Context(), v))
}

// readPartyOf registers somebody, again: what they have is found by their code.
func readPartyOf(ctx context.Context, v *victims) error {
	_, _, err := v.people.Register(ctx, identity.Registration{
		Name: "样例甲", Code: party.Code{Type: party.Citizen, Value: otherCode}, LoginName: "other-1",
		Proofing: &identity.Proofing{Level: 2, Method: "in_person", Source: "cli"},
	})
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == identity.ReasonAccountExists {
		return nil
	}
	return err
}

func anotherSession(t *testing.T, v *victims) {
	v.cookie = suite.NewHash()
	suite.Must(t, "another session", v.session.CreateSession(t.Context(), session.Record{ID: "another", Cookie: v.cookie, Created: suite.At(0), Seen: suite.At(0), Expires: suite.At(9)}))
}

func readCookie(ctx context.Context, v *victims) error {
	_, err := v.session.FindSession(ctx, v.cookie)
	return err
}

func anotherLicense(t *testing.T, v *victims) {
	var err error
	v.other, err = v.reg.Registry.Issue(t.Context(), v.officer, v.request("N-2", "样例丙", otherCode), "key-2")
	suite.Must(t, "issuing another", err)
}

// request is a request for a license of the victims' type.
func (v *victims) request(number, name, code string) registry.IssueRequest {
	return registry.IssueRequest{
		TypeCode: v.typ, Number: number, ValidFrom: party.DateOf(time.Now()), ValidUntil: party.DateOf(time.Now().AddDate(1, 0, 0)), Fields: json.RawMessage(`{"grade":"A"}`),
		Holders: []credential.Holder{{Name: name, CodeType: party.Citizen, Code: code, Role: "holder"}},
	}
}

func readPrinted(ctx context.Context, v *victims) error {
	_, err := v.reg.Verifications.VerifyIdentifier(ctx, string(v.other.Identifier), v.other.VerificationCode)
	return err
}

// readSearch must find the other license, or nothing.
func readSearch(q func(*victims) registry.SearchRequest) func(context.Context, *victims) error {
	return func(ctx context.Context, v *victims) error {
		found, err := v.reg.Registry.Search(ctx, v.officer, q(v))
		if err != nil || len(found.Licenses) > 0 {
			return err
		}
		return v.refused("licenses")
	}
}

func readIssuedAgain(ctx context.Context, v *victims) error {
	_, err := v.reg.Registry.Issue(ctx, v.officer, v.request("N-2", "样例丙", otherCode), "key-2")
	return err
}

func readSuspendedAgain(ctx context.Context, v *victims) error {
	_, err := v.reg.Registry.Suspend(ctx, v.officer, v.other.ID, registry.SuspendRequest{
		Reason: "a reason", Document: license.Document{Number: "样例〔2026〕1号", Date: party.DateOf(time.Now()), Basis: "a basis"},
	}, registry.Terms{Key: "key-3"})
	return err
}

func twoGrants(t *testing.T, v *victims) {
	agreedWithCode(t, v)
	g := grants.Pending()
	suite.Must(t, "agreeing", v.stores.SaveGrant(t.Context(), g, nil, ledger.Event("", journal.ActionGrantAgree)))
	code := grants.CodeFor(g, v.out.ID, 2)
	code.Version = 1
	suite.Must(t, "delivering", v.stores.SaveGrant(t.Context(), grants.Activated(g), []grant.UseCodeRecord{code}, ledger.Event("", journal.ActionGrantDeliver)))
}

// usedCode uses the code of the grant.
func usedCode(t *testing.T, v *victims) {
	first := suite.At(100)
	auth, _, err := v.in.Keyrings().Auth().Stamp(signing.NewFacts("use_codes", "grant", 0).Bytes(v.code.Hash[:]).Text(string(v.code.License)).
		Int(int64(v.code.Version), int64(v.code.Number)).Time(v.code.Created, first))
	suite.Must(t, "an authenticator", err)
	suite.Must(t, "using a code", v.stores.SaveUse(t.Context(), access.Reading{
		Record: access.Record{
			ID: suite.NewText(), At: first, Grant: "grant", License: v.out.ID, Version: 1, Client: "client-1", Participant: suite.NewText(), Item: "QH-1",
			Basis: grant.BasisConsent, Channel: grant.ChannelOnline, Result: access.ResultOK, Disclosure: access.DisclosureImmediate,
		},
		Event: ledger.Event(v.out.ID, journal.ActionLicenseRedeem), Code: v.code.Hash, Request: "a request", CodeAuth: auth, GrantRevision: 2, LicenseRevision: 1,
	}))
}

func readUse(ctx context.Context, v *victims) error {
	_, err := v.stores.LoadUse(ctx, "grant", v.code.Hash, "another request")
	return err
}

// consentOf is the party whose consent is attacked.
func consentOf() []signing.Lookup { return []signing.Lookup{{Serial: 1, Sum: [32]byte{1}}} }

func consented(t *testing.T, v *victims) {
	until := time.Now().Add(time.Hour)
	suite.Must(t, "a consent", v.consent.CreateConsent(t.Context(), consent.Record{
		ID: "consent", Client: "client-1", Created: time.Now(), Expires: until, Body: []byte("sealed"), Party: consentOf(),
	}, nil))
}

// unconsented withdraws the consent; what led to it is kept for who puts it back.
func unconsented(t *testing.T, v *victims) {
	all, err := v.consent.ListConsents(t.Context(), consentOf(), time.Now(), 10)
	suite.Must(t, "ListConsents", err)
	suite.Same(t, "consents", len(all), 1)
	v.sql(t, "", "CREATE TABLE led AS SELECT * FROM consent_parties")
	suite.Must(t, "withdrawing a consent", v.consent.DeleteConsents(t.Context(), []consent.Ended{{ID: "consent", Expires: all[0].Expires}}))
}

// readConsent must find no consent.
func readConsent(ctx context.Context, v *victims) error {
	all, err := v.consent.ListConsents(ctx, consentOf(), time.Now(), 10)
	if err != nil || len(all) > 0 || v.in.Keyrings().Auth().Refusals()["consents"] == 0 {
		return err
	}
	return signing.ErrAltered
}

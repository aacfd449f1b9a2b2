package identity

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// Domains of lookup keys and MACs. Never change one: stored values depend on them.
const (
	domainPartyCode = "party.code"
	domainLogin     = "account.login"
)

func accountPlace(id string) vault.Place {
	return vault.Place{Table: "accounts", Row: id, Column: "body"}
}
func partyPlace(id string) vault.Place {
	return vault.Place{Table: "parties", Row: id, Column: "body"}
}

// sealer seals and opens parties and accounts, and computes the lookup keys that lead to them.
type sealer struct{ vault *vault.Vault }

// loginKeys returns the lookup keys of logins under every live lookup key.
func (s sealer) loginKeys(ctx context.Context, logins []Login) ([]signing.Lookup, error) {
	var all []signing.Lookup
	for _, l := range logins {
		keys, err := s.vault.Lookups(ctx, domainLogin, string(l.Kind), l.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// codeKeys returns the lookup keys of a party's codes, former ones too.
func (s sealer) codeKeys(ctx context.Context, codes ...party.Code) ([]signing.Lookup, error) {
	var all []signing.Lookup
	for _, c := range codes {
		keys, err := s.vault.Lookups(ctx, domainPartyCode, string(c.Type), c.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// accountBody is the sealed part of an account's record. It repeats the account's party, so
// that nobody can turn a row into another person's.
type accountBody struct {
	Account
	Of string `json:"party"`
}

// sealAccount returns the record of an account, with the logins that lead to it today.
func (s sealer) sealAccount(ctx context.Context, a Account, p Party) (AccountRecord, error) {
	keys, err := s.loginKeys(ctx, a.logins(p, party.DateOf(time.Now())))
	if err != nil {
		return AccountRecord{}, err
	}
	body, err := s.vault.SealJSON(ctx, accountPlace(a.ID), accountBody{a, a.Party})
	if err != nil {
		return AccountRecord{}, err
	}
	return AccountRecord{
		ID: a.ID, Party: a.Party, Disabled: a.Disabled, Revision: a.Revision, Body: body,
		Created: a.Created, Updated: a.Updated, Logins: keys,
	}, nil
}

func (s sealer) openAccount(ctx context.Context, r AccountRecord) (Account, error) {
	var b accountBody
	if err := s.vault.OpenJSON(ctx, accountPlace(r.ID), r.Body, &b); err != nil {
		return Account{}, fmt.Errorf("account %s: %w", r.ID, err)
	}
	if b.Of != r.Party {
		return Account{}, fmt.Errorf("account %s does not fit its sealed form: it was altered", r.ID)
	}
	a := b.Account
	a.ID, a.Party, a.Disabled, a.Revision, a.Created, a.Updated = r.ID, r.Party, r.Disabled, r.Revision, r.Created, r.Updated
	return a, nil
}

// sealParty returns the record of a party.
func (s sealer) sealParty(ctx context.Context, p Party) (PartyRecord, error) {
	keys, err := s.codeKeys(ctx, p.AllCodes()...)
	if err != nil {
		return PartyRecord{}, err
	}
	body, err := s.vault.SealJSON(ctx, partyPlace(p.ID), p)
	if err != nil {
		return PartyRecord{}, err
	}
	return PartyRecord{
		ID: p.ID, Kind: p.Kind, Revision: p.Revision, Body: body, Created: p.Created, Updated: p.Updated, Codes: keys,
	}, nil
}

func (s sealer) openParty(ctx context.Context, r PartyRecord) (Party, error) {
	var p Party
	if err := s.vault.OpenJSON(ctx, partyPlace(r.ID), r.Body, &p); err != nil {
		return Party{}, fmt.Errorf("party %s: %w", r.ID, err)
	}
	p.ID, p.Kind, p.Revision, p.Created, p.Updated = r.ID, r.Kind, r.Revision, r.Created, r.Updated
	return p, nil
}

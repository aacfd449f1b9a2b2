package postgres

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

var errNotBuilt = errors.New("not built yet")

func (p *Provider) CreateSession(ctx context.Context, s oidc.SessionRecord, es ...oidc.EventRecord) error { return errNotBuilt }

func (p *Provider) LoadSession(ctx context.Context, id string) (oidc.SessionRecord, error) {
	return oidc.SessionRecord{}, errNotBuilt
}

func (p *Provider) FindSession(ctx context.Context, cookie [32]byte) (oidc.SessionRecord, error) {
	return oidc.SessionRecord{}, errNotBuilt
}

func (p *Provider) UpdateSession(ctx context.Context, s oidc.SessionRecord, es ...oidc.EventRecord) error { return errNotBuilt }

func (p *Provider) ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]oidc.SessionRecord, error) {
	return nil, errNotBuilt
}

func (p *Provider) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f oidc.FamilyRecord, es ...oidc.EventRecord) (first string, err error) {
	return "", errNotBuilt
}

func (p *Provider) LoadFamily(ctx context.Context, id string) (oidc.FamilyRecord, error) {
	return oidc.FamilyRecord{}, errNotBuilt
}

func (p *Provider) UpdateFamily(ctx context.Context, f oidc.FamilyRecord, es ...oidc.EventRecord) error { return errNotBuilt }

func (p *Provider) ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]oidc.FamilyRecord, error) {
	return nil, errNotBuilt
}

func (p *Provider) Spend(ctx context.Context, hash [32]byte, keep time.Time) error {
	return errNotBuilt
}

func (p *Provider) IsSpent(ctx context.Context, hash [32]byte) (bool, error) {
	return false, errNotBuilt
}

func (p *Provider) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return 0, errNotBuilt
}

func (s *Provider) CreateParty(ctx context.Context, p identity.PartyRecord) error { return errNotBuilt }

func (p *Provider) LoadParty(ctx context.Context, id string) (identity.PartyRecord, error) {
	return identity.PartyRecord{}, errNotBuilt
}

func (p *Provider) FindParty(ctx context.Context, keys []signing.Lookup) (identity.PartyRecord, error) {
	return identity.PartyRecord{}, errNotBuilt
}

func (s *Provider) UpdateParty(ctx context.Context, p identity.PartyRecord) error { return errNotBuilt }

func (p *Provider) ListParties(ctx context.Context, after string, limit int) ([]identity.PartyRecord, error) {
	return nil, errNotBuilt
}

func (p *Provider) CreateAccount(ctx context.Context, a identity.AccountRecord) error {
	return errNotBuilt
}

func (p *Provider) LoadAccount(ctx context.Context, id string) (identity.AccountRecord, error) {
	return identity.AccountRecord{}, errNotBuilt
}

func (p *Provider) FindAccount(ctx context.Context, keys []signing.Lookup) (identity.AccountRecord, error) {
	return identity.AccountRecord{}, errNotBuilt
}

func (p *Provider) UpdateAccount(ctx context.Context, a identity.AccountRecord) error {
	return errNotBuilt
}

func (p *Provider) ListAccounts(ctx context.Context, after string, limit int) ([]identity.AccountRecord, error) {
	return nil, errNotBuilt
}

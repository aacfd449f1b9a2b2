package storage

import (
	"context"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// Happened is an event that was stored, as far as it is counted.
type Happened struct {
	Action string
	Result string
	Type   credential.TypeCode // of a license that was changed; empty: the event doesn't say
}

// Counted returns the database, and calls count for every event that is stored through it, once
// that is on disk. An event that stands for several requests is counted as often. One that
// wasn't stored isn't counted.
func Counted(db Database, count func(Happened)) Database { return countedDatabase{db, count} }

type countedDatabase struct {
	Database
	count func(Happened)
}

// Licenses implements [Database].
func (d countedDatabase) Licenses() library.Stores {
	return countedLicenses{d.Database.Licenses(), d.count}
}

// Provider implements [Database].
func (d countedDatabase) Provider() provider.Stores {
	return countedProvider{d.Database.Provider(), d.count}
}

// Journal implements [Database].
func (d countedDatabase) Journal() journal.Store {
	return countedJournal{d.Database.Journal(), d.count}
}

type countedJournal struct {
	journal.Store
	count func(Happened)
}

// AppendEvents implements [journal.Store].
func (j countedJournal) AppendEvents(ctx context.Context, es ...journal.Event) error {
	return counted(j.Store.AppendEvents(ctx, es...), es, j.count)
}

// counted calls count for events, unless storing them failed.
func counted(err error, es []journal.Event, count func(Happened)) error {
	for _, e := range es {
		if err == nil {
			for range max(1, journal.Merged(e.RequestID)) {
				count(Happened{string(e.Action), e.Result, ""})
			}
		}
	}
	return err
}

type countedLicenses struct {
	library.Stores
	count func(Happened)
}

func (l countedLicenses) counted(err error, es ...journal.Event) error {
	return counted(err, es, l.count)
}

// Save implements [license.Store].
func (l countedLicenses) Save(ctx context.Context, s license.SaveRequest) error {
	err := l.Stores.Save(ctx, s)
	if err == nil {
		l.count(Happened{string(s.Event.Action), s.Event.Result, s.Record.Type})
	}
	return err
}

// SaveEntries implements [entry.Store].
func (l countedLicenses) SaveEntries(ctx context.Context, k entry.Kind, e journal.Event, rs ...entry.Record) error {
	return l.counted(l.Stores.SaveEntries(ctx, k, e, rs...), e)
}

// SaveDelegation implements [entry.DelegationStore].
func (l countedLicenses) SaveDelegation(ctx context.Context, e journal.Event, d entry.DelegationRecord) error {
	return l.counted(l.Stores.SaveDelegation(ctx, e, d), e)
}

// SaveGrant implements [grant.Store].
func (l countedLicenses) SaveGrant(ctx context.Context, g grant.Record, codes []grant.UseCodeRecord, e journal.Event) error {
	return l.counted(l.Stores.SaveGrant(ctx, g, codes, e), e)
}

// SaveUse implements [access.Store].
func (l countedLicenses) SaveUse(ctx context.Context, u access.Reading) error {
	return l.counted(l.Stores.SaveUse(ctx, u), u.Event)
}

type countedProvider struct {
	provider.Stores
	count func(Happened)
}

func (p countedProvider) counted(err error, es []journal.Event) error {
	return counted(err, es, p.count)
}

// CreateSession implements [session.Store].
func (p countedProvider) CreateSession(ctx context.Context, s session.Record, es ...journal.Event) error {
	return p.counted(p.Stores.CreateSession(ctx, s, es...), es)
}

// UpdateSession implements [session.Store].
func (p countedProvider) UpdateSession(ctx context.Context, s session.Record, es ...journal.Event) error {
	return p.counted(p.Stores.UpdateSession(ctx, s, es...), es)
}

// RedeemCode implements [token.FamilyStore].
func (p countedProvider) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f token.FamilyRecord, es ...journal.Event) (string, error) {
	first, err := p.Stores.RedeemCode(ctx, code, keep, f, es...)
	return first, p.counted(err, es)
}

// UpdateFamily implements [token.FamilyStore].
func (p countedProvider) UpdateFamily(ctx context.Context, f token.FamilyRecord, es ...journal.Event) error {
	return p.counted(p.Stores.UpdateFamily(ctx, f, es...), es)
}

// CreateConsent implements [consent.Store].
func (p countedProvider) CreateConsent(ctx context.Context, c consent.Record, instead []consent.Ended, es ...journal.Event) error {
	return p.counted(p.Stores.CreateConsent(ctx, c, instead, es...), es)
}

// DeleteConsents implements [consent.Store].
func (p countedProvider) DeleteConsents(ctx context.Context, ended []consent.Ended, es ...journal.Event) error {
	return p.counted(p.Stores.DeleteConsents(ctx, ended, es...), es)
}

// CreateRepresentation implements [representation.Store].
func (p countedProvider) CreateRepresentation(ctx context.Context, r representation.Record, es ...journal.Event) error {
	return p.counted(p.Stores.CreateRepresentation(ctx, r, es...), es)
}

// UpdateRepresentation implements [representation.Store].
func (p countedProvider) UpdateRepresentation(ctx context.Context, r representation.Record, es ...journal.Event) error {
	return p.counted(p.Stores.UpdateRepresentation(ctx, r, es...), es)
}

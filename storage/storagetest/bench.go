//go:build unix

package storagetest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/storage/storagetest/identities"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/provider"
	"yizheng.internal/storage/storagetest/suite"
)

// BenchmarkLogins measures what a login, a refresh and a look at a token ask of a
// database, by many callers at once. Bodies have the size of real ones. Beside the
// time it reports the processor time of an operation, the servers' included: that
// says what a core can do, whatever else the machine does.
func BenchmarkLogins(b *testing.B, d suite.Database, servers suite.CPU) {
	s := d.Provider
	ctx := context.Background()
	body := bytes.Repeat([]byte{0xa5}, 700)
	sessions, families := make([]session.Record, 1000), make([]token.FamilyRecord, 1000)
	for i := range sessions {
		sessions[i], families[i] = provider.NewSession(), provider.NewFamily()
		sessions[i].Body, families[i].Body = body, body
		if err := s.CreateSession(ctx, sessions[i]); err != nil {
			b.Fatal(err)
		}
		if _, err := s.RedeemCode(ctx, suite.NewHash(), suite.At(600), families[i]); err != nil {
			b.Fatal(err)
		}
	}
	var turn atomic.Int64
	next := func() int { return int(turn.Add(1)) % len(sessions) }
	refresh := func() error {
		for i := next(); ; {
			f, err := s.LoadFamily(ctx, families[i].ID)
			if err != nil {
				return err
			}
			if _, err := s.LoadSession(ctx, sessions[i].ID); err != nil {
				return err
			}
			f.Number, f.Rotated = f.Number+1, time.Now()
			if err = s.UpdateFamily(ctx, f); !errors.Is(err, oidc.ErrConflict) {
				return err
			}
		}
	}
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"RedeemCode", func() error {
			f := provider.NewFamily()
			f.Body = body
			_, err := s.RedeemCode(ctx, suite.NewHash(), suite.At(600), f, ledger.ProviderEvent())
			return err
		}},
		{"Refresh", refresh}, // LoadFamily, LoadSession and UpdateFamily
		{"Arrive", func() error { // a row of an import
			a := identities.NewArrival()
			a.Made.Party.Body, a.Made.Account.Body, a.Link.Body = body, body, body
			return s.Arrive(ctx, a)
		}},
		{"Spend", func() error { return s.Spend(ctx, suite.NewHash(), suite.At(600)) }},
		{"FindSession", func() error { _, err := s.FindSession(ctx, sessions[next()].Cookie); return err }},
		{"LoadFamily", func() error { _, err := s.LoadFamily(ctx, families[next()].ID); return err }},
		{"IsSpent", func() error { _, err := s.IsSpent(ctx, suite.NewHash()); return err }},
	} {
		b.Run(c.name, func(b *testing.B) { suite.InParallel(b, servers, c.call) })
	}
}

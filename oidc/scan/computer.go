package scan

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing/journal"
)

// Shown is a code as the computer shows it.
type Shown struct {
	Code   oidc.Secret
	Digits string // two, which the phone shows as well
	State  State
	Name   string        // who has read it, masked; empty: nobody
	Left   time.Duration // how long it can be confirmed yet
}

// computer names a browser with its request. Nobody else can make it.
func computer(b oidc.Browser, request oidc.Secret) string {
	return oidc.Derive(b.ID.Reveal(), "scan.computer", request.Reveal())
}

// Ask makes a code for an authorization request at a browser. *identity.Error: too_many_tries,
// unavailable.
func (s *Service) Ask(ctx context.Context, b oidc.Browser, request oidc.Secret, w Wish) (Shown, error) {
	if err := s.count(ctx, limitAsked, tries.AddressOf(b.Address)); err != nil {
		return Shown{}, err
	}
	now := time.Now()
	digits, err := rand.Int(rand.Reader, big.NewInt(100))
	if err != nil {
		return Shown{}, err
	}
	k := kept{
		Wish: w, Computer: computer(b, request), Digits: fmt.Sprintf("%02d", digits), Address: b.Address.Unmap().WithZone("").String(),
		UserAgent: clip(b.UserAgent), Began: now.UTC(),
	}
	how, err := s.keeping(ctx, &k)
	if err != nil {
		return Shown{}, err
	}
	code := oidc.NewHandle()
	if err := s.c.Kept.Keep(ctx, keptCode, code.Hash(), k, how); err != nil {
		return Shown{}, err
	}
	return k.shown(code, now), nil
}

// clip cuts a User-Agent to what is kept of it.
func clip(s string) string {
	s = s[:min(len(s), maxUserAgent)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

func (k *kept) shown(code oidc.Secret, now time.Time) Shown {
	return Shown{Code: code, Digits: k.Digits, State: k.state(now), Name: k.Name, Left: max(0, k.Began.Add(CodeLife).Sub(now))}
}

// Shown returns a code of this browser and request. ErrGone if it is none, or gone.
func (s *Service) Shown(ctx context.Context, b oidc.Browser, request, code oidc.Secret) (Shown, error) {
	k, err := s.own(ctx, b, request, code)
	if err != nil {
		return Shown{}, err
	}
	return k.shown(code, time.Now()), nil
}

// own reads a code of this browser and request.
func (s *Service) own(ctx context.Context, b oidc.Browser, request, code oidc.Secret) (kept, error) {
	k, _, err := s.load(ctx, code)
	if err != nil {
		return kept{}, err
	}
	if !b.ID.IsHandle() || !oidc.SameText(k.Computer, computer(b, request)) {
		return kept{}, ErrGone
	}
	return k, nil
}

// Take begins the session of a computer whose code was confirmed, once, and returns it with its
// cookie. The login isn't older than oldest; zero: how old it may be was looked at when it was confirmed.
// ErrGone also if the phone's session isn't good any more: it ended, its account was disabled,
// secured or got another password.
func (s *Service) Take(ctx context.Context, b oidc.Browser, request, code oidc.Secret, oldest time.Time) (*session.Login, oidc.Secret, error) {
	k, err := s.own(ctx, b, request, code)
	if err != nil {
		return nil, oidc.Secret{}, err
	}
	if k.state(time.Now()) != Confirmed {
		return nil, oidc.Secret{}, ErrGone
	}
	lender, err := s.lending.Lender(ctx, k.Session, k.Account)
	if err == nil && lender.Proved().Before(oldest) {
		err = oidc.ErrNoSession
	}
	over := errors.Is(err, oidc.ErrNoSession)
	if err != nil && !over {
		return nil, oidc.Secret{}, err
	}
	if err := s.spend(ctx, code, "taken"); err != nil {
		return nil, oidc.Secret{}, err
	}
	s.c.Kept.Forget(ctx, keptCode, code.Hash())
	did := identity.Did(k.Account, journal.ActionLoginScan, k.Account, b.RequestID, journal.ResultOK)
	if over {
		did.Result = resultOver
		s.c.Journal.Noted(ctx, did)
		return nil, oidc.Secret{}, ErrGone
	}
	if err := s.c.Journal.Record(ctx, did); err != nil {
		return nil, oidc.Secret{}, err
	}
	return s.lending.Start(ctx, b, lender)
}

// resultOver is what an event says of a login whose phone's session was over.
const resultOver = "phone_session_over"

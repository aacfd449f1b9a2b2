// Package scan logs people in at a computer by their phone 扫码登录. The computer shows a code; a
// phone on which somebody is logged in reads it, sees who asks and from where, and confirms; then
// the computer's browser, and no other, begins a session with what the phone's session proved.
package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

const (
	// CodeLife is how long a code can be confirmed, from when the computer asked for it.
	CodeLife = 2 * time.Minute
	// TakeLife is how long the computer may take what was confirmed, from then on.
	TakeLife = time.Minute
	// MaxAge is the greatest age of a phone's login.
	MaxAge = 12 * time.Hour

	// Most is the strength that proofs have at the most at a computer: see [factor.Proof].Relayed.
	Most factor.Assurance = 2

	maxUserAgent = 200 // bytes that are kept of the computer's
	changeTries  = 5   // how many times a change is tried when others come first
	keptCode     = "scan"
)

// ErrGone says that a code is good for nothing here: there is none, it expired, it was decided or
// taken, or it is another phone's or another computer's. Nobody learns which of these.
var ErrGone = errors.New("the code is gone")

// ErrAbsent says that somebody confirmed without saying that they sit at the computer.
var ErrAbsent = errors.New("it isn't confirmed that the person is at the computer")

// Limits of codes, by who asks for them and by who reads them.
var (
	limitAsked = tries.Limit{Name: "scan.asked", Most: 300, Window: 10 * time.Minute} // by address: a hall may share one
	limitSeen  = tries.Limit{Name: "scan.seen", Most: 20, Window: 10 * time.Minute}   // by account
)

// Spent spends what can be used once; [token.Spent] has this method.
type Spent interface {
	Spend(ctx context.Context, hash [32]byte, keep time.Time) error
}

// Config says what a Service works with. All of it is required but Networks.
type Config struct {
	Kept     *keeper.Keeper
	Counters *tries.Counters
	Sessions *session.Service
	Spent    Spent // as token.AuthenticSpent returns it
	Vault    *vault.Vault
	Journal  *journal.Recorder
	Networks Networks // those that the operator has named
}

// Service keeps codes. What is kept of one may be lost, and the computer asks for another then.
// What must not happen twice, a decision and a login, is spent in the database. Safe for
// concurrent use.
type Service struct {
	c       Config
	lending *session.Lending
}

// New returns a Service.
func New(c Config) *Service { return &Service{c, session.NewLending(c.Sessions)} }

// Wish is what a computer asks for.
type Wish struct {
	Client   string           `json:"client,omitempty"` // id of the client whose login it is; empty: pages of our own are to be seen
	Licenses bool             `json:"licenses,omitempty"`
	Strength factor.Assurance `json:"strength,omitempty"` // that the phone's login should have
	Since    time.Time        `json:"since,omitzero"`     // the phone's login must not be older; see [Oldest]
}

// Oldest returns the earliest login of a phone that will do for a request whose login must be
// new, or of a certain age at the most (nil: of any). An age is one that the login has yet when the
// computer takes it, as late as it may.
func Oldest(now time.Time, prompted bool, maxAge *int64) time.Time {
	since := now.Add(-MaxAge)
	if maxAge != nil {
		if by := now.Add(CodeLife + TakeLife - time.Duration(min(*maxAge, int64(MaxAge/time.Second)))*time.Second); by.After(since) {
			since = by
		}
	}
	if prompted || since.After(now) {
		since = now // somebody proves it anew
	}
	return since.UTC()
}

// State is where a code is on its way.
type State string

// The states. A code that was refused, taken or has expired is gone.
const (
	Asked     State = "asked"     // no phone has read it
	Seen      State = "seen"      // a phone has, and its person hasn't decided
	Confirmed State = "confirmed" // the computer can log in
)

// kept is a code on its way, as it is stored: sealed, under its hash.
type kept struct {
	Wish
	Computer  string    `json:"computer"` // derived from the browser's cookie and the request: only that browser can take it
	Digits    string    `json:"digits"`
	Address   string    `json:"address"`
	UserAgent string    `json:"user_agent,omitempty"`
	Began     time.Time `json:"began"`
	Account   string    `json:"account,omitempty"` // whose phone has read it; empty: none has
	Name      string    `json:"name,omitempty"`    // of that person, masked
	Session   string    `json:"session,omitempty"` // in which it was confirmed; empty: it wasn't
	Decided   time.Time `json:"decided,omitzero"`
}

// state returns where a code is at a time, or "" if it is gone.
func (k *kept) state(now time.Time) State {
	switch {
	case k.Session != "" && now.Before(k.Decided.Add(TakeLife)):
		return Confirmed
	case !k.Decided.IsZero() || !now.Before(k.Began.Add(CodeLife)):
		return ""
	case k.Account != "":
		return Seen
	}
	return Asked
}

// once returns the hash that is spent by a use of a code.
func once(code oidc.Secret, use string) [32]byte {
	return oidc.SecretOf(oidc.Derive(code.Reveal(), "scan", use)).Hash()
}

// spend spends a use of a code in the database. ErrGone if it was spent before.
func (s *Service) spend(ctx context.Context, code oidc.Secret, use string) error {
	err := s.c.Spent.Spend(ctx, once(code, use), time.Now().Add(2*(CodeLife+TakeLife)))
	if errors.Is(err, token.ErrSpent) {
		return ErrGone
	}
	if err != nil {
		return oidc.Unavailable(fmt.Errorf("using a login code: %w", err))
	}
	return nil
}

// count counts something, and refuses what is over its limit.
func (s *Service) count(ctx context.Context, l tries.Limit, who string) error {
	n, err := s.c.Counters.Count(ctx, l, time.Now(), who)
	if err == nil && n.Over() {
		err = tries.TooMany(n)
	}
	return err
}

// load reads a code that isn't gone, with its sealed form.
func (s *Service) load(ctx context.Context, code oidc.Secret) (k kept, sealed []byte, err error) {
	if !code.IsHandle() {
		return k, nil, ErrGone
	}
	sealed, err = s.c.Kept.Find(ctx, keptCode, code.Hash(), &k)
	if errors.Is(err, ephemeral.ErrGone) || err == nil && k.state(time.Now()) == "" {
		return kept{}, nil, ErrGone
	}
	return k, sealed, err
}

// change stores a change of a code. The change is made anew if another came first; it returns an
// error if it can't be made then.
func (s *Service) change(ctx context.Context, code oidc.Secret, to func(*kept) error) (kept, error) {
	for try := 1; ; try++ {
		k, sealed, err := s.load(ctx, code)
		if err != nil {
			return kept{}, err
		}
		before := k
		if err := to(&k); err != nil || k == before {
			return k, err
		}
		var how ephemeral.Keeping
		if k.Account != "" {
			if how, err = s.keeping(ctx, &k); err != nil {
				return kept{}, err
			}
		}
		_, err = s.c.Kept.Swap(ctx, keptCode, code.Hash(), sealed, k, how)
		switch {
		case errors.Is(err, ephemeral.ErrGone):
			return kept{}, ErrGone
		case err == nil || !errors.Is(err, ephemeral.ErrChanged) || try == changeTries:
			return k, err
		}
	}
}

// keeping returns how a code is stored: until somebody who is logged in has read it, it is the
// network's that asked.
func (s *Service) keeping(ctx context.Context, k *kept) (ephemeral.Keeping, error) {
	part, of := ephemeral.PartOpened, k.Address
	if k.Account != "" {
		part, of = ephemeral.PartReserved, k.Account
	} else if a := parse(k.Address); a.IsValid() {
		of = ephemeral.NetworkOf(a)
	}
	owner, err := ephemeral.OwnerOf(ctx, s.c.Vault, of)
	return ephemeral.Keeping{Part: part, Owner: owner, Until: k.Began.Add(CodeLife + TakeLife)}, err
}

// masked returns somebody's name as the computer shows it.
func masked(who oidc.Session) string { return party.MaskName(who.Party.Name) }

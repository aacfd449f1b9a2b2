package factor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Factor begins and finishes the proof of one factor, of an account that is known.
type Factor interface {
	// Begin gets ready for the proof: it sends a code, or whatever the factor takes.
	// Refusals are *identity.Error.
	Begin(ctx context.Context, l Login) (Begun, error)
	// Finish checks what the person answered, and returns the proof. Refusals are
	// *identity.Error. Each leaves an event, and a proof is none without its own.
	Finish(ctx context.Context, l Login, answer string) (Proof, error)
}

// Login is a login in which a factor is proved.
type Login struct {
	Account   string // its id
	Binding   string // a secret of the login, such as its session's id: what was begun in one isn't finished in another
	Device    string // what DeviceToken gave this browser; else empty
	Address   netip.Addr
	Language  string // of a message, such as zh-CN or en
	RequestID string
}

// Begun says what a factor began.
type Begun struct {
	Phone string        // to which something was sent, masked, for the page; empty: nothing was
	Again time.Duration // after which it may be begun anew
}

// Config says what a Service works with. All of it is needed, but Sender and Log.
type Config struct {
	People    *identity.Service
	Passwords *password.Hasher
	Ephemeral identity.Ephemeral
	Vault     *vault.Vault
	Sender    Sender // of one-time codes; nil: there are none
	Journal   identity.Journal
	Log       *slog.Logger // default: discards
}

// tools is what factors are proved with.
type tools struct {
	Config
	*counters
	tries *limiter
	codes *codes
}

// proved records what a try to prove a factor came to, and returns err: a refusal is noted, and
// a proof that can't be recorded is none.
func (t *tools) proved(ctx context.Context, l Login, action journal.Action, err error) error {
	f := identity.Did(l.Account, action, l.Account, l.RequestID, identity.ReasonOf(err))
	if err != nil {
		t.Journal.Noted(ctx, f)
		return err
	}
	return t.Journal.Record(ctx, f)
}

// Service proves factors. Safe for concurrent use.
type Service struct {
	passwords *passwords
	devices   *devices
	factors   map[Name]Factor
}

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.People == nil || c.Passwords == nil || c.Ephemeral == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("factors need People, Passwords, Ephemeral, a Vault and a Journal")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	counters, devices := &counters{c.Ephemeral, c.Vault, c.Log}, &devices{c.Vault}
	t := &tools{c, counters, &limiter{counters, devices, c.Sender != nil}, &codes{counters}}
	s := &Service{passwords: &passwords{t}, devices: devices, factors: map[Name]Factor{}}
	for _, d := range All() {
		s.factors[d.Name] = d.prover(t)
	}
	return s, nil
}

// Begin begins the proof of a factor; see [Factor].
func (s *Service) Begin(ctx context.Context, n Name, l Login) (Begun, error) {
	f, ok := s.factors[n]
	if !ok {
		return Begun{}, fmt.Errorf("there is no factor %q", n)
	}
	return f.Begin(ctx, l)
}

// Finish finishes the proof of a factor; see [Factor].
func (s *Service) Finish(ctx context.Context, n Name, l Login, answer string) (Proof, error) {
	f, ok := s.factors[n]
	if !ok {
		return Proof{}, fmt.Errorf("there is no factor %q", n)
	}
	return f.Finish(ctx, l, answer)
}

// CheckPassword returns the account that login and password name. An unknown
// account, one without a password, a disabled one and a wrong password are one
// *Error, login_refused, after the same work.
//
// Tries are limited by account and known device, and for unknown devices by
// login, by login and address, by address, and by account: when only the last is used
// up, the right password is answered as a wrong one. Where those of unknown devices
// are used up, the answer is a *Challenge, whether the password is right or not:
// a code that was sent to the account's phone, if it was right, decides. So
// nobody can lock out another person, and nobody can guess on. Without a Sender
// the answer is *Error too_many_tries instead, with Retry set; so it is for an
// address far beyond its limit.
//
// Also *Error: busy, if too many wait for a hash; unavailable, if tries can't be
// counted.
func (s *Service) CheckPassword(ctx context.Context, a Attempt) (identity.Account, error) {
	return s.passwords.check(ctx, a)
}

// ConfirmLogin returns the account of a challenge, when its code is right, for
// the browser with that binding: password and code are both checked then.
// *Error as those of CheckCode, and login_refused if the account was disabled, or
// got another password, meanwhile.
func (s *Service) ConfirmLogin(ctx context.Context, handle, binding, code, requestID string) (identity.Account, error) {
	return s.passwords.confirm(ctx, handle, binding, code, requestID)
}

// ChangePassword sets another password for an account whose owner knows the one
// it has, a.Password, and returns the account. It is for somebody who is logged
// in to it; a.Login, a.Binding and a.Language count for nothing.
//
// Tries of the old one are limited and counted as those of CheckPassword are, on
// a known device by the same counts, for a stolen session must not help with
// guessing. Where those are used up the answer is too_many_tries, whether the
// password is right or not, with Retry set: nothing is sent, as whoever is kept
// from it here can still log in.
//
// *Error: wrong_password (also of a disabled account), too_many_tries, busy,
// unavailable; and only if the old one is right password_same and those of
// SetPassword, which tell something of the person. Of changes side by side one
// succeeds, by the account's revision; a setup ticket ends with it.
func (s *Service) ChangePassword(ctx context.Context, a Attempt, account, next string) (identity.Account, error) {
	return s.passwords.change(ctx, a, account, next)
}

// DeviceToken returns a token for the browser of somebody who has logged in,
// which makes it a known device of the account, for a year or until the account
// gets another password; it is no credential.
// had is what the browser has already, for other persons too, or empty: the
// newest five stay.
func (s *Service) DeviceToken(ctx context.Context, account identity.Account, had string) (string, error) {
	return s.devices.token(ctx, account, had)
}

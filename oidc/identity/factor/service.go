package factor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/device"
	"yizheng.internal/oidc/identity/guessing"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Factor begins and finishes the proof of one factor, for an account that is known already.
type Factor interface {
	// Begin prepares the proof: it sends a code, or does whatever the factor needs.
	// Refusals are *identity.Error.
	Begin(ctx context.Context, l Login) (Begun, error)
	// Finish checks what the person answered, and returns the proof. Refusals are
	// *identity.Error. Each refusal leaves an event. If the event of a proof can't be
	// stored, Finish returns an error and no proof.
	Finish(ctx context.Context, l Login, answer string) (Proof, error)
}

// Login is a login in which a factor is proved.
type Login struct {
	Account   string // its id
	Binding   string // a secret of the login, such as its session's id; another login can't finish the proof
	Device    string // what DeviceToken gave this browser; empty: nothing
	Address   netip.Addr
	Language  string // the language of a message, such as zh-CN or en
	RequestID string
	// Certificate is the one with which the browser opened its connection, as a proxy says that is believed; DER.
	Certificate string
}

// Begun says what a factor began.
type Begun struct {
	Phone string        // the masked phone to which something was sent, for the page; empty: nothing was sent
	Again time.Duration // how long to wait before the next Begin
	// Options is what the page asks the browser for, as JSON; see
	// [passkey.Service].RequestJSON; or the text that a certificate's key signs. Empty: nothing.
	Options string
}

// Config says what a Service works with. All fields are needed except Passkeys, Certificates, Sender and Log.
type Config struct {
	People       *identity.Service
	Passwords    *password.Hasher
	Ephemeral    ephemeral.Store
	Vault        *vault.Vault
	Passkeys     *passkey.Service     // nil: nobody logs in with one
	Certificates *certificate.Service // nil: nobody logs in with one
	Sender       notice.Sender        // sends one-time codes; nil: there are none
	Notices      *notice.Notices
	Journal      identity.Journal
	Log          *slog.Logger // default: discards
}

// tools has what the factors share.
type tools struct {
	Config
	*tries.Counters
	limits *guessing.Limiter
	codes  *onetime.Codes
}

// proved records the result of a try to prove a factor. If err is not nil, it notes the refusal
// and returns err. Otherwise it returns an error if the proof can't be recorded: then there is
// no proof.
func (t *tools) proved(ctx context.Context, l Login, action journal.Action, err error) error {
	f := identity.Did(l.Account, action, l.Account, l.RequestID, identity.ReasonOf(err))
	if err != nil {
		t.Journal.Noted(ctx, f)
		return err
	}
	return t.Journal.Record(ctx, f)
}

// usable returns an account with which somebody may log in; here says that the factor is there at all.
func (t *tools) usable(ctx context.Context, id string, here bool) (identity.Account, error) {
	if !here {
		return identity.Account{}, notHere()
	}
	a, err := t.People.Account(ctx, id)
	if err == nil && a.Disabled {
		err = refusedLogin()
	}
	return a, err
}

// notHere refuses a factor that isn't configured.
func notHere() error {
	return &identity.Error{Reason: identity.ReasonNoSecondFactor, Detail: "Nobody can log in with that here."}
}

// Service proves factors. Safe for concurrent use.
type Service struct {
	passwords *passwords
	devices   *device.Devices
	factors   map[Name]Factor
}

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.People == nil || c.Passwords == nil || c.Ephemeral == nil || c.Vault == nil || c.Notices == nil || c.Journal == nil {
		return nil, errors.New("factors need People, Passwords, Ephemeral, a Vault, Notices and a Journal")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	counters, devices := tries.New(c.Ephemeral, c.Vault, c.Log), device.New(c.Vault)
	codes := onetime.New(counters, c.Ephemeral, c.Vault, c.Log)
	t := &tools{c, counters, guessing.New(counters, devices, c.Sender != nil), codes}
	s := &Service{passwords: &passwords{t}, devices: devices, factors: map[Name]Factor{}}
	for _, d := range All() {
		if d.prover != nil {
			s.factors[d.Name] = d.prover(t)
		}
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

// CheckPassword returns the account of a login with its password. An unknown account, an
// account without a password, a disabled account and a wrong password all get the same *Error,
// login_refused, after the same work.
//
// Tries are limited by account and known device, and for unknown devices by login, by login and
// address, by address, and by account. When only the limit by account is used up, the right
// password gets the answer of a wrong one. When another limit of unknown devices is used up, the
// answer is a *Challenge, whether the password is right or not. If it is right, a code is sent to
// the account's phone, and the code decides. So nobody can lock out another person, and nobody
// can go on guessing. Without a Sender the answer is *Error too_many_tries instead, with Retry
// set. An address far beyond its limit gets that, too.
//
// Also *Error: busy, if too many wait for a hash; unavailable, if tries can't be counted.
func (s *Service) CheckPassword(ctx context.Context, a Attempt) (identity.Account, error) {
	return s.passwords.check(ctx, a)
}

// ConfirmLogin returns the account of a challenge if the code is right and the browser has
// that binding. Then both password and code have been checked. *Error: code_wrong,
// code_expired, too_many_tries, unavailable; and login_refused if the account was disabled or
// its password changed meanwhile.
func (s *Service) ConfirmLogin(ctx context.Context, handle, binding, code, requestID string) (identity.Account, error) {
	return s.passwords.confirm(ctx, handle, binding, code, requestID)
}

// ChangePassword sets another password for an account, if a.Password is its present one, tells
// the owner, and returns the account. It is for somebody who is logged in to the account. It
// ignores a.Login and a.Binding.
//
// Tries of the old password are limited and counted like those of CheckPassword, on a known
// device with the same counters: a stolen session must not help with guessing. When a limit is
// used up, the answer is too_many_tries with Retry set, whether the password is right or not. No
// code is sent, because somebody who is refused here can still log in.
//
// *Error: wrong_password (also for a disabled account), too_many_tries, busy, unavailable. Only
// if the old password is right: password_same, and the password_ reasons of
// [password.Tickets.SetPassword], which reveal something about the person. Of simultaneous
// changes one succeeds, because of the account's revision. A change ends the setup ticket.
func (s *Service) ChangePassword(ctx context.Context, a Attempt, account, next string) (identity.Account, error) {
	return s.passwords.change(ctx, a, account, next)
}

// DeviceToken returns a token for the browser of somebody who has logged in. It makes the
// browser a known device of the account for a year, or until the account's password changes.
// It is no credential. had is what the browser has already, for other persons too, or empty:
// the newest five stay.
func (s *Service) DeviceToken(ctx context.Context, account identity.Account, had string) (string, error) {
	return s.devices.Token(ctx, account, had)
}

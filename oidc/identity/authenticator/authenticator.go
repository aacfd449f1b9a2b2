// Package authenticator is what people do with their own authenticators: they add one, name it and
// remove it. How one is proved in a login is package factor's affair.
package authenticator

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Config says what a Service works with. All of it is required but Passkeys, Certificates and Issuer.
type Config struct {
	People       *identity.Service
	Factors      *factor.Service
	Notices      *notice.Notices
	Vault        *vault.Vault
	Passkeys     *passkey.Service     // nil: nobody adds one
	Certificates *certificate.Service // nil: nobody adds one
	Journal      identity.Journal
	Issuer       string // what apps call this service; default: 一证
}

// Service changes people's authenticators. Its callers have seen that it is the owner who asks, by
// a login of two factors not long ago. Safe for concurrent use.
type Service struct{ c Config }

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.People == nil || c.Factors == nil || c.Notices == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("the service of authenticators needs People, Factors, Notices, a Vault and a Journal")
	}
	c.Issuer = cmp.Or(c.Issuer, "一证")
	return &Service{c}, nil
}

// Owner is who changes their authenticators.
type Owner struct {
	Account   string           // its id
	Session   string           // its id: what was begun in one isn't finished in another
	AuthTime  time.Time        // when they logged in in it
	Since     time.Time        // as of [oidc.Session]; zero: never
	Strength  factor.Assurance // of what they logged in with
	Relayed   bool             // a phone lent it: nothing changes how somebody logs in
	Language  string           // of messages, such as zh-CN or en
	RequestID string
}

const (
	most      = 5  // authenticators of one factor
	nameMost  = 30 // characters of a name
	setupLife = 15 * time.Minute
)

// The names of what messages tell, in Chinese and English.
var kinds = map[factor.Name][2]string{
	factor.Passkey:      {"通行密钥", "passkey"},
	factor.TOTP:         {"身份验证器", "authenticator app"},
	factor.RecoveryCode: {"恢复码", "recovery codes"},
	factor.Upstream:     {"其他平台账号", "account elsewhere"},
	factor.Certificate:  {"数字证书", "certificate"},
}

// kind returns what an authenticator is, for a message.
func kind(n factor.Name, language string) string {
	if strings.HasPrefix(strings.ToLower(language), "en") {
		return kinds[n][1]
	}
	return kinds[n][0]
}

// Setup is what somebody needs to add an app that shows codes.
type Setup struct {
	Secret string // to be typed, in base 32
	URI    string // to be shown as a QR code
	Token  string // the form that finishes carries it
}

// pending is what a form carries, sealed, until what it began is added: nothing is stored of it.
type pending[T any] struct {
	What  T         `json:"what"`
	Until time.Time `json:"until"`
}

func begin[T any](what T) pending[T] { return pending[T]{what, time.Now().Add(setupLife)} }

func (o *Owner) place(n factor.Name) vault.Place {
	return vault.Place{Table: "forms", Row: o.Account + "." + o.Session, Column: string(n)}
}

// seal returns the token of a form, for the same owner in the same session alone.
func seal[T any](ctx context.Context, s *Service, o *Owner, n factor.Name, p pending[T]) (string, error) {
	sealed, err := s.c.Vault.SealJSON(ctx, o.place(n), p)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// open opens a form's token. *Error: setup_expired.
func open[T any](ctx context.Context, s *Service, o *Owner, n factor.Name, token string) (p pending[T], err error) {
	expired := &identity.Error{Reason: "setup_expired", Detail: "The page was open for too long. Begin anew."}
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(sealed) > 1<<10 {
		return p, expired
	}
	if err := s.c.Vault.OpenJSON(ctx, o.place(n), sealed, &p); err != nil { // another session's, or nobody's
		expired.Err = err
		return p, expired
	}
	if !time.Now().Before(p.Until) {
		return p, expired
	}
	return p, nil
}

// Prepare makes a secret for an app of the owner's. *Error: authenticator_limit.
func (s *Service) Prepare(ctx context.Context, o Owner) (Setup, error) {
	a, err := s.c.People.Account(ctx, o.Account)
	if err != nil {
		return Setup{}, err
	}
	if err := CheckRoom(&a, factor.TOTP); err != nil {
		return Setup{}, err
	}
	return s.setup(ctx, o, &a, begin(factor.NewTOTPSecret()))
}

// setup shows what is pending.
func (s *Service) setup(ctx context.Context, o Owner, a *identity.Account, p pending[factor.TOTPSecret]) (Setup, error) {
	token, err := seal(ctx, s, &o, factor.TOTP, p)
	if err != nil {
		return Setup{}, err
	}
	return Setup{p.What.Text(), p.What.URI(s.c.Issuer, called(a)), token}, nil
}

// called is what people see of their account in an app, and where passkeys are chosen: it says
// no more than a login page does.
func called(a *identity.Account) string {
	if a.LoginName != "" {
		return a.LoginName
	}
	return a.MaskedPhone()
}

// Resume shows a setup once more, as its form's token says it. *Error: setup_expired.
func (s *Service) Resume(ctx context.Context, o Owner, token string) (Setup, error) {
	p, err := open[factor.TOTPSecret](ctx, s, &o, factor.TOTP, token)
	if err != nil {
		return Setup{}, err
	}
	a, err := s.c.People.Account(ctx, o.Account)
	if err != nil {
		return Setup{}, err
	}
	return s.setup(ctx, o, &a, p)
}

// Add adds the app of a setup once it shows the right code, under a name. The form sent twice
// adds it once. The owner is told; nothing that is logged in ends. *Error: code_wrong,
// setup_expired, name_invalid, authenticator_limit, session_over, stronger_login, too_many_tries.
func (s *Service) Add(ctx context.Context, o Owner, token, name, code string) error {
	p, err := open[factor.TOTPSecret](ctx, s, &o, factor.TOTP, token)
	if err != nil {
		return err
	}
	if name, err = checkName(name); err != nil {
		return err
	}
	first := p.What.Text()
	if a, err := s.c.People.Account(ctx, o.Account); err != nil || has(&a, first) {
		return err // it was added by the same form
	}
	if err := s.c.Factors.CountChange(ctx, o.Account); err != nil {
		return err
	}
	added := false
	account, err := s.changeStrongly(ctx, o, journal.ActionFactorAdd, func(a *identity.Account) error {
		if added = !has(a, first); !added {
			return nil // by the same form, sent twice at once
		}
		if err := CheckRoom(a, factor.TOTP); err != nil {
			return err
		}
		secret := p.What
		if !secret.Take(code, time.Now()) {
			return &identity.Error{Reason: identity.ReasonCodeWrong, Detail: "The code is wrong. Take the one that the app shows now, and see that the phone's clock is right."}
		}
		return put(a, factor.TOTP, name, secret)
	})
	if err == nil && added {
		s.c.Notices.Tell(ctx, account, notice.AuthenticatorAdded, kind(factor.TOTP, o.Language), o.Language, o.RequestID)
	}
	return err
}

// has reports whether an account has the app with that secret.
func has(a *identity.Account, secret string) bool {
	return slices.ContainsFunc(a.Authenticators, func(x identity.Authenticator) bool {
		var s factor.TOTPSecret
		return x.Factor == string(factor.TOTP) && json.Unmarshal(x.Data, &s) == nil && s.Text() == secret
	})
}

// RecoveryCodes are codes that were just made.
type RecoveryCodes struct {
	Codes   []string
	Account identity.Account // as it is then
	Ended   bool             // others were replaced: what was logged in to the account ended, as when they are removed
}

// MakeRecoveryCodes makes ten recovery codes in place of those of an authenticator, or of none if
// its id is empty: so a form that is sent twice makes them once. They can't be shown again. The
// owner is told. *Error: codes_changed if the account has others than those, session_over,
// stronger_login, too_many_tries.
func (s *Service) MakeRecoveryCodes(ctx context.Context, o Owner, before string) (made RecoveryCodes, err error) {
	if err := s.c.Factors.CountChange(ctx, o.Account); err != nil {
		return RecoveryCodes{}, err
	}
	codes, kept, err := s.c.Factors.NewRecoveryCodes(ctx, o.Account)
	if err != nil {
		return RecoveryCodes{}, err
	}
	made.Codes = codes
	made.Account, err = s.changeStrongly(ctx, o, journal.ActionFactorAdd, func(a *identity.Account) error {
		if RecoveryID(a) != before {
			return &identity.Error{Reason: "codes_changed", Detail: "Other codes were made meanwhile. If they weren't kept, make new ones."}
		}
		if made.Ended = before != ""; made.Ended {
			a.Authenticators = slices.DeleteFunc(a.Authenticators, func(x identity.Authenticator) bool { return x.ID == before })
			a.Secure(time.Now())
		}
		return put(a, factor.RecoveryCode, "", kept)
	})
	if err != nil {
		return RecoveryCodes{}, err
	}
	told := notice.RecoveryCodesMade
	if made.Ended {
		told = notice.RecoveryCodesRenewed
	}
	s.c.Notices.Tell(ctx, made.Account, told, "", o.Language, o.RequestID)
	return made, nil
}

// RecoveryID returns the id of an account's recovery codes, or "" if it has none.
func RecoveryID(a *identity.Account) string {
	for _, x := range a.Authenticators {
		if x.Factor == string(factor.RecoveryCode) {
			return x.ID
		}
	}
	return ""
}

// Rename gives an authenticator another name. *Error: name_invalid, authenticator_unknown, session_over.
func (s *Service) Rename(ctx context.Context, o Owner, id, name string) error {
	name, err := checkName(name)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, o, journal.ActionFactorRename, func(a *identity.Account) error {
		i, err := find(a, id)
		if err == nil {
			a.Authenticators[i].Name = name
		}
		return err
	})
	return err
}

// Remove removes an authenticator, and returns the account as it is then: whatever was logged in
// to it before [identity.Account].Secured is over, and offline access, too. The owner is told.
// *Error: authenticator_unknown, session_over, stronger_login, too_many_tries.
func (s *Service) Remove(ctx context.Context, o Owner, id string) (identity.Account, factor.Name, error) {
	if err := s.c.Factors.CountChange(ctx, o.Account); err != nil {
		return identity.Account{}, "", err
	}
	var removed identity.Authenticator
	account, err := s.changeStrongly(ctx, o, journal.ActionFactorRemove, func(a *identity.Account) error {
		i, err := find(a, id)
		if err != nil {
			return err
		}
		removed = a.Authenticators[i]
		a.Authenticators = slices.Delete(a.Authenticators, i, i+1)
		unlinked(a, removed)
		a.Secure(time.Now())
		return nil
	})
	if err != nil {
		return identity.Account{}, "", err
	}
	s.c.Notices.Tell(ctx, account, notice.AuthenticatorRemoved, described(removed, o.Language), o.Language, o.RequestID)
	return account, factor.Name(removed.Factor), nil
}

// ReasonSessionOver says that the session ended in which a change was asked for.
const ReasonSessionOver identity.Reason = "session_over"

// Stands returns an error if the owner's session is over, by the account as it is stored. *Error: session_over.
func (o *Owner) Stands(a *identity.Account) error {
	if standing := a.Standing(); standing.Over(o.AuthTime, o.Since) != "" {
		return &identity.Error{Reason: ReasonSessionOver, Detail: "The session ended meanwhile. Log in again."}
	}
	return nil
}

// IsStrongest returns an error if the owner didn't log in as strongly as the account can now, or at another
// device. *Error: stronger_login.
func (o *Owner) IsStrongest(a *identity.Account, now time.Time) error {
	all := factor.All()
	switch {
	case o.Relayed:
		return &identity.Error{Reason: reasonStronger, Detail: "The login was lent by a phone. Log in at this computer itself first."}
	case o.Strength < all.Strength(all.Best(*a, now)):
		return &identity.Error{Reason: reasonStronger, Detail: "The account has something safer to log in with. Log in with that first."}
	}
	return nil
}

const reasonStronger identity.Reason = "stronger_login"

// change changes the owner's account, with its event. It asks the account as it is stored whether
// the owner's session still stands: what the page knew of it may be some seconds old.
func (s *Service) change(ctx context.Context, o Owner, action journal.Action, do func(*identity.Account) error) (a identity.Account, err error) {
	err = s.c.Journal.Change(ctx, identity.Did(o.Account, action, o.Account, o.RequestID, ""), func() (err error) {
		a, err = s.c.People.Change(ctx, o.Account, func(a *identity.Account) error {
			if err := o.Stands(a); err != nil {
				return err
			}
			return do(a)
		})
		return err
	})
	return a, err
}

// changeStrongly is change for what can be logged in with: it is for who logged in as strongly as
// the account can (NIST SP 800-63B-4 section 4.1.2), so that no login that was phished adds a
// passkey of its own beside one that can't be, or removes that.
func (s *Service) changeStrongly(ctx context.Context, o Owner, action journal.Action, do func(*identity.Account) error) (identity.Account, error) {
	return s.change(ctx, o, action, func(a *identity.Account) error {
		now := time.Now()
		if !o.Relayed && o.Strength < 2 && a.Waits(now) {
			return &identity.Error{Reason: identity.ReasonPhoneWaits, Detail: "The phone is new, or the password was recovered with it. Come back a day after that, or log in with a passkey or an app."}
		}
		if err := o.IsStrongest(a, now); err != nil {
			return err
		}
		return do(a)
	})
}

// put adds an authenticator to the account.
func put(a *identity.Account, n factor.Name, name string, data any) error {
	kept, err := json.Marshal(data)
	if err != nil {
		return err
	}
	a.Authenticators = append(a.Authenticators, identity.Authenticator{
		ID: identity.NewID(), Factor: string(n), Name: name, Added: time.Now().UTC().Truncate(time.Second), Data: kept,
	})
	return nil
}

func find(a *identity.Account, id string) (int, error) {
	i := slices.IndexFunc(a.Authenticators, func(x identity.Authenticator) bool { return x.ID == id && id != "" })
	if i < 0 {
		return 0, unknown()
	}
	return i, nil
}

func unknown() error {
	return &identity.Error{Reason: "authenticator_unknown", Detail: "The account has no such authenticator any more."}
}

// CheckRoom refuses a further authenticator of a factor that has enough.
func CheckRoom(a *identity.Account, n factor.Name) error {
	has := 0
	for _, x := range a.Authenticators {
		if x.Factor == string(n) {
			has++
		}
	}
	if has >= most {
		return &identity.Error{Reason: "authenticator_limit", Detail: "There are five of them already. Remove one that isn't used any more."}
	}
	return nil
}

// checkName returns the name of an authenticator as it is stored: 1 to 30 visible characters.
func checkName(name string) (string, error) {
	name, err := party.ParseName(name)
	if err != nil || utf8.RuneCountInString(name) > nameMost {
		return "", &identity.Error{Reason: "name_invalid", Detail: "A name has 1 to 30 visible characters.", Err: err}
	}
	return name, nil
}

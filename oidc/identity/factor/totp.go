package factor

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/pquerna/otp/hotp"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// TOTP is a code that an app of the person's computes from a secret and the time (RFC 6238).
const TOTP Name = "totp"

var byTOTP = Definition{
	Name: TOTP, Methods: []string{"otp"}, Kind: Held, Strength: oneFactor,
	Tries:  map[journal.Action]string{journal.ActionTOTPCheck: "totp"},
	prover: func(t *tools) Factor { return &totps{t} },
}

const (
	totpStep    = 30 * time.Second
	totpSkew    = 1 // steps by which the phone's clock may be wrong
	totpDigits  = 6
	totpEntropy = 20 // bytes: as long as HMAC-SHA-1's output (RFC 4226 section 4, R6)
)

// ofTOTP limits wrong codes of an account's apps, by somebody who knows the password: fifteen
// guesses a day, at three codes in a million for each app.
var ofTOTP = []tries.Limit{{Name: "totp-hour", Most: 5, Window: time.Hour}, {Name: "totp-day", Most: 15, Window: 24 * time.Hour}}

// TOTPSecret is what an app and the account share. It is what [identity.Authenticator].Data holds.
type TOTPSecret struct {
	Secret []byte `json:"secret"`
	Step   int64  `json:"step,omitempty"` // of the newest code that was taken: none up to it is taken again
}

// NewTOTPSecret returns a random one.
func NewTOTPSecret() TOTPSecret {
	secret := make([]byte, totpEntropy)
	_, _ = rand.Read(secret) // never fails
	return TOTPSecret{Secret: secret}
}

// Text returns the secret as people type it: base 32 without padding.
func (s *TOTPSecret) Text() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(s.Secret)
}

// URI returns what an app reads from a QR code, in the form that authenticator apps agree on
// (Google Authenticator's Key URI Format). Issuer is the service's name, and account what the
// person calls their account; both are shown by the app.
func (s *TOTPSecret) URI(issuer, account string) string {
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account}
	u.RawQuery = "secret=" + s.Text() + "&issuer=" + url.PathEscape(issuer) // apps show a + as it is
	return u.String()
}

// Take reports whether a code is right, as of now, and hasn't been taken before, nor a later one;
// then it is taken: the secret must be stored before anything rests on it (RFC 6238 section 5.2).
func (s *TOTPSecret) Take(code string, now time.Time) bool {
	code = onetime.FoldDigits(code)
	current, right := now.Unix()/int64(totpStep/time.Second), int64(0)
	for step := current - totpSkew; step <= current+totpSkew; step++ {
		want, err := hotp.GenerateCode(s.Text(), uint64(step))
		if err == nil && subtle.ConstantTimeCompare([]byte(code), []byte(want)) == 1 {
			right = step
		}
	}
	if right <= s.Step {
		return false
	}
	s.Step = right
	return true
}

// totps proves that somebody has a device with a secret of the account's.
type totps struct{ *tools }

// Begin implements [Factor]: there is nothing to begin.
func (p *totps) Begin(context.Context, Login) (Begun, error) { return Begun{}, nil }

// Finish implements [Factor]: it checks a code of any of the account's apps, for the newest
// 30 seconds and those before and after. Each code passes once, in whatever login. *Error:
// code_wrong; too_many_tries after five wrong ones in an hour or fifteen in a day (Retry is set); login_refused
// for a disabled account; unavailable.
func (p *totps) Finish(ctx context.Context, l Login, code string) (Proof, error) {
	if code = onetime.FoldDigits(code); len(code) != totpDigits || strings.Trim(code, "0123456789") != "" { // that is no try
		err := p.proved(ctx, l, journal.ActionTOTPCheck, wrongCode("A code of the app has six digits."))
		return Proof{}, err
	}
	err := p.spend(ctx, ofTOTP, l.Account, func(a *identity.Account) error { return takeTOTP(a, code, time.Now()) })
	if err := p.proved(ctx, l, journal.ActionTOTPCheck, err); err != nil {
		return Proof{}, err
	}
	return Proof{Factor: TOTP}, nil
}

// takeTOTP takes a code that one of the account's apps shows.
func takeTOTP(a *identity.Account, code string, now time.Time) error {
	for i := range a.Authenticators {
		x := &a.Authenticators[i]
		if x.Factor != string(TOTP) {
			continue
		}
		var s TOTPSecret
		if err := json.Unmarshal(x.Data, &s); err != nil {
			return fmt.Errorf("authenticator %s: %w", x.ID, err)
		}
		if !s.Take(code, now) {
			continue
		}
		var err error
		x.Data, err = json.Marshal(s)
		return err
	}
	return wrongCode("The code is wrong, or was used before. Take the one that the app shows now.")
}

// spend counts a try of what the account keeps, and changes the account by it: of tries side by
// side with the same code one succeeds, by the account's revision. A right one is no try.
func (t *tools) spend(ctx context.Context, limits []tries.Limit, account string, take func(*identity.Account) error) error {
	now := time.Now()
	var counted []tries.Tally
	for _, l := range limits {
		c, err := t.Count(ctx, l, now, account)
		if err != nil {
			return err
		}
		if counted = append(counted, c); c.Over() {
			return tries.TooMany(c)
		}
	}
	_, err := t.People.Change(ctx, account, func(a *identity.Account) error {
		if a.Disabled {
			return refusedLogin()
		}
		return take(a)
	})
	if err == nil {
		t.TakeBack(ctx, now, counted...)
	}
	return err
}

func wrongCode(detail string) error {
	return &identity.Error{Reason: identity.ReasonCodeWrong, Detail: detail}
}

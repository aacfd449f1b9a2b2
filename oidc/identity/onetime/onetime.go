// Package onetime knows the one-time codes that people get by message and type: how they are made,
// stored and used up. What a code is for, and who may have one sent, its callers say.
package onetime

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"time"
	"unicode"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

const (
	Life    = 5 * time.Minute  // how long a code is good
	Again   = time.Minute      // how long to wait before the next one
	Timeout = 10 * time.Second // for sending a code
)

// The limits of codes.
var (
	ofTries = tries.Limit{Name: "code-tries", Most: 5, Window: Life} // tries with one code
	ofGap   = tries.Limit{Name: "code-gap", Most: 1, Window: Again}  // requests that send the next code
	ofHour  = tries.Limit{Name: "code-hour", Most: 5, Window: time.Hour}
	ofDay   = tries.Limit{Name: "code-day", Most: 10, Window: 24 * time.Hour}
)

// Note is what the caller of [Codes.Keep] stores with a code.
type Note struct {
	Account string    `json:"account,omitempty"` // that logs in with it, if its key doesn't say so
	Phone   string    `json:"phone,omitempty"`   // to which it was sent, E.164; empty: not noted
	Counted []string  `json:"counted,omitempty"` // the counters that counted the login's try
	Checked time.Time `json:"checked,omitzero"`  // when the password had been set that was checked before
	// Void says that the code was sent to nobody: no code is right. Whoever tries one can't tell.
	Void bool `json:"void,omitempty"`
}

// Code is a one-time code as it is stored, sealed, in [ephemeral.Store].
type Code struct {
	ID     string    `json:"id"`     // random; the code's tries are counted under it
	Serial int32     `json:"serial"` // the serial of the key of the MAC in Sum
	Sum    []byte    `json:"sum"`    // the MAC of the code
	Sent   time.Time `json:"sent"`
	Used   bool      `json:"used,omitempty"`
	UsedAt time.Time `json:"used_at,omitzero"`
	Note
}

// The domains of codes' MACs. Never change one: stored values depend on them.
const (
	domainCode    = "account.code"
	domainCodeKey = "account.code.key"
)

// Codes stores and checks codes. Safe for concurrent use.
type Codes struct {
	*tries.Counters
	kept  ephemeral.Store
	vault *vault.Vault
	log   *slog.Logger
}

// New returns Codes that are stored in kept.
func New(c *tries.Counters, kept ephemeral.Store, v *vault.Vault, log *slog.Logger) *Codes {
	return &Codes{c, kept, v, log}
}

// Key says for whom a code is. Subject is an account, or what else the code is about; Binding is a
// secret of the login.
type Key struct{ Subject, Binding string }

// key returns the key under which the code is stored. The key reveals nothing.
func (c *Codes) key(ctx context.Context, of Key) (string, error) {
	mac, err := c.vault.MAC(ctx, domainCodeKey, of.Subject, of.Binding)
	if err != nil {
		return "", err
	}
	return "identity.code." + hex.EncodeToString(mac.Sum[:]), nil
}

func codePlace(key string) vault.Place {
	return vault.Place{Table: "ephemeral", Row: key, Column: "code"}
}

// CountSent counts a code that is about to be sent, for each of whom its limits hold: an account,
// or a phone. *Error: too_many_codes (Retry is set), unavailable.
func (c *Codes) CountSent(ctx context.Context, now time.Time, whom ...string) ([]tries.Tally, error) {
	var counted []tries.Tally
	for _, l := range []tries.Limit{ofHour, ofDay} {
		t, err := c.Count(ctx, l, now, whom...)
		if err != nil {
			return nil, err
		}
		counted = append(counted, t)
		if t.Over() {
			c.TakeBack(ctx, now, counted...)
			return nil, TooMany(t)
		}
	}
	return counted, nil
}

// TooMany returns the refusal of a code because of a count that is over.
func TooMany(t tries.Tally) *identity.Error {
	return &identity.Error{
		Reason: identity.ReasonTooManyCodes, Detail: "Too many codes were sent to this phone. Wait a while and try again.", Retry: t.Window,
	}
}

// CountGap counts a request that sends the code after the one with an id. Of simultaneous ones
// one isn't over. *Error: unavailable.
func (c *Codes) CountGap(ctx context.Context, of Key, now time.Time, before string) (tries.Tally, error) {
	return c.Count(ctx, ofGap, now, of.Subject, of.Binding, before)
}

// Keep makes a code and stores it with a note, in place of any before it. part is the part of the
// store, and who is the owner of the room there. *Error: unavailable.
func (c *Codes) Keep(ctx context.Context, of Key, n Note, part ephemeral.Part, who string) (code string, err error) {
	drawn, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("making a code: %w", err)
	}
	code = fmt.Sprintf("%06d", drawn)
	key, err := c.key(ctx, of)
	if err != nil {
		return "", err
	}
	now := time.Now()
	r := Code{ID: identity.NewID(), Sent: now, Note: n}
	mac, err := c.vault.MAC(ctx, domainCode, key, r.ID, code)
	if err != nil {
		return "", err
	}
	r.Serial, r.Sum = mac.Serial, mac.Sum[:]
	sealed, err := c.vault.SealJSON(ctx, codePlace(key), r)
	if err != nil {
		return "", err
	}
	owner, err := ephemeral.OwnerOf(ctx, c.vault, who)
	if err != nil {
		return "", err
	}
	if err := c.kept.Put(ctx, key, sealed, ephemeral.Keeping{Part: part, Owner: owner, Until: now.Add(Life)}, now); err != nil {
		return "", tries.Unavailable(err)
	}
	return code, nil
}

// Load returns the stored code, or ephemeral.ErrGone. *Error: unavailable.
func (c *Codes) Load(ctx context.Context, of Key) (Code, error) {
	r, _, err := c.load(ctx, of)
	return r, err
}

// load returns the stored code, opened and sealed, or ephemeral.ErrGone.
func (c *Codes) load(ctx context.Context, of Key) (r Code, sealed []byte, err error) {
	key, err := c.key(ctx, of)
	if err != nil {
		return Code{}, nil, err
	}
	sealed, err = c.kept.Load(ctx, key, time.Now())
	if errors.Is(err, ephemeral.ErrGone) {
		return Code{}, nil, ephemeral.ErrGone
	}
	if err != nil {
		return Code{}, nil, tries.Unavailable(err)
	}
	return r, sealed, c.vault.OpenJSON(ctx, codePlace(key), sealed, &r)
}

// Forget deletes a code whose message the gateway didn't take: if it arrives after all, the code is
// not valid.
func (c *Codes) Forget(ctx context.Context, of Key) {
	key, err := c.key(ctx, of)
	if err == nil {
		err = c.kept.Delete(ctx, key)
	}
	if err != nil {
		c.log.WarnContext(ctx, "a code that wasn't sent could not be forgotten", "error", err)
	}
}

// Spend checks a code and uses it up.
//
// A try is counted before the code is compared, so that simultaneous tries are limited to
// five, too. Of simultaneous right tries, Swap lets one succeed. If the store lost that, the
// same code would succeed twice for the same login, from which nobody gains anything. So
// Ephemeral is good enough for it.
//
// *Error: code_wrong (Retry is when another code may be sent), code_expired (also if the code was used or lost), too_many_tries (Retry is
// set: another code is needed), unavailable.
func (c *Codes) Spend(ctx context.Context, of Key, code string) (Code, error) {
	return c.spend(ctx, of, code, 0)
}

// twice is how long SpendTwice takes a code once more.
const twice = time.Minute

// SpendTwice is Spend, but within a minute the same right code succeeds once more: a form may be sent
// twice, and a browser shows the second answer.
func (c *Codes) SpendTwice(ctx context.Context, of Key, code string) (Code, error) {
	return c.spend(ctx, of, code, twice)
}

// spend is Spend for a code that succeeds again until some time after its use.
func (c *Codes) spend(ctx context.Context, of Key, code string, again time.Duration) (Code, error) {
	now := time.Now()
	r, sealed, err := c.load(ctx, of)
	if errors.Is(err, ephemeral.ErrGone) || err == nil && (r.Used && (again == 0 || now.Sub(r.UsedAt) >= again) || now.Sub(r.Sent) >= Life) {
		return Code{}, Expired()
	}
	if err != nil {
		return Code{}, err
	}
	tried, err := c.Count(ctx, ofTries, now, r.ID)
	if err != nil {
		return Code{}, err
	}
	if tried.Over() {
		return Code{}, &identity.Error{
			Reason: identity.ReasonTooManyTries, Detail: "The code was wrong too often. Ask for another one.", Retry: max(0, Again-now.Sub(r.Sent)),
		}
	}
	key, err := c.key(ctx, of)
	if err != nil {
		return Code{}, err
	}
	mac := signing.Lookup{Serial: r.Serial}
	copy(mac.Sum[:], r.Sum)
	right, err := c.vault.CheckMAC(ctx, mac, domainCode, key, r.ID, FoldDigits(code))
	if err != nil {
		return Code{}, err
	}
	if !right || r.Void {
		return Code{}, &identity.Error{Reason: identity.ReasonCodeWrong, Detail: "The code is wrong. Check the message and try again.", Retry: max(0, Again-now.Sub(r.Sent))}
	}
	if r.Used {
		return r, nil
	}
	r.Used, r.UsedAt = true, now
	used, err := c.vault.SealJSON(ctx, codePlace(key), r)
	if err != nil {
		return Code{}, err
	}
	switch err := c.kept.Swap(ctx, key, sealed, used, ephemeral.Keeping{}, now); {
	case errors.Is(err, ephemeral.ErrChanged) && again > 0:
		if now, _, err := c.load(ctx, of); err == nil && now.ID == r.ID && now.Used { // the same form came first
			return now, nil
		}
		return Code{}, Expired()
	case errors.Is(err, ephemeral.ErrGone), errors.Is(err, ephemeral.ErrChanged):
		return Code{}, Expired()
	case err != nil:
		return Code{}, tries.Unavailable(err)
	}
	return r, nil
}

// NotSent returns the refusal for the case that the gateway didn't take a code's message.
func NotSent(err error) error {
	return &identity.Error{Reason: "code_not_sent", Detail: "The message could not be sent. Try again in a moment.", Err: err, Retry: 10 * time.Second}
}

// Expired returns the refusal of a code that is no longer good.
func Expired() error {
	return &identity.Error{Reason: identity.ReasonCodeExpired, Detail: "The code is no longer good. Ask for another one."}
}

// FoldDigits returns a typed code in the form in which it was sent: people may type full-width
// digits, and people and their phones may put spaces and hyphens between digits.
func FoldDigits(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, party.FoldCode(code))
}

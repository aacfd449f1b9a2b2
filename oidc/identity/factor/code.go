package factor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

const (
	codeLife    = 5 * time.Minute
	codeAgain   = time.Minute
	codeTimeout = 10 * time.Second // for sending a code
)

// codeRecord is a one-time code as it is stored, sealed, in Ephemeral.
type codeRecord struct {
	ID      string    `json:"id"`                // random; the code's tries are counted under it
	Serial  int32     `json:"serial"`            // the serial of the key of the MAC in Sum
	Sum     []byte    `json:"sum"`               // the MAC of the code
	Account string    `json:"account,omitempty"` // in a challenge: the account that logs in; empty: none
	Counted []string  `json:"counted,omitempty"` // in a challenge: the counters that counted its try
	Checked time.Time `json:"checked,omitzero"`  // in a challenge: when the checked password had been set
	Sent    time.Time `json:"sent"`
	Used    bool      `json:"used,omitempty"`
}

// The domains of codes' MACs. Never change one: stored values depend on them.
const (
	domainCode    = "account.code"
	domainCodeKey = "account.code.key"
)

// codes stores and checks the one-time codes that people type.
type codes struct{ *counters }

// codeKeyOf says for whom a code is: subject is an account or challengeSubject, and
// binding is a secret of the login.
type codeKeyOf struct{ subject, binding string }

// key returns the key under which the code is stored. The key reveals nothing.
func (c *codes) key(ctx context.Context, of codeKeyOf) (string, error) {
	mac, err := c.vault.MAC(ctx, domainCodeKey, of.subject, of.binding)
	if err != nil {
		return "", err
	}
	return "identity.code." + hex.EncodeToString(mac.Sum[:]), nil
}

func codePlace(key string) vault.Place {
	return vault.Place{Table: "ephemeral", Row: key, Column: "code"}
}

// countSent counts a code that is about to be sent for an account. *Error: too_many_codes,
// unavailable.
func (c *codes) countSent(ctx context.Context, account string, now time.Time) ([]tally, error) {
	var counted []tally
	for _, l := range []limit{ofCodeHour, ofCodeDay} {
		t, err := c.count(ctx, l, now, account)
		if err != nil {
			return nil, err
		}
		counted = append(counted, t)
		if t.over() {
			c.takeBack(ctx, now, counted...)
			return nil, &identity.Error{
				Reason: identity.ReasonTooManyCodes, Detail: "Too many codes were sent to this phone. Wait a while and try again.", Retry: t.window,
			}
		}
	}
	return counted, nil
}

// keep makes a code and stores it in place of any before it. part is the part of the store,
// and who is the owner of the room there.
func (c *codes) keep(ctx context.Context, of codeKeyOf, r codeRecord, part identity.Part, who string) (code string, err error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("making a code: %w", err)
	}
	code = fmt.Sprintf("%06d", n)
	key, err := c.key(ctx, of)
	if err != nil {
		return "", err
	}
	now := time.Now()
	r.ID, r.Sent = identity.NewID(), now
	mac, err := c.vault.MAC(ctx, domainCode, key, r.ID, code)
	if err != nil {
		return "", err
	}
	r.Serial, r.Sum = mac.Serial, mac.Sum[:]
	sealed, err := c.vault.SealJSON(ctx, codePlace(key), r)
	if err != nil {
		return "", err
	}
	owner, err := identity.OwnerOf(ctx, c.vault, who)
	if err != nil {
		return "", err
	}
	if err := c.kept.Put(ctx, key, sealed, identity.Keeping{Part: part, Owner: owner, Until: now.Add(codeLife)}, now); err != nil {
		return "", unavailable(err)
	}
	return code, nil
}

// load returns the stored code, opened and sealed, or identity.ErrGone.
func (c *codes) load(ctx context.Context, of codeKeyOf) (r codeRecord, sealed []byte, err error) {
	key, err := c.key(ctx, of)
	if err != nil {
		return codeRecord{}, nil, err
	}
	sealed, err = c.kept.Load(ctx, key, time.Now())
	if errors.Is(err, identity.ErrGone) {
		return codeRecord{}, nil, identity.ErrGone
	}
	if err != nil {
		return codeRecord{}, nil, unavailable(err)
	}
	return r, sealed, c.vault.OpenJSON(ctx, codePlace(key), sealed, &r)
}

func (c *codes) forget(ctx context.Context, of codeKeyOf) {
	key, err := c.key(ctx, of)
	if err == nil {
		err = c.kept.Delete(ctx, key)
	}
	if err != nil {
		c.log.WarnContext(ctx, "a code that wasn't sent could not be forgotten", "error", err)
	}
}

// spend checks a code and uses it up.
//
// A try is counted before the code is compared, so that simultaneous tries are limited to
// five, too. Of simultaneous right tries, Swap lets one succeed. If the store lost that, the
// same code would succeed twice for the same login, from which nobody gains anything. So
// Ephemeral is good enough for it.
func (c *codes) spend(ctx context.Context, of codeKeyOf, code string) (codeRecord, error) {
	now := time.Now()
	r, sealed, err := c.load(ctx, of)
	if errors.Is(err, identity.ErrGone) || err == nil && (r.Used || now.Sub(r.Sent) >= codeLife) {
		return codeRecord{}, expiredCode()
	}
	if err != nil {
		return codeRecord{}, err
	}
	tries, err := c.count(ctx, ofCodeTries, now, r.ID)
	if err != nil {
		return codeRecord{}, err
	}
	if tries.over() {
		return codeRecord{}, &identity.Error{
			Reason: identity.ReasonTooManyTries, Detail: "The code was wrong too often. Ask for another one.", Retry: max(0, codeAgain-now.Sub(r.Sent)),
		}
	}
	key, err := c.key(ctx, of)
	if err != nil {
		return codeRecord{}, err
	}
	mac := signing.Lookup{Serial: r.Serial}
	copy(mac.Sum[:], r.Sum)
	right, err := c.vault.CheckMAC(ctx, mac, domainCode, key, r.ID, foldDigits(code))
	if err != nil {
		return codeRecord{}, err
	}
	if !right || of.subject == challengeSubject && r.Account == "" {
		return codeRecord{}, &identity.Error{Reason: identity.ReasonCodeWrong, Detail: "The code is wrong. Check the message and try again."}
	}
	r.Used = true
	used, err := c.vault.SealJSON(ctx, codePlace(key), r)
	if err != nil {
		return codeRecord{}, err
	}
	switch err := c.kept.Swap(ctx, key, sealed, used, identity.Keeping{}, now); {
	case errors.Is(err, identity.ErrGone), errors.Is(err, identity.ErrChanged):
		return codeRecord{}, expiredCode()
	case err != nil:
		return codeRecord{}, unavailable(err)
	}
	return r, nil
}

func expiredCode() error {
	return &identity.Error{Reason: identity.ReasonCodeExpired, Detail: "The code is no longer good. Ask for another one."}
}

// foldDigits returns a typed code in the form in which it was sent: people may type full-width
// digits, and people and their phones may put spaces and hyphens between digits.
func foldDigits(code string) string {
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

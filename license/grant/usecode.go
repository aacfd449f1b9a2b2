package grant

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing/vault"
)

// UseCode 用证码 is the only handle on a license that a consuming system gets: its
// grant's ID, a dot, and 43 characters of base64url, 256 bits. It works for one
// client and one license, and opens one reading window. It prints as a secret;
// Reveal shows it.
type UseCode struct{ code string }

// useCodeEncoding is strict, so that every code has one form.
var useCodeEncoding = base64.RawURLEncoding.Strict()

// useCodeLength is the length of a code: 26, a dot and 43 characters.
const useCodeLength = 26 + 1 + 43

// ParseUseCode reads a use code, and reports whether it has the form of one.
func ParseUseCode(s string) (UseCode, bool) {
	if len(s) != useCodeLength || s[26] != '.' || !ID(s[:26]).valid() {
		return UseCode{}, false
	}
	secret, err := useCodeEncoding.DecodeString(s[27:])
	if err != nil || len(secret) != 32 { // line breaks are skipped by the decoder
		return UseCode{}, false
	}
	return UseCode{s}, true
}

// Reveal returns the code as it is handed out.
func (c UseCode) Reveal() string { return c.code }

// IsZero reports whether there is no code.
func (c UseCode) IsZero() bool { return c.code == "" }

// Format implements [fmt.Formatter]: a code is not to be printed.
func (c UseCode) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[secret]") }

// MarshalText implements [encoding.TextMarshaler], likewise.
func (c UseCode) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Grant returns the grant that the code names.
func (c UseCode) Grant() ID { return ID(c.code[:26]) }

// Hash returns what is stored of a code.
func (c UseCode) Hash() [32]byte { return sm3.Sum([]byte(c.code)) }

// Request returns what is stored of a consumer's request id: a hash with the code. Whoever has only the database
// can't tell the id, because the code isn't stored there.
func (c UseCode) Request(id string) string {
	sum := sm3.Sum([]byte(c.code + "\x00" + id))
	return useCodeEncoding.EncodeToString(sum[:])
}

// UseCodeRecord is a use code as a store keeps it. Its grant says which client it is for and when it ends.
type UseCodeRecord struct {
	Grant   ID
	Hash    [32]byte // SM3 of the code; the code itself is derived, never stored
	License audit.ID
	Version int
	Number  int // of the codes of this grant for this license, from 1; unique
	Created time.Time
	First   time.Time // first use; zero before. The reading window counts from here
	Auth    []byte    // see signing.Authenticator
}

// domainUseCode is the domain of use codes, which are keyed hashes.
const domainUseCode = "license.usecode"

var errUseCodeLost = errors.New("a use code can't be derived again: the lookup key that made it was purged")

// codes derives use codes.
type codes struct{ vault *vault.Vault }

// next derives the code of a record that has no hash yet, under the
// active lookup key.
func (d codes) next(ctx context.Context, c UseCodeRecord) (UseCode, error) {
	all, err := d.all(ctx, c)
	if err != nil {
		return UseCode{}, err
	}
	return all[0], nil
}

// again derives the code of a stored record again. It is an error if the key
// that it was derived under is gone.
func (d codes) again(ctx context.Context, c UseCodeRecord) (UseCode, error) {
	all, err := d.all(ctx, c)
	if err != nil {
		return UseCode{}, err
	}
	for _, code := range all {
		if code.Hash() == c.Hash {
			return code, nil
		}
	}
	return UseCode{}, errUseCodeLost
}

// all derives a record's code under each live lookup key, the active one
// first. So the code need not be stored to be given a second time.
func (d codes) all(ctx context.Context, c UseCodeRecord) ([]UseCode, error) {
	sums, err := d.vault.Lookups(ctx, domainUseCode, string(c.Grant), string(c.License), strconv.Itoa(c.Number))
	if err != nil {
		return nil, err
	}
	all := make([]UseCode, len(sums))
	for i, sum := range sums {
		all[i] = UseCode{string(c.Grant) + "." + useCodeEncoding.EncodeToString(sum.Sum[:])}
	}
	return all, nil
}

// ReadingWindow is how long a use code can be used, from its first use on and
// within its grant.
const ReadingWindow = 10 * time.Minute

// Window returns when the code's reading window closes at the latest.
func (c *UseCodeRecord) Window(until time.Time) time.Time {
	if end := c.First.Add(ReadingWindow); !c.First.IsZero() && end.Before(until) {
		return end
	}
	return until
}

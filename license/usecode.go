package license

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
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
	if len(s) != useCodeLength || s[26] != '.' || !GrantID(s[:26]).Valid() {
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

// grant returns the grant that the code names.
func (c UseCode) grant() GrantID { return GrantID(c.code[:26]) }

// hash returns what is stored of a code.
func (c UseCode) hash() [32]byte { return sm3.Sum([]byte(c.code)) }

// request returns what is stored of a consumer's request id: whoever has the
// database alone can't tell it, for the code isn't there.
func (c UseCode) request(id string) string {
	sum := sm3.Sum([]byte(c.code + "\x00" + id))
	return useCodeEncoding.EncodeToString(sum[:])
}

// UseCodeRecord is a use code as a store keeps it. Its client and its end are its
// grant's.
type UseCodeRecord struct {
	Grant   GrantID
	Hash    [32]byte // SM3 of the code; the code itself is derived, never stored
	License ID
	Version int
	Number  int // of the codes of this grant for this license, from 1; unique
	Created time.Time
	First   time.Time // first use; zero before. The reading window counts from here
	Auth    []byte    // see signing.Authenticator
}

// domainUseCode is the domain of the keyed hashes that use codes are.
const domainUseCode = "license.usecode"

var errUseCodeLost = errors.New("a use code can't be derived again: the lookup key that made it was purged")

// newUseCode derives the code of a record that has no hash yet, under the
// active lookup key.
func (r *Registry) newUseCode(ctx context.Context, c UseCodeRecord) (UseCode, error) {
	codes, err := r.useCodes(ctx, c)
	if err != nil {
		return UseCode{}, err
	}
	return codes[0], nil
}

// useCode derives the code of a stored record again. It is an error if the key
// that it was derived under is gone.
func (r *Registry) useCode(ctx context.Context, c UseCodeRecord) (UseCode, error) {
	codes, err := r.useCodes(ctx, c)
	if err != nil {
		return UseCode{}, err
	}
	for _, code := range codes {
		if code.hash() == c.Hash {
			return code, nil
		}
	}
	return UseCode{}, errUseCodeLost
}

// useCodes derives a record's code under each live lookup key, the active one
// first. So the code need not be stored to be given a second time.
func (r *Registry) useCodes(ctx context.Context, c UseCodeRecord) ([]UseCode, error) {
	sums, err := r.c.Vault.Lookups(ctx, domainUseCode, string(c.Grant), string(c.License), strconv.Itoa(c.Number))
	if err != nil {
		return nil, err
	}
	codes := make([]UseCode, len(sums))
	for i, sum := range sums {
		codes[i] = UseCode{string(c.Grant) + "." + useCodeEncoding.EncodeToString(sum.Sum[:])}
	}
	return codes, nil
}

// ReadingWindow is how long a use code can be used, from its first use on and
// within its grant.
const ReadingWindow = 10 * time.Minute

// window returns when the code's reading window closes at the latest.
func (c *UseCodeRecord) window(until time.Time) time.Time {
	if end := c.First.Add(ReadingWindow); !c.First.IsZero() && end.Before(until) {
		return end
	}
	return until
}

// SharedLicense is one license that a grant covers, without its data.
type SharedLicense struct {
	Material string              `json:"material" doc:"id of the service item's material that it serves as"`
	License  ID                  `json:"license" doc:"opaque id of the license"`
	Version  int                 `json:"version" doc:"of the license, as the holder saw it"`
	TypeCode credential.TypeCode `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	TypeName string              `json:"type_name" doc:"the type's name"`
	State    State               `json:"state" doc:"of the version that was agreed to" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
	Reason   string              `json:"reason,omitempty" doc:"why it can't be read now, such as license_suspended, grant_ended or window_over; absent: it can"`
	Fields   []string            `json:"fields" doc:"the parts that may be read: identifier, number, area_code, holders, or fields/NAME"`
	Used     time.Time           `json:"used,omitzero" doc:"first reading by the newest use code; absent: there was none yet"`
	Until    time.Time           `json:"until,omitzero" doc:"when that use code's reading window closes"`
}

// Shared lists what a grant of the client covers, without data.
func (r *Registry) Shared(ctx context.Context, a Actor, id GrantID) (g Grant, ls []SharedLicense, err error) {
	defer r.audit(ctx, &err, a, journal.ActionGrantShared, "", 0)
	rec, b, codes, err := r.loadGrant(ctx, a.Client, id)
	if err != nil {
		return Grant{}, nil, err
	}
	if err := r.journal.Record(ctx, a.Did(journal.ActionGrantShared, "", 0, "ok", map[string]string{"grant": string(id)})); err != nil {
		return Grant{}, nil, err
	}
	now := time.Now()
	g = b.Grant.stand(rec, now)
	last := newest(codes)
	ls = []SharedLicense{}
	for _, chosen := range g.Licenses {
		lrec, v, err := r.c.Stores.Load(ctx, chosen.License, chosen.Version)
		if err != nil {
			return Grant{}, nil, fmt.Errorf("loading license %s: %w", chosen.License, err)
		}
		t, err := r.catalog.Types().Version(ctx, lrec.Type, v.TypeVersion)
		if err != nil {
			return Grant{}, nil, err
		}
		s := SharedLicense{
			Material: chosen.Material, License: chosen.License, Version: v.Version, TypeCode: lrec.Type, TypeName: t.Name,
			State: v.State, Fields: chosen.Fields,
		}
		c, coded := last[chosen.License]
		if coded {
			s.Used, s.Until = c.First, c.window(rec.Expires)
		}
		switch {
		case g.State == GrantPending:
			s.Reason = "grant_pending"
		case !coded:
			s.Reason = b.LeftOut[chosen.Material]
		default:
			s.Reason = hindrance(&c, &g, v, false, now)
		}
		ls = append(ls, s)
	}
	return g, ls, nil
}

// hindrance returns why a license can't be read by a code now, as a reason code,
// or "" if it can. exhausted says that the code is good for no further reading.
func hindrance(c *UseCodeRecord, g *Grant, v VersionRecord, exhausted bool, now time.Time) string {
	switch {
	case g.State == GrantPending:
		return "grant_pending"
	case g.State != GrantActive:
		return endedReason(g)
	case !c.First.IsZero() && !now.Before(c.First.Add(ReadingWindow)):
		return "window_over"
	case exhausted:
		return ResultExhausted
	}
	return unusable(v, now)
}

// refusals says what the reason codes of refused readings mean.
var refusals = map[string]string{
	"grant_pending":         "The grant's authorization code is not redeemed yet.",
	"grant_ended":           "The grant was withdrawn or revoked. Ask the holder again.",
	"grant_expired":         "The grant's time is over. Ask the holder again.",
	"window_over":           "The use code's reading window is over. A recurring grant gives a new code; for another one ask the holder again.",
	ResultExhausted:         "The use code was used with 100 request ids, and is good for no more. Repeat an earlier request within its window; for another code ask the holder again.",
	"license_suspended":     "The license is suspended.",
	"license_superseded":    "The license was changed since its holder agreed. Ask the holder again.",
	"license_ended":         "The license has ended.",
	"license_expired":       "The license has expired.",
	"license_not_yet_valid": "The license is not valid yet.",
}

// errRefused returns the refusal of a reading by its reason code.
func errRefused(reason string) error {
	if reason == ResultMismatch {
		return errUseCodeUnknown() // whether another's code exists is nobody's business
	}
	return refusal.Conflict(reason, strings.TrimSpace(refusals[reason]+" Nothing was released."))
}

func errUseCodeUnknown() error {
	return refusal.Missing("use_code_unknown", "There is no such use code among yours.")
}

// Package credential has all that a verifier of licenses needs, even one who is offline: what a credential says
// ([Contents]) and how it is packed and signed, the checks of a [Verifier] with their reasons, a license's
// [Identifier] (GB/T 36904) and status lists.
//
// It knows no registry and no store, and draws nothing: licenses are not made into PDF or other files yet. The
// package that will do so belongs beside this one. The profile is docs/credential-profile.md.
package credential

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sdjwt"
	"yizheng.internal/signing/sm2"
)

// Verdict is the whole answer of a verification.
type Verdict string

const (
	Valid         Verdict = "valid"         // nothing failed, nothing is unknown
	Invalid       Verdict = "invalid"       // something failed
	Indeterminate Verdict = "indeterminate" // nothing failed, something is unknown
)

// CheckName names one of the checks of a verification.
type CheckName string

const (
	CheckFormat    CheckName = "format"
	CheckSignature CheckName = "signature"
	CheckChain     CheckName = "chain"
	CheckAuthority CheckName = "authority"
	CheckPeriod    CheckName = "period"
	CheckStatus    CheckName = "status"
	CheckHolder    CheckName = "holder"
	CheckIntegrity CheckName = "integrity"
)

// Result is how a check came out.
type Result string

const (
	Pass    Result = "pass"
	Fail    Result = "fail"
	Unknown Result = "unknown"
	Skipped Result = "skipped"
)

// Check is one check with its reason, a stable code in snake_case.
type Check struct {
	Name   CheckName `json:"name"`
	Result Result    `json:"result"`
	Reason string    `json:"reason"` // a stable code in snake_case
}

// Verification is the answer to "is this license genuine and in force".
type Verification struct {
	Verdict   Verdict    `json:"verdict"`
	CheckedAt time.Time  `json:"checked_at"`        // as of when
	Checks    []Check    `json:"checks"`            // always all eight
	License   *Presented `json:"license,omitempty"` // nil if the signature failed or is unknown
}

// StatusSource tells the value of an entry of the status list at uri. An error
// leaves the status unknown.
type StatusSource func(ctx context.Context, uri string, index int) (StatusValue, error)

// RevocationSource reports whether a certificate (DER) was revoked, why (RFC 5280
// section 5.3.1) and from when. An error leaves it unknown.
type RevocationSource func(ctx context.Context, der []byte) (reason string, from time.Time, revoked bool, err error)

// Verifier checks credentials against trust anchors, in the registry
// and offline alike.
type Verifier struct {
	Anchors    *pki.Anchors
	Signatures *jose.Verifier
	Status     StatusSource // nil: the status stays unknown
	// Revoked tells which certificates were revoked. If it is nil, this stays unknown, and the verdict is
	// indeterminate, unless RevocationWaived.
	Revoked          RevocationSource
	RevocationWaived bool // the verifying party does without Revoked, and answers for it
}

// clockSkew is how far another's clock may be ahead of ours.
const clockSkew = time.Minute

// credentialLimits bound what is read of a credential.
var credentialLimits = sdjwt.Limits{Bytes: maxCredential, Disclosures: 1024}

// maxCredential is the longest credential that is issued or verified, in bytes.
const maxCredential = 128 << 10

// verification is one run of the checks.
type verification struct {
	v       *Verifier
	at      time.Time
	binding Binding
	results [len(checkOrder)]Check
	token   *sdjwt.Token
	payload *sdjwt.Payload
	claims  credentialClaims
	leaf    *pki.Certificate

	resolved    *sdjwt.Resolved
	from, until party.Date
}

// checkOrder is the order in which checks are reported.
var checkOrder = [...]CheckName{
	CheckFormat, CheckSignature, CheckChain, CheckAuthority, CheckPeriod, CheckStatus, CheckHolder, CheckIntegrity,
}

// check returns the place of a check's result, which is zero until it is set.
func (c *verification) check(n CheckName) *Check { return &c.results[slices.Index(checkOrder[:], n)] }

func (c *verification) set(n CheckName, r Result, reason string) { *c.check(n) = Check{n, r, reason} }

// passed reports whether a check was made and passed.
func (c *verification) passed(n CheckName) bool { return c.check(n).Result == Pass }

// Verify checks a credential as of a time, however it is wrapped in lines: its form, its signature, its
// certificate chain at the time of signing, that the certificate is the authority's, the period, the status, and
// that nothing disclosed was altered. A check is skipped if the failure of another one leaves it nothing to
// check.
func (v *Verifier) Verify(ctx context.Context, credential string, at time.Time) Verification {
	return v.VerifyBound(ctx, credential, Binding{}, at)
}

// VerifyBound is [Verifier.Verify] for a verifier who asked for a key binding. It then also checks that there is
// one, made for this audience and nonce, and made lately.
func (v *Verifier) VerifyBound(ctx context.Context, credential string, b Binding, at time.Time) Verification {
	c := &verification{v: v, at: at, binding: b}
	if c.format(fold(credential)) {
		c.signature(ctx)
		if c.trusted() {
			c.integrity()
		}
		c.authority(ctx)
		c.period()
		c.status(ctx)
		c.holder(ctx)
	}
	return c.answer()
}

// trusted reports whether there are contents, and the signature shows that they are the signer's.
func (c *verification) trusted() bool { return c.passed(CheckSignature) && c.payload != nil }

// format reads the token without trusting it.
func (c *verification) format(credential string) bool {
	token, err := sdjwt.Parse(credential, credentialLimits)
	if e, ok := errors.AsType[*sdjwt.Error](err); ok {
		c.set(CheckFormat, Fail, string(e.Reason))
		return false
	} else if err != nil {
		c.set(CheckFormat, Fail, "sdjwt_malformed")
		return false
	}
	c.token = token
	c.set(CheckFormat, Pass, "well_formed")
	return true
}

// signature checks the JWS. On the way it checks the chain, before the key is used.
func (c *verification) signature(ctx context.Context) {
	var claims credentialClaims
	var good bool
	var malformed error
	key := func(h jose.Header, unverified []byte) (crypto.PublicKey, error) {
		// The time of signing is in the payload, which is not verified yet. It is believed only if the signature
		// turns out right.
		if c.payload, malformed = sdjwt.DecodePayload(unverified, credentialLimits); malformed == nil {
			claims, good = readClaims(c.payload)
		} else {
			claims.issuedAt = issuedAt(unverified)
		}
		if claims.issuedAt == nil {
			return nil, errors.New("payload has no iat")
		}
		leaf, err := c.v.Anchors.Verify(ctx, c.v.Signatures, h.X5C, claims.issued())
		if err != nil {
			return nil, err
		}
		c.leaf = leaf
		return leaf.PublicKey, nil
	}
	_, _, err := jose.Verify(ctx, c.token.JWS, jose.Expectation{
		Typ: jose.TypCredential, Max: maxCredential, Key: key, Verifier: c.v.Signatures,
	})
	c.anchored()
	if c.refused(err) {
		return
	}
	if e, ok := errors.AsType[*sdjwt.Error](malformed); ok {
		c.set(CheckSignature, Pass, "signature_valid")
		c.set(CheckIntegrity, Fail, string(e.Reason))
		return
	}
	reason := claims.conforms()
	if !good {
		reason = "claims_malformed"
	}
	if reason != "" {
		c.set(CheckFormat, Fail, reason)
		return
	}
	c.claims = claims
	c.set(CheckSignature, Pass, "signature_valid")
}

// anchored sets the result of the chain check for a certificate that leads to an anchor. It depends on whether
// the certificate is looked up among the revoked ones.
func (c *verification) anchored() {
	switch {
	case c.leaf == nil:
	case c.v.Revoked != nil:
		c.set(CheckChain, Pass, "chain_trusted")
	case c.v.RevocationWaived:
		c.set(CheckChain, Pass, "revocation_waived")
	default:
		c.set(CheckChain, Unknown, "revocation_not_checked")
	}
}

// refused sets which check failed, and reports whether one did. err is what the verification of the signature and
// its chain returned.
func (c *verification) refused(err error) bool {
	chain, untrusted := errors.AsType[*pki.ChainError](err)
	token, refused := errors.AsType[*jose.TokenError](err)
	switch {
	case err == nil:
		return false
	case untrusted:
		c.set(CheckChain, Fail, chain.Reason)
		c.set(CheckSignature, Unknown, "key_untrusted")
	case errors.Is(err, sm2.ErrUndecided):
		c.set(CheckSignature, Unknown, "undecided")
		if c.leaf == nil {
			c.set(CheckChain, Unknown, "undecided")
		}
	case refused && (token.Reason == jose.ReasonSignature || token.Reason == jose.ReasonAlgorithm):
		c.set(CheckSignature, Fail, string(token.Reason))
	case refused:
		c.set(CheckFormat, Fail, string(token.Reason))
	default:
		c.set(CheckFormat, Fail, string(jose.ReasonMalformed))
	}
	return true
}

// issuedAt returns the time of signing, or nil, from a payload that isn't that of an SD-JWT. It lets the
// signature be checked first: a forged credential then fails by its signature.
func issuedAt(payload []byte) *int64 {
	var only struct {
		IssuedAt *int64 `json:"iat"`
	}
	if json.Unmarshal(payload, &only) != nil {
		return nil
	}
	return only.IssuedAt
}

// integrity checks the disclosures against the signed digests.
func (c *verification) integrity() {
	resolved, err := c.token.ResolveDecoded(c.payload)
	if e, ok := errors.AsType[*sdjwt.Error](err); ok {
		c.set(CheckIntegrity, Fail, string(e.Reason))
		return
	} else if err != nil {
		c.set(CheckIntegrity, Fail, "disclosure_malformed")
		return
	}
	c.resolved = resolved
	if reason := c.claims.agreed(resolved.Claims); reason != "" {
		c.set(CheckFormat, Fail, reason)
	}
	if resolved.Withheld > 0 {
		c.set(CheckIntegrity, Pass, "fields_withheld")
		return
	}
	c.set(CheckIntegrity, Pass, "whole")
}

// authority checks that the certificate is that of the authority named in the license, or for a collected license
// one of the registry's attestation, and that it was not revoked.
func (c *verification) authority(ctx context.Context) {
	if !c.trusted() {
		return
	}
	l := c.claims
	switch {
	case l.origin == OriginAuthority && c.leaf.Profile == pki.ProfileAuthority && c.leaf.Subject.USCC == string(l.authority.Code):
		c.set(CheckAuthority, Pass, "authority_signed")
	case l.origin == OriginCollected && c.leaf.Profile == pki.ProfileAttestation:
		c.set(CheckAuthority, Pass, "attested")
	default:
		c.set(CheckAuthority, Fail, "authority_mismatch")
	}
	if c.v.Revoked == nil {
		return
	}
	reason, from, revoked, err := c.v.Revoked(ctx, c.leaf.Raw)
	switch {
	case err != nil:
		c.set(CheckChain, Unknown, "revocation_unavailable")
	case revoked && slices.Contains(compromised, reason):
		// No trusted timestamp proves that the signature is older than the theft of the key.
		c.set(CheckChain, Fail, "key_compromised")
	case revoked && !l.issued().Before(from):
		c.set(CheckChain, Fail, "certificate_revoked")
	}
}

// compromised are the reasons of revocation after which nothing that the key ever signed is believed.
var compromised = []string{"keyCompromise", "cACompromise", "aACompromise"}

// period checks the dates: civil days in UTC+8, the last one included.
func (c *verification) period() {
	if !c.trusted() {
		return
	}
	l := &c.claims
	from, err := party.ParseDate(l.validFrom)
	var until party.Date
	if err == nil && l.validUntil != "" {
		until, err = party.ParseDate(l.validUntil)
	}
	if err != nil || *l.notBefore != from.Start().Unix() || !until.IsZero() && until.Before(from) ||
		!until.IsZero() && (l.expires == nil || *l.expires != until.End().Unix()) || until.IsZero() && l.expires != nil {
		c.set(CheckPeriod, Fail, "period_contradictory")
		return
	}
	c.from, c.until = from, until
	switch {
	case l.issued().After(c.at.Add(clockSkew)):
		c.set(CheckPeriod, Fail, "issued_in_future")
	case c.at.Before(from.Start()):
		c.set(CheckPeriod, Fail, "not_yet_valid")
	case !until.IsZero() && !c.at.Before(until.End()):
		c.set(CheckPeriod, Fail, "expired")
	case until.IsZero():
		c.set(CheckPeriod, Pass, "long_term")
	default:
		c.set(CheckPeriod, Pass, "within_period")
	}
}

// status looks up what became of the license.
func (c *verification) status(ctx context.Context) {
	if !c.trusted() {
		return
	}
	l := &c.claims
	switch {
	case !l.status:
		c.set(CheckStatus, Fail, "status_missing")
		return
	case c.v.Status == nil:
		c.set(CheckStatus, Unknown, "status_not_checked")
		return
	}
	value, err := c.v.Status(ctx, l.statusURI, int(*l.statusIndex))
	switch {
	case errors.Is(err, ErrStatusIndex):
		// Token Status List, section 8.3: such a credential is to be rejected.
		c.set(CheckStatus, Fail, "status_index")
	case err != nil:
		c.set(CheckStatus, Unknown, "status_unavailable")
	case value == StatusValid:
		c.set(CheckStatus, Pass, "in_force")
	case value == StatusSuspended:
		c.set(CheckStatus, Fail, "suspended")
	case value == StatusSuperseded:
		c.set(CheckStatus, Fail, "superseded")
	default:
		c.set(CheckStatus, Fail, "ended")
	}
}

// answer reports all checks in order and draws the verdict.
func (c *verification) answer() Verification {
	out := Verification{Verdict: Valid, CheckedAt: c.at.UTC().Truncate(time.Second), Checks: make([]Check, 0, len(checkOrder))}
	for i, n := range checkOrder {
		check := c.results[i]
		if check.Name == "" {
			check = Check{n, Skipped, "not_reached"}
		}
		switch {
		case check.Result == Fail:
			out.Verdict = Invalid
		case check.Result == Unknown && out.Verdict == Valid:
			out.Verdict = Indeterminate
		}
		out.Checks = append(out.Checks, check)
	}
	if c.trusted() && c.check(CheckChain).Result != Fail && c.passed(CheckFormat) && c.passed(CheckIntegrity) {
		out.License = c.presented()
	}
	return out
}

// ReasonNotFound is the reason of the uniform verdict on an identifier and code that are well-formed but not
// known.
const ReasonNotFound = "identifier_or_code_wrong"

// NotFound returns the uniform answer to whoever verifies by what is printed: it is the same for an identifier
// that does not exist and for a wrong code.
func NotFound(at time.Time) Verification {
	out := Verification{Verdict: Invalid, CheckedAt: at.UTC().Truncate(time.Second)}
	for _, n := range checkOrder {
		out.Checks = append(out.Checks, Check{n, Skipped, "not_reached"})
	}
	out.Checks[0] = Check{CheckFormat, Fail, ReasonNotFound}
	return out
}

// fold removes from a credential what files and pasting add: white space, and byte order marks.
func fold(s string) string {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= utf8.RuneSelf {
			return strings.Map(func(r rune) rune {
				if unicode.IsSpace(r) || r == '\ufeff' {
					return -1
				}
				return r
			}, s)
		}
	}
	return s
}

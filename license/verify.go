package license

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/sdjwt"
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
	Name   CheckName `json:"name" doc:"what was checked" enum:"format,signature,chain,authority,period,status,holder,integrity"`
	Result Result    `json:"result" doc:"how it came out" enum:"pass,fail,unknown,skipped"`
	Reason string    `json:"reason" doc:"a stable code in snake_case"`
}

// Verification is the answer to "is this license genuine and in force".
type Verification struct {
	Verdict   Verdict    `json:"verdict" doc:"valid: nothing failed and nothing is unknown; indeterminate: nothing failed" enum:"valid,invalid,indeterminate"`
	CheckedAt time.Time  `json:"checked_at" doc:"as of when"`
	Checks    []Check    `json:"checks" doc:"each check, always all eight"`
	License   *Presented `json:"license,omitempty" doc:"what the license says; absent when the signature failed or is unknown"`
}

// Presented is what a verified credential discloses. When the license was
// verified by its identifier, holders are masked and fields are absent.
type Presented struct {
	TypeCode    TypeCode          `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	TypeName    string            `json:"type_name" doc:"the type's name"`
	TypeVersion int               `json:"type_version" doc:"the version of the type's definition"`
	Version     int               `json:"version" doc:"the version of the license"`
	Authority   PresentedBy       `json:"authority" doc:"the department that issued it"`
	Origin      Origin            `json:"origin" doc:"authority: issued by it; collected: taken over from elsewhere and attested by the registry" enum:"authority,collected"`
	TrustGrade  TrustGrade        `json:"trust_grade" doc:"A made by the authority, B checked against the original, C uploaded by the user, D made by the user" enum:"A,B,C,D"`
	ValidFrom   party.Date        `json:"valid_from" doc:"the first day of validity"`
	ValidUntil  party.Date        `json:"valid_until,omitzero" doc:"the last day of validity; absent: long-term 长期"`
	Identifier  string            `json:"identifier,omitempty" doc:"if disclosed"`
	Number      string            `json:"number,omitempty" doc:"if disclosed"`
	AreaCode    string            `json:"area_code,omitempty" doc:"if disclosed"`
	Holders     []PresentedHolder `json:"holders,omitempty" doc:"as far as disclosed; masked when verified by identifier"`
	Fields      map[string]any    `json:"fields,omitempty" doc:"the face fields that were disclosed; absent when verified by identifier"`
	Withheld    int               `json:"withheld" doc:"how many parts were withheld"`
}

// PresentedBy is the authority as the credential names it.
type PresentedBy struct {
	Code party.USCC `json:"code" doc:"unified social credit code"`
	Name string     `json:"name" doc:"the department's name when the license was signed"`
}

// PresentedHolder is a holder as far as it was disclosed.
type PresentedHolder struct {
	Name     string         `json:"name,omitempty" doc:"if disclosed"`
	CodeType party.CodeType `json:"code_type,omitempty" doc:"if disclosed"`
	Code     string         `json:"code,omitempty" doc:"if disclosed"`
	Role     string         `json:"role,omitempty" doc:"if disclosed"`
}

// StatusSource tells the value of an entry of the status list at uri. An error
// leaves the status unknown.
type StatusSource func(ctx context.Context, uri string, index int) (StatusValue, error)

// CredentialVerifier checks credentials against trust anchors, in the registry
// and offline alike.
type CredentialVerifier struct {
	Anchors    *signing.Anchors
	Signatures *signing.Verifier
	Status     StatusSource // nil: the status stays unknown
	// Revoked reports whether a certificate (DER) was revoked, why (RFC 5280
	// 5.3.1) and from when. Nil: revocation is not checked.
	Revoked func(ctx context.Context, der []byte) (reason string, from time.Time, revoked bool, err error)
}

// clockSkew is how far another's clock may be ahead of ours.
const clockSkew = time.Minute

// credentialLimits bound what is read of a credential.
var credentialLimits = sdjwt.Limits{Bytes: maxCredential, Disclosures: 1024}

// maxCredential is the longest credential that is issued or verified, in bytes.
const maxCredential = 128 << 10

// verification is one run of the checks.
type verification struct {
	v       *CredentialVerifier
	at      time.Time
	results [len(checkOrder)]Check
	token   *sdjwt.Token
	payload *sdjwt.Payload
	claims  credentialClaims
	leaf    *signing.Certificate

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

// Verify checks a credential as of a time: its form, signature and certificate
// chain at the time of signing, that the certificate is the authority's, the
// period, the status, and that nothing disclosed was altered. A check that
// another one's failure left without ground is skipped.
func (v *CredentialVerifier) Verify(ctx context.Context, credential string, at time.Time) Verification {
	c := &verification{v: v, at: at}
	if c.format(credential) {
		c.signature(ctx)
		if c.trusted() {
			c.integrity()
		}
		c.authority(ctx)
		c.period()
		c.status(ctx)
		c.holder()
	}
	return c.answer()
}

// trusted reports whether there are contents that are known to be the signer's.
func (c *verification) trusted() bool { return c.passed(CheckSignature) && c.payload != nil }

// format reads the token without trusting it.
func (c *verification) format(credential string) bool {
	token, err := sdjwt.Parse(credential, credentialLimits)
	if e, ok := errors.AsType[*sdjwt.Error](err); ok {
		c.set(CheckFormat, Fail, e.Reason)
		return false
	} else if err != nil {
		c.set(CheckFormat, Fail, "sdjwt_malformed")
		return false
	}
	c.token = token
	c.set(CheckFormat, Pass, "well_formed")
	return true
}

// signature checks the JWS, and within it, before the key is used, the chain.
func (c *verification) signature(ctx context.Context) {
	var claims credentialClaims
	var good bool
	var malformed error
	key := func(h signing.Header, unverified []byte) (crypto.PublicKey, error) {
		// The time of signing is in the payload, which is not verified yet; it
		// is believed only if the signature then is right.
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
	_, _, err := signing.Verify(ctx, c.token.JWS, signing.Expectation{
		Typ: signing.TypCredential, Max: maxCredential, KeyWithin: key, Verifier: c.v.Signatures,
	})
	if c.leaf != nil {
		c.set(CheckChain, Pass, "chain_trusted")
		if c.v.Revoked == nil {
			c.set(CheckChain, Pass, "revocation_not_checked")
		}
	}
	if chain, ok := errors.AsType[*signing.ChainError](err); ok {
		c.set(CheckChain, Fail, chain.Reason)
		c.set(CheckSignature, Unknown, "key_untrusted")
		return
	}
	token, refused := errors.AsType[*signing.TokenError](err)
	switch {
	case errors.Is(err, signing.ErrUndecided):
		c.set(CheckSignature, Unknown, "undecided")
		if c.leaf == nil {
			c.set(CheckChain, Unknown, "undecided")
		}
	case refused && (token.Reason == "token_signature" || token.Reason == "token_algorithm"):
		c.set(CheckSignature, Fail, token.Reason)
	case refused:
		c.set(CheckFormat, Fail, token.Reason)
	case err != nil:
		c.set(CheckFormat, Fail, "token_malformed")
	default:
		if e, ok := errors.AsType[*sdjwt.Error](malformed); ok {
			c.set(CheckSignature, Pass, "signature_valid")
			c.set(CheckIntegrity, Fail, e.Reason)
			return
		}
		if !good || claims.vct != vctPrefix+string(claims.typeCode) {
			c.set(CheckFormat, Fail, "claims_malformed")
			return
		}
		c.claims = claims
		c.set(CheckSignature, Pass, "signature_valid")
	}
}

// issuedAt returns the time of signing, or nil, of claims that aren't those of an
// SD-JWT: what is wrong with a credential that isn't genuine is its signature.
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
		c.set(CheckIntegrity, Fail, e.Reason)
		return
	} else if err != nil {
		c.set(CheckIntegrity, Fail, "disclosure_malformed")
		return
	}
	c.resolved = resolved
	if resolved.Withheld > 0 {
		c.set(CheckIntegrity, Pass, "fields_withheld")
		return
	}
	c.set(CheckIntegrity, Pass, "whole")
}

// authority checks that the certificate is that of the authority named in the
// license, or the registry's attestation of a collected one; and that it was
// not revoked.
func (c *verification) authority(ctx context.Context) {
	if !c.trusted() {
		return
	}
	l := c.claims
	switch {
	case l.origin == OriginAuthority && c.leaf.Profile == signing.ProfileAuthority && c.leaf.Subject.USCC == string(l.authority.Code):
		c.set(CheckAuthority, Pass, "authority_signed")
	case l.origin == OriginCollected && c.leaf.Profile == signing.ProfileAttestation:
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
	case revoked && reason == "keyCompromise":
		// No trusted timestamp says that the signature is older than the theft.
		c.set(CheckChain, Fail, "key_compromised")
	case revoked && !l.issued().Before(from):
		c.set(CheckChain, Fail, "certificate_revoked")
	}
}

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
	if err != nil || l.notBefore != from.Start().Unix() ||
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

// status asks what became of the license.
func (c *verification) status(ctx context.Context) {
	if !c.trusted() {
		return
	}
	l := &c.claims
	switch {
	case l.statusIndex == nil || l.statusURI == "":
		c.set(CheckStatus, Fail, "status_missing")
		return
	case c.v.Status == nil:
		c.set(CheckStatus, Unknown, "status_not_checked")
		return
	}
	value, err := c.v.Status(ctx, l.statusURI, int(*l.statusIndex))
	switch {
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

// holder says that who shows the license was not checked: that takes a key
// binding made for a verifier's own audience and nonce.
func (c *verification) holder() {
	if c.token.KeyBinding != "" {
		c.set(CheckHolder, Skipped, "key_binding_not_checked")
	}
}

// answer reports all checks in order and draws the verdict.
func (c *verification) answer() Verification {
	out := Verification{Verdict: Valid, CheckedAt: c.at.UTC().Truncate(time.Second), Checks: make([]Check, 0, len(checkOrder))}
	for i, n := range checkOrder {
		check := c.results[i]
		if check.Name == "" {
			check = Check{n, Skipped, "not_reached"}
			if n == CheckHolder {
				check.Reason = "no_key_binding"
			}
		}
		switch {
		case check.Result == Fail:
			out.Verdict = Invalid
		case check.Result == Unknown && out.Verdict == Valid:
			out.Verdict = Indeterminate
		}
		out.Checks = append(out.Checks, check)
	}
	if c.trusted() && c.passed(CheckChain) && c.passed(CheckIntegrity) {
		out.License = c.presented()
	}
	return out
}

// presented returns what the credential discloses.
func (c *verification) presented() *Presented {
	l := &c.claims
	p := &Presented{
		TypeCode: l.typeCode, TypeName: l.typeName, TypeVersion: l.typeVersion, Version: l.version,
		Authority: l.authority, Origin: l.origin, TrustGrade: l.trustGrade,
		ValidFrom: c.from, ValidUntil: c.until, Withheld: c.resolved.Withheld,
	}
	claims := c.resolved.Claims
	p.Identifier, _ = claims["identifier"].(string)
	p.Number, _ = claims["number"].(string)
	p.AreaCode, _ = claims["area_code"].(string)
	p.Fields, _ = claims["fields"].(map[string]any)
	holders, _ := claims["holders"].([]any)
	for _, h := range holders {
		m, _ := h.(map[string]any)
		var ph PresentedHolder
		ph.Name, _ = m["name"].(string)
		ph.Code, _ = m["code"].(string)
		ph.Role, _ = m["role"].(string)
		t, _ := m["code_type"].(string)
		ph.CodeType = party.CodeType(t)
		p.Holders = append(p.Holders, ph)
	}
	return p
}

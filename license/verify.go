package license

import (
	"context"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
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
	Reason string    `json:"reason"`
}

// Verification is the answer to "is this license genuine and in force".
type Verification struct {
	Verdict   Verdict    `json:"verdict"`
	CheckedAt time.Time  `json:"checked_at"`
	Checks    []Check    `json:"checks"`
	License   *Presented `json:"license,omitempty"` // absent when the signature failed or is unknown
}

// Presented is what a verified credential discloses. When the license was
// verified by its identifier, holders are masked and fields are absent.
type Presented struct {
	TypeCode    TypeCode          `json:"type_code"`
	TypeName    string            `json:"type_name"`
	TypeVersion int               `json:"type_version"`
	Version     int               `json:"version"`
	Authority   PresentedBy       `json:"authority"`
	Origin      Origin            `json:"origin"`
	TrustGrade  TrustGrade        `json:"trust_grade"`
	ValidFrom   party.Date        `json:"valid_from"`
	ValidUntil  party.Date        `json:"valid_until,omitzero"` // none: 长期
	Identifier  string            `json:"identifier,omitempty"`
	Number      string            `json:"number,omitempty"`
	AreaCode    string            `json:"area_code,omitempty"`
	Holders     []PresentedHolder `json:"holders,omitempty"`
	Fields      map[string]any    `json:"fields,omitempty"`
	Withheld    int               `json:"withheld"` // how many disclosures were withheld
}

// PresentedBy is the authority as the credential names it.
type PresentedBy struct {
	Code party.USCC `json:"code"`
	Name string     `json:"name"`
}

// PresentedHolder is a holder as far as it was disclosed.
type PresentedHolder struct {
	Name     string         `json:"name,omitempty"`
	CodeType party.CodeType `json:"code_type,omitempty"`
	Code     string         `json:"code,omitempty"`
	Role     string         `json:"role,omitempty"`
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

// Verify checks a credential as of a time.
func (v *CredentialVerifier) Verify(ctx context.Context, credential string, at time.Time) Verification {
	return Verification{}
}

// OpenStatusList checks a status list token and returns a source for the
// entries of its list alone.
func OpenStatusList(ctx context.Context, token string, a *signing.Anchors, v *signing.Verifier, at time.Time) (StatusSource, error) {
	return nil, errUnbuilt
}

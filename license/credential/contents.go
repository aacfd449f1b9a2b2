package credential

import (
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sdjwt"
)

// Origin says who vouches for a version.
type Origin string

const (
	OriginAuthority Origin = "authority" // issued here by its authority
	OriginCollected Origin = "collected" // 归集: taken over from elsewhere; the registry attests it
)

// TrustGrade is the grade of 国办函〔2016〕108号: A made by the authority itself,
// B checked against the original, C uploaded by the user, D made by the user.
type TrustGrade string

const (
	GradeA TrustGrade = "A"
	GradeB TrustGrade = "B"
	GradeC TrustGrade = "C"
	GradeD TrustGrade = "D"
)

// Holder is one 持证主体 of a license; several are normal.
type Holder struct {
	Name     string         `json:"name"` // rare characters as they are
	CodeType party.CodeType `json:"code_type"`
	Code     string         `json:"code"`
	Role     string         `json:"role"`            // one of the type's
	Share    string         `json:"share,omitempty"` // 共有份额 as printed
}

// Contents are what a credential says of a version of a license. The layout is
// docs/credential-profile.md; its names are frozen.
type Contents struct {
	TypeCode    TypeCode
	TypeName    string
	TypeVersion int
	Version     int // of the license, from 1
	Authority   PresentedBy
	Origin      Origin
	TrustGrade  TrustGrade
	ValidFrom   party.Date
	ValidUntil  party.Date // zero: 长期
	Issued      time.Time
	PublicURL   string // of the registry: vct and the status list's address build on it
	StatusList  int64
	StatusIndex int

	// What follows can be withheld, part by part.
	Identifier Identifier
	Previous   Identifier // of the version before; empty: none
	Number     string
	AreaCode   string // empty: none
	Holders    []Holder
	Fields     sdjwt.Members // each selective
}

// claims appends the claims of a credential, in the order of their names.
func (c *Contents) claims(claims sdjwt.Members, cnf jose.Key) sdjwt.Members {
	shown := func(name string, value any) { claims = append(claims, sdjwt.Member{Name: name, Value: value}) }
	withheld := func(name string, value any) {
		claims = append(claims, sdjwt.Member{Name: name, Value: value, Selective: true})
	}
	if c.AreaCode != "" {
		withheld("area_code", &c.AreaCode)
	}
	shown("authority", sdjwt.Members{{Name: "code", Value: string(c.Authority.Code)}, {Name: "name", Value: c.Authority.Name}})
	shown("cnf", sdjwt.Members{{Name: "jwk", Value: sdjwt.Members{
		{Name: "crv", Value: cnf.Curve}, {Name: "kty", Value: cnf.KeyType}, {Name: "x", Value: cnf.X}, {Name: "y", Value: cnf.Y}}}})
	if !c.ValidUntil.IsZero() {
		shown("exp", c.ValidUntil.End().Unix())
	}
	shown("fields", c.Fields)
	shown("holders", holderClaims(c.Holders))
	shown("iat", c.Issued.Unix())
	withheld("identifier", (*string)(&c.Identifier))
	shown("nbf", c.ValidFrom.Start().Unix())
	withheld("number", &c.Number)
	shown("origin", string(c.Origin))
	if c.Previous != "" {
		withheld("previous_identifier", string(c.Previous))
	}
	shown("status", sdjwt.Members{{Name: "status_list", Value: sdjwt.Members{
		{Name: "idx", Value: c.StatusIndex}, {Name: "uri", Value: StatusListURI(c.PublicURL, c.StatusList)}}}})
	shown("trust_grade", string(c.TrustGrade))
	shown("type_code", (*string)(&c.TypeCode))
	shown("type_name", &c.TypeName)
	shown("type_version", c.TypeVersion)
	shown("valid_from", c.ValidFrom.String())
	if !c.ValidUntil.IsZero() {
		shown("valid_until", c.ValidUntil.String())
	}
	shown("vct", VCT(c.PublicURL, c.TypeCode, c.TypeVersion))
	shown("version", c.Version)
	return claims
}

// holderClaims makes every holder, and every member of it, disclosable.
func holderClaims(hs []Holder) []any {
	claims := make([]any, len(hs))
	for i := range hs {
		h := &hs[i]
		members := sdjwt.Members{
			{Name: "code", Value: &h.Code, Selective: true},
			{Name: "code_type", Value: (*string)(&h.CodeType), Selective: true},
			{Name: "name", Value: &h.Name, Selective: true},
			{Name: "role", Value: &h.Role, Selective: true},
		}
		if h.Share != "" {
			members = append(members, sdjwt.Member{Name: "share", Value: &h.Share, Selective: true})
		}
		claims[i] = sdjwt.Selective{Value: members}
	}
	return claims
}

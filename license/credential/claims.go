package credential

import (
	"strings"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sdjwt"
)

// credentialClaims are the claims of a credential that verification reads. All of them are always in the clear.
type credentialClaims struct {
	vct         string
	issuedAt    *int64 // not nil once the signature was checked
	notBefore   *int64
	expires     *int64
	typeCode    TypeCode
	typeName    string
	typeVersion int64
	version     int64
	authority   PresentedBy
	origin      Origin
	trustGrade  TrustGrade
	validFrom   string
	validUntil  string
	hash        string
	presenter   jose.Key // of cnf
	holders     bool     // there is such an array …
	fields      bool     // … and such an object
	status      bool     // there is a status of a list
	statusURI   string
	statusIndex *int64
}

func (c *credentialClaims) issued() time.Time { return time.Unix(*c.issuedAt, 0) }

// readClaims reads the claims of a payload. It reports false if a claim has the wrong type; it reads the others
// all the same.
func readClaims(p *sdjwt.Payload) (credentialClaims, bool) {
	good := true
	all := claimReader{p.Claims(), &good}
	authority, list, jwk := all.object("authority"), all.object("status").object("status_list"), all.object("cnf").object("jwk")
	return credentialClaims{
		vct: all.text("vct"), issuedAt: all.number("iat"), notBefore: all.number("nbf"), expires: all.number("exp"),
		typeCode: TypeCode(all.text("type_code")), typeName: all.text("type_name"),
		typeVersion: all.whole("type_version"), version: all.whole("version"),
		authority: PresentedBy{Code: party.USCC(authority.text("code")), Name: authority.text("name")},
		origin:    Origin(all.text("origin")), trustGrade: TrustGrade(all.text("trust_grade")),
		validFrom: all.text("valid_from"), validUntil: all.text("valid_until"),
		hash:      all.text("_sd_alg"),
		presenter: jose.Key{KeyType: jwk.text("kty"), Curve: jwk.text("crv"), X: jwk.text("x"), Y: jwk.text("y")},
		holders:   all.array("holders"), fields: all.object("fields").members != nil,
		status: list.members != nil, statusURI: list.text("uri"), statusIndex: list.number("idx"),
	}, good
}

// conforms returns why the claims are not those of docs/credential-profile.md, claims_missing or
// claims_malformed, or "" if they are. Other checks look at the dates and at a missing status.
func (c *credentialClaims) conforms() (reason string) {
	given := c.vct != "" && c.issuedAt != nil && c.notBefore != nil && c.typeCode != "" && c.typeName != "" && c.typeVersion != 0 &&
		c.version != 0 && c.authority != (PresentedBy{}) && c.origin != "" && c.trustGrade != "" && c.validFrom != "" &&
		c.hash != "" && c.presenter.KeyType != "" && c.holders && c.fields
	if !given {
		return "claims_missing"
	}
	_, err := c.presenter.PublicKey()
	sound := err == nil && c.presenter.Curve == jose.CurveSM2 &&
		c.typeCode.Valid() && c.typeVersion > 0 && c.version > 0 && c.version <= maxVersion &&
		c.authority.Code.Valid() && c.authority.Name != "" &&
		(c.origin == OriginAuthority || c.origin == OriginCollected) && strings.Contains("ABCD", string(c.trustGrade)) && len(c.trustGrade) == 1 &&
		c.hash == string(sdjwt.SM3) && c.namesType() &&
		(!c.status || c.statusURI != "" && c.statusIndex != nil && *c.statusIndex >= 0)
	if !sound {
		return "claims_malformed"
	}
	return ""
}

// maxVersion is the last version of a license that an identifier can name.
const maxVersion = 999

// vctURN was the beginning of vct in credentials before vct was an address. A URN in a namespace that nobody
// registered is no collision-resistant name.
const vctURN = "urn:yizheng:license:"

// namesType reports whether vct is the present or the former name of type_code.
func (c *credentialClaims) namesType() bool {
	if c.vct == vctURN+string(c.typeCode) {
		return true
	}
	base, ok := strings.CutSuffix(c.vct, VCT("", c.typeCode, int(c.typeVersion)))
	return ok && CheckPublicURL(base) == nil
}

// agreed checks the claims that were disclosed: each must have the right type, and the identifier must say what
// the rest of the credential says. It returns claims_malformed, identifier_mismatch, or "".
func (c *credentialClaims) agreed(disclosed map[string]any) (reason string) {
	good := true
	all := claimReader{disclosed, &good}
	identifier, previous := all.text("identifier"), all.text("previous_identifier")
	all.text("number")
	all.text("area_code")
	holders, _ := disclosed["holders"].([]any)
	for _, h := range holders {
		m, ok := h.(map[string]any)
		good = good && ok
		one := claimReader{m, &good}
		for _, name := range [...]string{"name", "code_type", "code", "role", "share"} {
			one.text(name)
		}
	}
	switch {
	case !good || previous != "" && !wellFormed(previous):
		return "claims_malformed"
	case identifier != "" && !c.identifies(identifier):
		return "identifier_mismatch"
	}
	return ""
}

func wellFormed(identifier string) bool {
	_, err := Identifier(identifier).Parse()
	return err == nil
}

// identifies reports whether an identifier names the type, the authority and the version that the credential
// names. A collected license's identifier may name its authority in another way, count versions otherwise, and
// have a wrong check character.
func (c *credentialClaims) identifies(identifier string) bool {
	parts, err := Identifier(identifier).Parse()
	if err != nil || parts.Type != c.typeCode {
		return false
	}
	return c.origin == OriginCollected ||
		!parts.CheckMismatch && parts.Authority == string(c.authority.Code) && int64(parts.Version) == c.version
}

// claimReader reads the members of an object. A member that is missing or null gives the zero value. A member of
// another type does too, and sets good to false.
type claimReader struct {
	members map[string]any
	good    *bool
}

func (r claimReader) text(name string) string {
	s, ok := r.members[name].(string)
	r.mind(name, ok)
	return s
}

// number returns a whole number, or nil.
func (r claimReader) number(name string) *int64 {
	s, ok := r.members[name].(sdjwt.Number)
	n, err := s.Int64()
	r.mind(name, ok && err == nil)
	if !ok || err != nil {
		return nil
	}
	return &n
}

func (r claimReader) whole(name string) int64 {
	if n := r.number(name); n != nil {
		return *n
	}
	return 0
}

func (r claimReader) object(name string) claimReader {
	m, ok := r.members[name].(map[string]any)
	r.mind(name, ok)
	return claimReader{m, r.good}
}

// array reports whether there is an array.
func (r claimReader) array(name string) bool {
	_, ok := r.members[name].([]any)
	r.mind(name, ok)
	return ok
}

// mind sets good to false if a member is there and has the wrong type.
func (r claimReader) mind(name string, ok bool) {
	if !ok && r.members[name] != nil {
		*r.good = false
	}
}

package license

import (
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/sdjwt"
)

// credentialClaims are the claims of a credential that verification reads, all
// of which always stand in the clear.
type credentialClaims struct {
	vct         string
	issuedAt    *int64 // there, once the signature was checked
	notBefore   int64
	expires     *int64
	typeCode    TypeCode
	typeName    string
	typeVersion int
	version     int
	authority   PresentedBy
	origin      Origin
	trustGrade  TrustGrade
	validFrom   string
	validUntil  string
	statusURI   string
	statusIndex *int64
}

func (c *credentialClaims) issued() time.Time { return time.Unix(*c.issuedAt, 0) }

// readClaims reads the claims of a payload. It reports false if one is not of its
// type; the others are read all the same.
func readClaims(p *sdjwt.Payload) (credentialClaims, bool) {
	good := true
	all := claimReader{p.Claims(), &good}
	authority, list := all.object("authority"), all.object("status").object("status_list")
	return credentialClaims{
		vct: all.text("vct"), issuedAt: all.number("iat"), notBefore: all.whole("nbf"), expires: all.number("exp"),
		typeCode: TypeCode(all.text("type_code")), typeName: all.text("type_name"),
		typeVersion: int(all.whole("type_version")), version: int(all.whole("version")),
		authority: PresentedBy{Code: party.USCC(authority.text("code")), Name: authority.text("name")},
		origin:    Origin(all.text("origin")), trustGrade: TrustGrade(all.text("trust_grade")),
		validFrom: all.text("valid_from"), validUntil: all.text("valid_until"),
		statusURI: list.text("uri"), statusIndex: list.number("idx"),
	}, good
}

// claimReader reads the members of an object. One that is missing, or null, is the
// zero value; one of another type too, and it isn't good.
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

// mind takes note of a member that is there and not of its type.
func (r claimReader) mind(name string, ok bool) {
	if !ok && r.members[name] != nil {
		*r.good = false
	}
}

package license

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sdjwt"
)

// statusListPath is where status lists are served below the public URL.
const statusListPath = "/v1/trust/status-lists/"

// scratch is memory in which one version after another is sealed.
type scratch struct {
	packer     sdjwt.Packer
	claims     sdjwt.Members
	credential []byte
	body       []byte

	key    *signing.Key // that signed last
	header jose.Header  // of its credentials
}

// takeScratch returns a scratch, which is to be put back.
func (r *Registry) takeScratch() *scratch {
	if m, ok := r.scratch.Get().(*scratch); ok {
		return m
	}
	return new(scratch)
}

// sign makes the credential of a version, in m, and the presentation key that its
// cnf names. The layout is docs/credential-profile.md; its names are frozen.
func (r *Registry) sign(m *scratch, d draft, v version, b *body, key *signing.Key, s slot) (holderKey []byte, err error) {
	cnf, holderKey, err := jose.NewHolderKey()
	if err != nil {
		return nil, fmt.Errorf("making a presentation key: %w", err)
	}
	m.claims = r.claims(m.claims[:0], d, v, b, cnf, s)
	packed, err := m.packer.Pack(m.claims, sdjwt.PackOptions{Hash: sdjwt.SM3})
	if e, ok := errors.AsType[*sdjwt.Error](err); ok && e.Reason == "sdjwt_too_large" {
		return nil, errTooLarge()
	} else if err != nil {
		return nil, fmt.Errorf("packing a credential: %w", err)
	}
	if m.key != key { // keys stay the same from one reading of the keyrings to the next
		m.key, m.header = key, jose.Header{
			Typ: jose.TypCredential, Algorithm: jose.SM2, KeyID: key.KID(), X5C: key.Chain,
		}.Prepared()
	}
	m.credential, err = packed.Issue(m.credential[:0], key.Signer, m.header)
	if err != nil {
		return nil, fmt.Errorf("signing a credential: %w", err)
	}
	if len(m.credential) > maxCredential {
		return nil, errTooLarge()
	}
	return holderKey, nil
}

// claims appends the claims of a credential, in the order of their names.
func (r *Registry) claims(claims sdjwt.Members, d draft, v version, b *body, cnf jose.Key, s slot) sdjwt.Members {
	claims = slices.Grow(claims, 24)
	shown := func(name string, value any) { claims = append(claims, sdjwt.Member{Name: name, Value: value}) }
	withheld := func(name string, value any) {
		claims = append(claims, sdjwt.Member{Name: name, Value: value, Selective: true})
	}
	if b.AreaCode != "" {
		withheld("area_code", &b.AreaCode)
	}
	shown("authority", sdjwt.Members{{Name: "code", Value: string(d.authority.Code)}, {Name: "name", Value: d.authority.Name}})
	shown("cnf", sdjwt.Members{{Name: "jwk", Value: sdjwt.Members{
		{Name: "crv", Value: cnf.Curve}, {Name: "kty", Value: cnf.KeyType}, {Name: "x", Value: cnf.X}, {Name: "y", Value: cnf.Y}}}})
	if !d.content.ValidUntil.IsZero() {
		shown("exp", d.content.ValidUntil.End().Unix())
	}
	shown("fields", d.fields)
	shown("holders", holderClaims(b.Holders))
	shown("iat", v.issued.Unix())
	withheld("identifier", (*string)(&b.Identifier))
	shown("nbf", d.content.ValidFrom.Start().Unix())
	withheld("number", &b.Number)
	shown("origin", string(OriginAuthority))
	if v.previous != "" {
		withheld("previous_identifier", string(v.previous))
	}
	shown("status", sdjwt.Members{{Name: "status_list", Value: sdjwt.Members{
		{Name: "idx", Value: s.index}, {Name: "uri", Value: r.statusListURI(s.list)}}}})
	shown("trust_grade", string(GradeA))
	shown("type_code", (*string)(&d.typ.Code))
	shown("type_name", &d.typ.Name)
	shown("type_version", d.typ.Version)
	shown("valid_from", d.content.ValidFrom.String())
	if !d.content.ValidUntil.IsZero() {
		shown("valid_until", d.content.ValidUntil.String())
	}
	shown("vct", vctOf(r.c.PublicURL, d.typ.Code, d.typ.Version))
	shown("version", v.number)
	return claims
}

func errTooLarge() error {
	return invalid("license_too_large", "The credential would be longer than 128 KiB or have more than 1024 parts. Shorten the fields, or name fewer holders.")
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

func (r *Registry) statusListURI(list int64) string {
	return r.c.PublicURL + statusListPath + strconv.FormatInt(list, 10)
}

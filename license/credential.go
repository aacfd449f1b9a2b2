package license

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"yizheng.internal/signing"
	"yizheng.internal/signing/sdjwt"
)

// vctPrefix begins the "vct" of every credential; the type code follows.
const vctPrefix = "urn:yizheng:license:"

// statusListPath is where status lists are served below the public URL.
const statusListPath = "/v1/trust/status-lists/"

// sign makes the credential of a version and the presentation key that its cnf
// names. The layout is docs/credential-profile.md; its names are frozen.
func (r *Registry) sign(d draft, v version, b *body, key *signing.Key, s slot) (credential, holderKey []byte, err error) {
	holder, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a presentation key: %w", err)
	}
	cnf, err := signing.NewJWK(&holder.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a presentation key: %w", err)
	}
	packer, _ := r.packers.Get().(*sdjwt.Packer)
	if packer == nil {
		packer = new(sdjwt.Packer)
	}
	defer r.packers.Put(packer)
	packed, err := packer.Pack(r.claims(d, v, b, cnf, s), sdjwt.PackOptions{Hash: sdjwt.SM3})
	if e, ok := errors.AsType[*sdjwt.Error](err); ok && e.Reason == "sdjwt_too_large" {
		return nil, nil, errTooLarge()
	} else if err != nil {
		return nil, nil, fmt.Errorf("packing a credential: %w", err)
	}
	credential, err = packed.Issue(key.Signer, signing.Header{
		Typ: signing.TypCredential, Algorithm: signing.SM2, KeyID: string(key.ID), X5C: key.Chain,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("signing a credential: %w", err)
	}
	if len(credential) > maxCredential {
		return nil, nil, errTooLarge()
	}
	return credential, holder.D.FillBytes(make([]byte, 32)), nil
}

// claims returns the claims of a credential, in the order of their names.
func (r *Registry) claims(d draft, v version, b *body, cnf signing.JWK, s slot) sdjwt.Members {
	claims := make(sdjwt.Members, 0, 24)
	shown := func(name string, value any) { claims = append(claims, sdjwt.Member{Name: name, Value: value}) }
	withheld := func(name string, value any) {
		claims = append(claims, sdjwt.Member{Name: name, Value: value, Selective: true})
	}
	if b.AreaCode != "" {
		withheld("area_code", b.AreaCode)
	}
	shown("authority", sdjwt.Members{{Name: "code", Value: string(d.authority.Code)}, {Name: "name", Value: d.authority.Name}})
	shown("cnf", sdjwt.Members{{Name: "jwk", Value: sdjwt.Members{
		{Name: "crv", Value: cnf.Curve}, {Name: "kty", Value: cnf.KeyType}, {Name: "x", Value: cnf.X}, {Name: "y", Value: cnf.Y}}}})
	if !d.content.ValidUntil.IsZero() {
		shown("exp", d.content.ValidUntil.End().Unix())
	}
	shown("fields", fieldClaims(d.fields))
	shown("holders", holderClaims(b.Holders))
	shown("iat", v.issued.Unix())
	withheld("identifier", string(b.Identifier))
	shown("nbf", d.content.ValidFrom.Start().Unix())
	withheld("number", b.Number)
	shown("origin", string(OriginAuthority))
	shown("status", sdjwt.Members{{Name: "status_list", Value: sdjwt.Members{
		{Name: "idx", Value: s.index}, {Name: "uri", Value: r.statusListURI(s.list)}}}})
	shown("trust_grade", string(GradeA))
	shown("type_code", string(d.typ.Code))
	shown("type_name", d.typ.Name)
	shown("type_version", d.typ.Version)
	shown("valid_from", d.content.ValidFrom.String())
	if !d.content.ValidUntil.IsZero() {
		shown("valid_until", d.content.ValidUntil.String())
	}
	shown("vct", vctPrefix+string(d.typ.Code))
	shown("version", v.number)
	return claims
}

func errTooLarge() error {
	return invalid("license_too_large", "The credential would be longer than 128 KiB or have more than 1024 parts. Shorten the fields, or name fewer holders.")
}

// holderClaims makes every holder, and every member of it, disclosable.
func holderClaims(hs []Holder) []any {
	claims := make([]any, len(hs))
	for i, h := range hs {
		claims[i] = sdjwt.Selective{Value: sdjwt.Members{
			{Name: "code", Value: h.Code, Selective: true},
			{Name: "code_type", Value: string(h.CodeType), Selective: true},
			{Name: "name", Value: h.Name, Selective: true},
			{Name: "role", Value: h.Role, Selective: true},
		}}
	}
	return claims
}

// fieldClaims makes every member of fields disclosable.
func fieldClaims(fields map[string]any) sdjwt.Members {
	claims := make(sdjwt.Members, 0, len(fields))
	for _, name := range sortedKeys(fields) {
		claims = append(claims, sdjwt.Member{Name: name, Value: fields[name], Selective: true})
	}
	return claims
}

func (r *Registry) statusListURI(list int64) string {
	return r.c.PublicURL + statusListPath + strconv.FormatInt(list, 10)
}

// credentialClaims are the claims of a credential that verification reads.
type credentialClaims struct {
	VCT         string      `json:"vct"`
	IssuedAt    *int64      `json:"iat"` // there, once the signature was checked
	NotBefore   int64       `json:"nbf"`
	Expires     *int64      `json:"exp"`
	TypeCode    TypeCode    `json:"type_code"`
	TypeName    string      `json:"type_name"`
	TypeVersion int         `json:"type_version"`
	Version     int         `json:"version"`
	Authority   PresentedBy `json:"authority"`
	Origin      Origin      `json:"origin"`
	TrustGrade  TrustGrade  `json:"trust_grade"`
	ValidFrom   string      `json:"valid_from"`
	ValidUntil  string      `json:"valid_until"`
	Status      struct {
		List *struct {
			Index *int   `json:"idx"`
			URI   string `json:"uri"`
		} `json:"status_list"`
	} `json:"status"`
}

func (c *credentialClaims) issuedAt() time.Time { return time.Unix(*c.IssuedAt, 0) }

package license

import (
	"crypto/rand"
	"errors"
	"fmt"
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
func (r *Registry) sign(d draft, v version, b *body, key *signing.Key, s slot) (credential string, holderKey []byte, err error) {
	holder, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return "", nil, fmt.Errorf("making a presentation key: %w", err)
	}
	cnf, err := signing.NewJWK(&holder.PublicKey)
	if err != nil {
		return "", nil, fmt.Errorf("encoding a presentation key: %w", err)
	}
	claims := map[string]any{
		"vct":          vctPrefix + string(d.typ.Code),
		"iat":          v.issued.Unix(),
		"nbf":          d.content.ValidFrom.Start().Unix(),
		"type_code":    string(d.typ.Code),
		"type_name":    d.typ.Name,
		"type_version": d.typ.Version,
		"version":      v.number,
		"authority":    map[string]any{"code": string(d.authority.Code), "name": d.authority.Name},
		"origin":       string(OriginAuthority),
		"trust_grade":  string(GradeA),
		"valid_from":   d.content.ValidFrom.String(),
		"cnf":          map[string]any{"jwk": map[string]any{"kty": cnf.KeyType, "crv": cnf.Curve, "x": cnf.X, "y": cnf.Y}},
		"status": map[string]any{"status_list": map[string]any{
			"idx": s.index, "uri": r.statusListURI(s.list)}},
		"identifier": sdjwt.Selective{Value: string(b.Identifier)},
		"number":     sdjwt.Selective{Value: b.Number},
		"holders":    holderClaims(b.Holders),
		"fields":     fieldClaims(d.fields),
	}
	if !d.content.ValidUntil.IsZero() {
		claims["valid_until"] = d.content.ValidUntil.String()
		claims["exp"] = d.content.ValidUntil.End().Unix()
	}
	if b.AreaCode != "" {
		claims["area_code"] = sdjwt.Selective{Value: b.AreaCode}
	}
	payload, disclosures, err := sdjwt.PackJSON(claims, sdjwt.PackOptions{Hash: sdjwt.SM3})
	if e, ok := errors.AsType[*sdjwt.Error](err); ok && e.Reason == "sdjwt_too_large" {
		return "", nil, errTooLarge()
	} else if err != nil {
		return "", nil, fmt.Errorf("packing a credential: %w", err)
	}
	jws, err := signing.Sign(key.Signer, signing.Header{
		Typ: signing.TypCredential, Algorithm: signing.SM2, KeyID: string(key.ID), X5C: key.Chain,
	}, payload)
	if err != nil {
		return "", nil, fmt.Errorf("signing a credential: %w", err)
	}
	credential = sdjwt.Combine(jws, disclosures)
	if len(credential) > maxCredential {
		return "", nil, errTooLarge()
	}
	return credential, holder.D.FillBytes(make([]byte, 32)), nil
}

func errTooLarge() error {
	return invalid("license_too_large", "The credential would be longer than 128 KiB or have more than 1024 parts. Shorten the fields, or name fewer holders.")
}

// holderClaims makes every holder, and every member of it, disclosable.
func holderClaims(hs []Holder) []any {
	claims := make([]any, len(hs))
	for i, h := range hs {
		claims[i] = sdjwt.Selective{Value: map[string]any{
			"name":      sdjwt.Selective{Value: h.Name},
			"code_type": sdjwt.Selective{Value: string(h.CodeType)},
			"code":      sdjwt.Selective{Value: h.Code},
			"role":      sdjwt.Selective{Value: h.Role},
		}}
	}
	return claims
}

// fieldClaims makes every member of fields disclosable.
func fieldClaims(fields map[string]any) map[string]any {
	claims := make(map[string]any, len(fields))
	for name, v := range fields {
		claims[name] = sdjwt.Selective{Value: v}
	}
	return claims
}

func (r *Registry) statusListURI(list int64) string {
	return fmt.Sprintf("%s%s%d", r.c.PublicURL, statusListPath, list)
}

// credentialClaims are the claims of a credential that verification reads.
type credentialClaims struct {
	VCT         string      `json:"vct"`
	IssuedAt    int64       `json:"iat"`
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

func (c *credentialClaims) issuedAt() time.Time { return time.Unix(c.IssuedAt, 0) }

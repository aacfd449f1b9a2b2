package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"crypto/ecdsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
)

const (
	sm2WithSM3 = "urn:oid:1.2.156.10197.1.501" // the JWS algorithm
	sm2Curve   = "urn:oid:1.2.156.10197.1.301"
	maxBytes   = 128 << 10
	skew       = 60 // seconds that clocks may differ
)

// verifyLicense returns the claims of a credential that the registry released,
// an SD-JWT (RFC 9901) signed with SM2, with the parts in it that were agreed
// to. docs/credential-profile.md has each name. It is an error unless the
// credential was signed by the authority that it names, with a key certified by
// the anchor, is within its dates, and was bound for this audience (your client
// id) and this nonce (yours, of this reading), just now. Whether it is in force
// was checked when it was released.
func verifyLicense(credential string, anchor *smx509.Certificate, audience, nonce string) (map[string]any, error) {
	if len(credential) > maxBytes {
		return nil, errors.New("too long")
	}
	now := float64(time.Now().Unix())
	parts := strings.Split(credential, "~")
	issued, err := readToken(parts[0], "dc+sd-jwt")
	if err != nil {
		return nil, err
	}
	leaf, err := issued.certified(anchor)
	if err != nil {
		return nil, err
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || !issued.signedBy(key) {
		return nil, errors.New("the signature is wrong")
	}
	claims, err := resolve(issued.payload, parts[1:max(1, len(parts)-1)])
	if err != nil {
		return nil, err
	}
	var vs violated
	vs.unless(number(claims["iat"]) <= now+skew && number(claims["nbf"]) <= now+skew, "not yet valid")
	vs.unless(claims["exp"] == nil || now < number(claims["exp"]), "expired")
	vs.unless(namesType(claims), "not a license")

	bound, err := readToken(parts[len(parts)-1], "kb+jwt")
	if err != nil {
		return nil, err
	}
	holder, err := presentationKey(claims)
	if err != nil {
		return nil, err
	}
	vs.unless(bound.signedBy(holder), "the key binding is wrong")
	vs.unless(bound.payload["aud"] == audience, "released to somebody else")
	vs.unless(bound.payload["nonce"] == nonce, "not the answer to this reading")
	vs.unless(math.Abs(now-number(bound.payload["iat"])) <= 300, "not bound just now")
	vs.unless(bound.payload["sd_hash"] == digest(credential[:strings.LastIndexByte(credential, '~')+1]), "bound to other parts")
	return claims, errors.Join(vs...)
}

// namesType reports whether vct is the address of the type's metadata, or the URN
// that credentials had before.
func namesType(claims map[string]any) bool {
	vct, _ := claims["vct"].(string)
	code, version := claims["type_code"], claims["type_version"] // a small number, which prints as it is
	return vct == fmt.Sprint("urn:yizheng:license:", code) ||
		strings.HasPrefix(vct, "http") && strings.HasSuffix(vct, fmt.Sprintf("/v1/trust/types/%v/%v", code, version))
}

// certified returns the signer's certificate, if the anchor certified it as
// that of the authority which the license names.
func (t *token) certified(anchor *smx509.Certificate) (*smx509.Certificate, error) {
	chain, _ := t.header["x5c"].([]any)
	if len(chain) == 0 {
		return nil, errors.New("no certificate")
	}
	der, err := base64.StdEncoding.DecodeString(fmt.Sprint(chain[0]))
	if err != nil {
		return nil, err
	}
	leaf, err := smx509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if err := leaf.CheckSignatureFrom(anchor); err != nil {
		return nil, err
	}
	signed := time.Unix(int64(number(t.payload["iat"])), 0)
	purpose := "urn:yizheng:key:authority"
	if t.payload["origin"] == "collected" {
		purpose = "urn:yizheng:key:attestation"
	}
	authority, _ := t.payload["authority"].(map[string]any)
	var vs violated
	vs.unless(!signed.Before(leaf.NotBefore) && !signed.After(leaf.NotAfter), "signed outside the certificate's life")
	vs.unless(len(leaf.URIs) == 1 && leaf.URIs[0].String() == purpose, "the key is for something else")
	vs.unless(t.payload["origin"] == "collected" || slices.ContainsFunc(leaf.Subject.Names, func(n pkix.AttributeTypeAndValue) bool {
		return n.Type.Equal(organizationIdentifier) && n.Value == authority["code"]
	}), "signed by another authority")
	return leaf, errors.Join(vs...)
}

var organizationIdentifier = asn1.ObjectIdentifier{2, 5, 4, 97}

// token is a signed part. It is not to be trusted before signedBy.
type token struct {
	header, payload map[string]any
	signed          string
	signature       []byte
}

func readToken(jwt, typ string) (*token, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, errors.New("malformed")
	}
	t := &token{signed: parts[0] + "." + parts[1]}
	for i, to := range []*map[string]any{&t.header, &t.payload} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, to); err != nil {
			return nil, err
		}
	}
	var err error
	if t.signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return nil, err
	}
	if _, critical := t.header["crit"]; critical || t.header["typ"] != typ || t.header["alg"] != sm2WithSM3 {
		return nil, fmt.Errorf("not a %s of SM2", typ)
	}
	return t, nil
}

// signedBy checks an SM2 signature, r‖s, with the default user id.
func (t *token) signedBy(key *ecdsa.PublicKey) bool {
	if len(t.signature) != 64 {
		return false
	}
	r, s := new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	return err == nil && sm2.VerifyASN1WithSM2(key, nil, []byte(t.signed), der)
}

func presentationKey(claims map[string]any) (*ecdsa.PublicKey, error) {
	cnf, _ := claims["cnf"].(map[string]any)
	jwk, _ := cnf["jwk"].(map[string]any)
	x, errX := base64.RawURLEncoding.DecodeString(fmt.Sprint(jwk["x"]))
	y, errY := base64.RawURLEncoding.DecodeString(fmt.Sprint(jwk["y"]))
	if errX != nil || errY != nil || jwk["kty"] != "EC" || jwk["crv"] != sm2Curve {
		return nil, errors.New("an unknown presentation key")
	}
	return sm2.NewPublicKey(slices.Concat([]byte{4}, x, y)) // it checks the point
}

// resolve puts each disclosed part in its place, and fails if one has none.
func resolve(payload map[string]any, disclosures []string) (map[string]any, error) {
	if payload["_sd_alg"] != "sm3" {
		return nil, errors.New("an unknown digest")
	}
	parts := disclosed{}
	for _, d := range disclosures {
		b, err := base64.RawURLEncoding.DecodeString(d)
		if err != nil {
			return nil, err
		}
		var part []any
		if err := json.Unmarshal(b, &part); err != nil {
			return nil, err
		}
		parts[digest(d)] = part
	}
	claims, err := parts.walk(payload)
	if err == nil && (len(parts) > 0) {
		err = errors.New("a part that was not signed")
	}
	if err != nil {
		return nil, err
	}
	return claims.(map[string]any), nil
}

// disclosed are the parts by digest: [salt, value] of an array, [salt, name,
// value] of an object. Each is taken out once.
type disclosed map[string][]any

func (d disclosed) take(hash any, length int) ([]any, bool) {
	s, _ := hash.(string)
	part, ok := d[s]
	if !ok || len(part) != length {
		return nil, false
	}
	delete(d, s)
	return part, true
}

func (d disclosed) walk(value any) (any, error) {
	switch v := value.(type) {
	case []any:
		out := []any{}
		for _, e := range v {
			if m, ok := e.(map[string]any); ok && m["..."] != nil {
				part, ok := d.take(m["..."], 2)
				if !ok {
					continue // withheld
				}
				e = part[1]
			}
			plain, err := d.walk(e)
			if err != nil {
				return nil, err
			}
			out = append(out, plain)
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			if name == "_sd" {
				continue
			}
			plain, err := d.walk(e)
			if err != nil {
				return nil, err
			}
			out[name] = plain
		}
		hashes, _ := v["_sd"].([]any)
		for _, hash := range hashes {
			part, ok := d.take(hash, 3)
			if !ok {
				continue // withheld
			}
			name, _ := part[1].(string)
			if _, there := out[name]; there || name == "" || name == "_sd" || name == "..." {
				return nil, errors.New("a part in another's place")
			}
			plain, err := d.walk(part[2])
			if err != nil {
				return nil, err
			}
			out[name] = plain
		}
		return out, nil
	}
	return value, nil
}

func digest(s string) string {
	sum := sm3.Sum([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// number returns a claim's number, or NaN, which fits nothing.
func number(v any) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	return math.NaN()
}

// violated collects what is wrong.
type violated []error

func (v *violated) unless(holds bool, problem string) {
	if !holds {
		*v = append(*v, errors.New(problem))
	}
}

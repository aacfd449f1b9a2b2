package sdjwt

import "strings"

// Token is an SD-JWT taken apart, or an SD-JWT+KB (RFC 9901 section 4). Nothing
// in it is verified.
type Token struct {
	JWS         string   // signed by the issuer
	Disclosures []string // in base64url
	KeyBinding  string   // signed by the holder; "" if there is none

	limits Limits
}

// Combine returns the SD-JWT of an issuer's JWS and disclosures.
func Combine(jws string, disclosures []string) string {
	t := Token{JWS: jws, Disclosures: disclosures}
	return t.String()
}

// Parse takes a token apart. It checks size, number and form of the parts; [jose.Verify],
// [Token.Resolve] and [Token.CheckBinding] check their contents. The caller, and never the
// token, decides whether there must be a key binding (RFC 9901 section 7.3).
func Parse(s string, limits Limits) (*Token, error) {
	limits = limits.withDefaults()
	if len(s) > limits.Bytes {
		return nil, fail(ReasonTooLarge, "at most %d bytes", limits.Bytes)
	}
	tildes := strings.Count(s, "~")
	if tildes == 0 {
		return nil, fail("sdjwt_malformed", "no tilde")
	}
	if tildes-1 > limits.Disclosures {
		return nil, fail(ReasonTooLarge, "at most %d disclosures", limits.Disclosures)
	}
	t := &Token{limits: limits}
	t.JWS, s, _ = strings.Cut(s, "~")
	if strings.Count(t.JWS, ".") != 2 {
		return nil, fail("sdjwt_malformed", "no JWS before the first tilde")
	}
	t.Disclosures = make([]string, tildes-1)
	for i := range t.Disclosures {
		t.Disclosures[i], s, _ = strings.Cut(s, "~")
		if t.Disclosures[i] == "" {
			return nil, fail("disclosure_malformed", "disclosure %d is empty", i)
		}
	}
	// A verifier that wants no key binding never reads it, so anything else must be refused
	// here.
	if s != "" && !isJWS(s) {
		return nil, fail("sdjwt_malformed", "no JWS after the last tilde")
	}
	t.KeyBinding = s
	return t, nil
}

// String returns the token as it is transmitted.
func (t *Token) String() string {
	var b strings.Builder
	size := len(t.JWS) + 1 + len(t.KeyBinding)
	for _, d := range t.Disclosures {
		size += len(d) + 1
	}
	b.Grow(size)
	t.writeTo(&b)
	b.WriteString(t.KeyBinding)
	return b.String()
}

// writeTo writes the token without its key binding, which is what sd_hash covers (RFC 9901
// section 4.3.1).
func (t *Token) writeTo(b *strings.Builder) {
	b.WriteString(t.JWS)
	b.WriteByte('~')
	for _, d := range t.Disclosures {
		b.WriteString(d)
		b.WriteByte('~')
	}
}

// Present returns the token with only those disclosures for which keep reports true, and those
// that they lie in, in the same order. A pointer is that of [Resolved.Disclosed], so its array
// indices are those of this token; in the returned token they may be smaller. The payload is
// the verified one. Errors are those of [Token.Resolve]. A key binding is left out, since it
// binds another selection.
func (t *Token) Present(payload []byte, keep func(pointer string) bool) (*Token, error) {
	r, err := t.Resolve(payload)
	if err != nil {
		return nil, err
	}
	kept := make([]bool, len(t.Disclosures))
	for i, pointer := range r.Disclosed() {
		if !keep(pointer) {
			continue
		}
		for i != root && !kept[i] {
			kept[i] = true
			i = r.places[i].inside
		}
	}
	out := &Token{JWS: t.JWS, limits: t.limits}
	for i, d := range t.Disclosures {
		if kept[i] {
			out.Disclosures = append(out.Disclosures, d)
		}
	}
	return out, nil
}

// isJWS reports whether s is three parts of base64url.
func isJWS(s string) bool {
	header, rest, _ := strings.Cut(s, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for _, part := range [...]string{header, payload, signature} {
		if part == "" || !isBase64URL(part) {
			return false
		}
	}
	return true
}

// isBase64URL reports whether s has only characters of that alphabet (RFC 4648
// section 5), of which padding is none.
func isBase64URL(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

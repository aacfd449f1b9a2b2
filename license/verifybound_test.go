package license_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// TestVerifyBound: a key binding counts as what it is, asked for or not.
func TestVerifyBound(t *testing.T) {
	t.Parallel()
	w, out, d := newDelivery(t)
	released := func(request, nonce string) string {
		t.Helper()
		q := redeem(d, request)
		q.Nonce = nonce
		r, err := w.Redeem(t.Context(), consumer, q)
		if err != nil {
			t.Fatal(err)
		}
		return r.Credential
	}
	good, other := released("1", nonce), released("2", "nonce-of-another-reading")
	end := strings.LastIndexByte(good, '~') + 1
	parts, binding := good[:end], good[end:]
	fewer := parts[:strings.IndexByte(parts, '~')+1]
	dot := strings.LastIndexByte(binding, '.')
	broken := binding[:dot+9] + flip(binding[dot+9]) + binding[dot+10:]
	asked := license.Binding{Audience: consumer.Client, Nonce: nonce}
	// Another license of the same person, whose presentation key is another one.
	second := w.issue(t, "B-2").Credential

	for name, tt := range map[string]struct {
		credential string
		asked      license.Binding
		verdict    license.Verdict
		result     license.Result
		reason     string
	}{
		"as asked for":                    {good, asked, license.Valid, license.Pass, "key_binding_valid"},
		"not asked for":                   {good, license.Binding{}, license.Valid, license.Skipped, "key_binding_not_checked"},
		"none, not asked for":             {out.Credential, license.Binding{}, license.Valid, license.Skipped, "no_key_binding"},
		"none, asked for":                 {out.Credential, asked, license.Invalid, license.Fail, "binding_missing"},
		"taken off":                       {parts, asked, license.Invalid, license.Fail, "binding_missing"},
		"another audience":                {good, license.Binding{Audience: "somebody-else", Nonce: nonce}, license.Invalid, license.Fail, "binding_audience"},
		"another nonce":                   {other, asked, license.Invalid, license.Fail, "binding_nonce"},
		"a broken signature":              {parts + broken, license.Binding{}, license.Invalid, license.Fail, "binding_signature"},
		"a broken signature, asked for":   {parts + broken, asked, license.Invalid, license.Fail, "binding_signature"},
		"over other parts":                {fewer + binding, license.Binding{}, license.Invalid, license.Fail, "binding_hash"},
		"over other parts, asked for":     {fewer + binding, asked, license.Invalid, license.Fail, "binding_hash"},
		"of another license":              {second + binding, license.Binding{}, license.Invalid, license.Fail, "binding_signature"},
		"of another license, asked for":   {second + binding, asked, license.Invalid, license.Fail, "binding_signature"},
		"a token of another kind":         {parts + strings.Split(second, "~")[0], license.Binding{}, license.Invalid, license.Fail, "binding_signature"},
		"half a question: a nonce":        {good, license.Binding{Nonce: nonce}, license.Invalid, license.Fail, "binding_audience"},
		"half a question: an audience":    {good, license.Binding{Audience: consumer.Client}, license.Invalid, license.Fail, "binding_nonce"},
		"of a credential that is altered": {good[:20] + flip(good[20]) + good[21:], asked, license.Invalid, license.Skipped, "not_reached"},
	} {
		t.Run(name, func(t *testing.T) {
			v := w.VerifyBound(t.Context(), tt.credential, tt.asked)
			check(t, v, license.CheckHolder, tt.result, tt.reason)
			if v.Verdict != tt.verdict {
				t.Errorf("%s: %+v", v.Verdict, v.Checks)
			}
		})
	}

	// A release is good for five minutes, or for as long as the verifier says.
	verifier := w.WithStatus(cachedStatus)
	later := time.Now().Add(10 * time.Minute)
	check(t, verifier.VerifyBound(t.Context(), good, asked, later), license.CheckHolder, license.Fail, "binding_expired")
	asked.MaxAge = time.Hour
	check(t, verifier.VerifyBound(t.Context(), good, asked, later), license.CheckHolder, license.Pass, "key_binding_valid")
}

// flip returns another character of base64url.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// TestVerifyRevocation: without a list of revoked certificates nothing is valid,
// unless whoever verifies does without.
func TestVerifyRevocation(t *testing.T) {
	w := newWorld(t)
	credential := w.issue(t, "R-1").Credential
	list, err := w.StatusList(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	issued := time.Now().Truncate(time.Second)
	on := func(reason string, from time.Time, err error) license.RevocationSource {
		return func(context.Context, []byte) (string, time.Time, bool, error) { return reason, from, reason != "", err }
	}
	for name, tt := range map[string]struct {
		revoked license.RevocationSource
		waived  bool
		verdict license.Verdict
		result  license.Result
		reason  string
	}{
		"no list":                 {nil, false, license.Indeterminate, license.Unknown, "revocation_not_checked"},
		"waived":                  {nil, true, license.Valid, license.Pass, "revocation_waived"},
		"not on it":               {on("", time.Time{}, nil), false, license.Valid, license.Pass, "chain_trusted"},
		"a list of no use":        {on("", time.Time{}, errors.New("out of date")), false, license.Indeterminate, license.Unknown, "revocation_unavailable"},
		"a list, although waived": {on("", time.Time{}, errors.New("out of date")), true, license.Indeterminate, license.Unknown, "revocation_unavailable"},
		"compromised later":       {on("keyCompromise", issued.Add(time.Hour), nil), false, license.Invalid, license.Fail, "key_compromised"},
		"its CA was":              {on("cACompromise", issued.Add(time.Hour), nil), false, license.Invalid, license.Fail, "key_compromised"},
		"superseded later":        {on("superseded", issued.Add(time.Hour), nil), false, license.Valid, license.Pass, "chain_trusted"},
		"superseded before":       {on("superseded", issued.Add(-time.Hour), nil), false, license.Invalid, license.Fail, "certificate_revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			v := license.CredentialVerifier{
				Anchors: w.in.Anchors(), Signatures: jose.NewVerifier(sm2.Config{}), Status: cachedStatus,
				Revoked: tt.revoked, RevocationWaived: tt.waived,
			}
			out := v.Verify(t.Context(), credential, time.Now())
			check(t, out, license.CheckChain, tt.result, tt.reason)
			if out.Verdict != tt.verdict || (out.License != nil) != (tt.result != license.Fail) {
				t.Errorf("%s, shown: %v", out.Verdict, out.License != nil)
			}
			// The key of a status list is looked up too.
			_, err := v.OpenStatusList(t.Context(), list, time.Now())
			reason, _, revoked, gone := "", time.Time{}, false, error(nil)
			if tt.revoked != nil {
				reason, _, revoked, gone = tt.revoked(t.Context(), nil)
			}
			if (err != nil) != (revoked || gone != nil) {
				t.Errorf("the status list, revoked for %q: %v", reason, err)
			}
		})
	}
}

// TestStatusListProfile: a list that is older, or made for longer, than the profile
// has it says nothing, whoever signed it.
func TestStatusListProfile(t *testing.T) {
	w := newWorld(t)
	key, err := w.in.Keyrings().Active(t.Context(), signing.PurposeStatus, "")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	lst := base64.RawURLEncoding.EncodeToString(packed.Bytes())
	now := time.Now()
	const hour = 3600
	claims := func(change object) object {
		c := object{
			"sub": publicURL + "/v1/trust/status-lists/1", "iat": now.Unix() - hour, "exp": now.Unix() + 23*hour, "ttl": 60,
			"status_list": object{"bits": 2, "lst": lst},
		}
		for name, value := range change {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
		return c
	}
	for name, tt := range map[string]struct {
		change object
		good   bool
	}{
		"as made here":           {nil, true},
		"out of date":            {object{"iat": now.Unix() - 25*hour, "exp": now.Unix() - hour}, false},
		"made for ten years":     {object{"exp": now.Unix() + 10*365*24*hour}, false},
		"old, and made for long": {object{"iat": now.Unix() - 100*24*hour}, false},
		"of the future":          {object{"iat": now.Unix() + hour, "exp": now.Unix() + 2*hour}, false},
		"without iat":            {object{"iat": nil}, false},
		"without exp":            {object{"exp": nil}, false},
		"without ttl":            {object{"ttl": nil}, false},
		"without a subject":      {object{"sub": nil}, false},
		"of one bit":             {object{"status_list": object{"bits": 1, "lst": lst}}, false},
		"without a list":         {object{"status_list": nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := jose.Sign(key.Signer, jose.Header{Typ: jose.TypStatusList, X5C: key.Chain}, claims(tt.change))
			if err != nil {
				t.Fatal(err)
			}
			v := license.CredentialVerifier{Anchors: w.in.Anchors(), Signatures: jose.NewVerifier(sm2.Config{})}
			if _, err := v.OpenStatusList(t.Context(), token, now); (err == nil) != tt.good {
				t.Errorf("%v", err)
			}
		})
	}
}

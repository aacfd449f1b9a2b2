package verify_test

import (
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/credential"
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
		r, err := w.Readings.Redeem(t.Context(), consumer, q)
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
	asked := credential.Binding{Audience: consumer.Client, Nonce: nonce}
	// Another license of the same person, whose presentation key is another one.
	second := w.IssueOne(t, "B-2").Credential

	for name, tt := range map[string]struct {
		token   string
		asked   credential.Binding
		verdict credential.Verdict
		result  credential.Result
		reason  string
	}{
		"as asked for":                    {good, asked, credential.Valid, credential.Pass, "key_binding_valid"},
		"not asked for":                   {good, credential.Binding{}, credential.Valid, credential.Skipped, "key_binding_not_checked"},
		"none, not asked for":             {out.Credential, credential.Binding{}, credential.Valid, credential.Skipped, "no_key_binding"},
		"none, asked for":                 {out.Credential, asked, credential.Invalid, credential.Fail, "binding_missing"},
		"taken off":                       {parts, asked, credential.Invalid, credential.Fail, "binding_missing"},
		"another audience":                {good, credential.Binding{Audience: "somebody-else", Nonce: nonce}, credential.Invalid, credential.Fail, "binding_audience"},
		"another nonce":                   {other, asked, credential.Invalid, credential.Fail, "binding_nonce"},
		"a broken signature":              {parts + broken, credential.Binding{}, credential.Invalid, credential.Fail, "binding_signature"},
		"a broken signature, asked for":   {parts + broken, asked, credential.Invalid, credential.Fail, "binding_signature"},
		"over other parts":                {fewer + binding, credential.Binding{}, credential.Invalid, credential.Fail, "binding_hash"},
		"over other parts, asked for":     {fewer + binding, asked, credential.Invalid, credential.Fail, "binding_hash"},
		"of another license":              {second + binding, credential.Binding{}, credential.Invalid, credential.Fail, "binding_signature"},
		"of another license, asked for":   {second + binding, asked, credential.Invalid, credential.Fail, "binding_signature"},
		"a token of another kind":         {parts + strings.Split(second, "~")[0], credential.Binding{}, credential.Invalid, credential.Fail, "binding_signature"},
		"half a question: a nonce":        {good, credential.Binding{Nonce: nonce}, credential.Invalid, credential.Fail, "binding_audience"},
		"half a question: an audience":    {good, credential.Binding{Audience: consumer.Client}, credential.Invalid, credential.Fail, "binding_nonce"},
		"of a credential that is altered": {good[:20] + flip(good[20]) + good[21:], asked, credential.Invalid, credential.Skipped, "not_reached"},
	} {
		t.Run(name, func(t *testing.T) {
			v := w.Verifications.VerifyBound(t.Context(), tt.token, tt.asked)
			check(t, v, credential.CheckHolder, tt.result, tt.reason)
			if v.Verdict != tt.verdict {
				t.Errorf("%s: %+v", v.Verdict, v.Checks)
			}
		})
	}

	// A release is good for five minutes, or for as long as the verifier says.
	verifier := credential.Verifier{Anchors: w.In.Anchors(), Signatures: jose.NewVerifier(sm2.Config{}), Status: cachedStatus}
	later := time.Now().Add(10 * time.Minute)
	check(t, verifier.VerifyBound(t.Context(), good, asked, later), credential.CheckHolder, credential.Fail, "binding_expired")
	asked.MaxAge = time.Hour
	check(t, verifier.VerifyBound(t.Context(), good, asked, later), credential.CheckHolder, credential.Pass, "key_binding_valid")
}

// flip returns another character of base64url.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

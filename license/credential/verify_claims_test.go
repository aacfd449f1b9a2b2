package credential_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/licensetest"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// TestVerifyMalformedClaims checks what is said of credentials whose claims are
// not as the profile wants them: if the signature is wrong that it is wrong, and
// else that the claims are. The time of signing is read before the signature is
// checked, and so is not a way around it.
func TestVerifyMalformedClaims(t *testing.T) {
	w := licensetest.New(t)
	key, err := w.In.Keyrings().Active(t.Context(), signing.PurposeAuthority, licensetest.Authority)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(claims string) string {
		t.Helper()
		jws, err := jose.Sign(key.Signer, jose.Header{Typ: jose.TypCredential, X5C: key.Chain}, jsontext.Value(claims))
		if err != nil {
			t.Fatal(err)
		}
		return jws + "~"
	}
	forged := func(credential string) string { // with another one's signature
		other := sign(`{"iat":1}`)
		return credential[:strings.LastIndexByte(credential, '.')] + other[strings.LastIndexByte(other, '.'):]
	}
	now := time.Now().Unix()
	wrong := sign(fmt.Sprintf(`{"iat":%d,"version":"1"}`, now))
	tests := map[string]struct{ credential, failed, chain string }{
		"a claim of another type":          {wrong, "format claims_malformed", "chain_trusted"},
		"a claim of another type, forged":  {forged(wrong), "signature token_signature", "chain_trusted"},
		"vct of another type code":         {sign(fmt.Sprintf(`{"iat":%d,"vct":"urn:yizheng:license:x","type_code":"y"}`, now)), "format claims_missing", "chain_trusted"},
		"no iat":                           {sign(`{"version":1}`), "format token_key", "not_reached"},
		"iat a text":                       {sign(fmt.Sprintf(`{"iat":"%d"}`, now)), "format token_key", "not_reached"},
		"iat null":                         {sign(`{"iat":null}`), "format token_key", "not_reached"},
		"iat before the certificate":       {sign(`{"iat":1}`), "chain chain_not_yet_valid", "chain_not_yet_valid"},
		"iat before it, and another wrong": {sign(`{"version":"1","iat":1}`), "chain chain_not_yet_valid", "chain_not_yet_valid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := credential.Verifier{Anchors: w.In.Anchors(), Signatures: jose.NewVerifier(sm2.Config{}), Status: cachedStatus, Revoked: notRevoked}
			out := v.Verify(t.Context(), tt.credential, time.Now())
			var failed []string
			for _, c := range out.Checks {
				if c.Result == credential.Fail {
					failed = append(failed, string(c.Name)+" "+c.Reason)
				}
				if c.Name == credential.CheckChain && c.Reason != tt.chain {
					t.Errorf("chain is %s, want %s", c.Reason, tt.chain)
				}
			}
			if got := strings.Join(failed, ", "); got != tt.failed || out.Verdict != credential.Invalid || out.License != nil {
				t.Errorf("%s, failed: %s, want %s", out.Verdict, got, tt.failed)
			}
		})
	}
}

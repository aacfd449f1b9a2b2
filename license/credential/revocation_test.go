package credential_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/licensetest"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// TestVerifyRevocation: without a list of revoked certificates nothing is valid,
// unless whoever verifies does without.
func TestVerifyRevocation(t *testing.T) {
	w := licensetest.New(t)
	token := w.IssueOne(t, "R-1").Credential
	list, err := w.Lists().StatusList(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	issued := time.Now().Truncate(time.Second)
	on := func(reason string, from time.Time, err error) credential.RevocationSource {
		return func(context.Context, []byte) (string, time.Time, bool, error) { return reason, from, reason != "", err }
	}
	for name, tt := range map[string]struct {
		revoked credential.RevocationSource
		waived  bool
		verdict credential.Verdict
		result  credential.Result
		reason  string
	}{
		"no list":                 {nil, false, credential.Indeterminate, credential.Unknown, "revocation_not_checked"},
		"waived":                  {nil, true, credential.Valid, credential.Pass, "revocation_waived"},
		"not on it":               {on("", time.Time{}, nil), false, credential.Valid, credential.Pass, "chain_trusted"},
		"a list of no use":        {on("", time.Time{}, errors.New("out of date")), false, credential.Indeterminate, credential.Unknown, "revocation_unavailable"},
		"a list, although waived": {on("", time.Time{}, errors.New("out of date")), true, credential.Indeterminate, credential.Unknown, "revocation_unavailable"},
		"compromised later":       {on("keyCompromise", issued.Add(time.Hour), nil), false, credential.Invalid, credential.Fail, "key_compromised"},
		"its CA was":              {on("cACompromise", issued.Add(time.Hour), nil), false, credential.Invalid, credential.Fail, "key_compromised"},
		"superseded later":        {on("superseded", issued.Add(time.Hour), nil), false, credential.Valid, credential.Pass, "chain_trusted"},
		"superseded before":       {on("superseded", issued.Add(-time.Hour), nil), false, credential.Invalid, credential.Fail, "certificate_revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			v := credential.Verifier{
				Anchors: w.In.Anchors(), Signatures: jose.NewVerifier(sm2.Config{}), Status: cachedStatus,
				Revoked: tt.revoked, RevocationWaived: tt.waived,
			}
			out := v.Verify(t.Context(), token, time.Now())
			check(t, out, credential.CheckChain, tt.result, tt.reason)
			if out.Verdict != tt.verdict || (out.License != nil) != (tt.result != credential.Fail) {
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
	w := licensetest.New(t)
	key, err := w.In.Keyrings().Active(t.Context(), signing.PurposeStatus, "")
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
			"sub": licensetest.PublicURL + "/v1/trust/status-lists/1", "iat": now.Unix() - hour, "exp": now.Unix() + 23*hour, "ttl": 60,
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
			v := credential.Verifier{Anchors: w.In.Anchors(), Signatures: jose.NewVerifier(sm2.Config{})}
			if _, err := v.OpenStatusList(t.Context(), token, now); (err == nil) != tt.good {
				t.Errorf("%v", err)
			}
		})
	}
}

package api

import (
	"encoding/base64"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/rest"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// publishList publishes a revocation list as the operator's command does.
func (s *service) publishList(t *testing.T, life time.Duration) *pki.RevocationList {
	t.Helper()
	ca, err := installation.OpenRoot(filepath.Join(s.dir, "root"), filepath.Join(s.dir, "root.pass"))
	mustOf(t)(err)
	list, err := s.keys.PublishRevocationList(t.Context(), ca, life, time.Now())
	mustOf(t)(err)
	time.Sleep(rest.ListFresh) // for which the one before is served
	return list
}

// maxAge returns for how long an answer may be kept, in seconds.
func maxAge(t *testing.T, a answer) int {
	t.Helper()
	text, ok := strings.CutPrefix(a.Header.Get("Cache-Control"), "public, max-age=")
	age, err := strconv.Atoi(text)
	if !ok || err != nil {
		t.Errorf("Cache-Control: %q", a.Header.Get("Cache-Control"))
	}
	return age
}

// TestRevocationList serves the root's list to everyone, and it is good for an
// offline verifier.
func TestRevocationList(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	path := installation.RevocationListPath("root-1")
	first := s.call(t, nil, "GET", path, nil).want(t, 200, "")
	if first.Header.Get("Content-Type") != "application/pkix-crl" || first.Header.Get("Access-Control-Allow-Origin") != "*" || maxAge(t, first) != 3600 {
		t.Errorf("%v", first.Header)
	}
	s.call(t, nil, "GET", path, nil, "If-None-Match", first.Header.Get("ETag")).want(t, 304, "")
	verifier := jose.NewVerifier(sm2.Config{})
	issued := s.issue(t, "1")
	offline := func(list string) credential.Verification {
		t.Helper()
		lists, err := s.keys.Anchors().RevocationLists(t.Context(), verifier, time.Now(), []byte(list))
		mustOf(t)(err)
		v := credential.Verifier{Anchors: s.keys.Anchors(), Signatures: verifier, Revoked: lists.Revoked}
		return v.Verify(t.Context(), issued.Credential, time.Now())
	}
	wantChain := func(v credential.Verification, result credential.Result, reason string) {
		t.Helper()
		for _, c := range v.Checks {
			if c.Name == credential.CheckChain && (c.Result != result || c.Reason != reason) {
				t.Errorf("chain: %s %s, want %s %s", c.Result, c.Reason, result, reason)
			}
		}
	}
	wantChain(offline(first.body), credential.Pass, "chain_trusted")

	key, err := s.keys.Keyrings().Active(t.Context(), signing.PurposeAuthority, departmentUSCC)
	mustOf(t)(err)
	mustOf(t)(s.keys.Keyrings().Revoke(t.Context(), key.ID, "keyCompromise", time.Now(), time.Now()))
	s.publishList(t, 10*time.Minute)
	second := s.call(t, nil, "GET", path, nil).want(t, 200, "")
	if age := maxAge(t, second); age < 500 || age > 600 || second.Header.Get("ETag") == first.Header.Get("ETag") {
		t.Errorf("a list good for ten minutes: %v", second.Header)
	}
	wantChain(offline(second.body), credential.Fail, "key_compromised")

	// What is stored and was not signed by the root is not passed on.
	forged := []byte(second.body)
	forged[len(forged)-1] ^= 1
	mustOf(t)(s.db.Keys().SaveRevocationList(t.Context(), "root-1", 1<<50, forged))
	time.Sleep(rest.ListFresh)
	s.call(t, nil, "GET", path, nil).want(t, 500, "")
	for _, unknown := range []string{"root-2.crl", "root-1", "status-1.crl", "x.crl", ".crl"} {
		s.call(t, nil, "GET", "/v1/trust/crl/"+unknown, nil).want(t, 404, "revocation_list_unknown")
	}
}

// TestTypeMetadataServed: a credential's vct leads to what describes it, for anyone.
func TestTypeMetadataServed(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	issued := s.issue(t, "1")
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(issued.Credential, ".")[1])
	mustOf(t)(err)
	vct, _ := overJSON(t, string(payload)).(object)["vct"].(string)
	path, ok := strings.CutPrefix(vct, s.url)
	if !ok {
		t.Fatalf("vct is %q", vct)
	}
	a := s.call(t, nil, "GET", path, nil).want(t, 200, "")
	var m catalog.TypeMetadata
	a.decode(t, &m)
	if m.VCT != vct || len(m.Claims) == 0 || a.Header.Get("Content-Type") != "application/json" || maxAge(t, a) != 86400 ||
		a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s %v", m.VCT, a.Header)
	}
	s.call(t, nil, "GET", path, nil, "If-None-Match", a.Header.Get("ETag")).want(t, 304, "")
	for _, unknown := range []string{sampleType + "/2", sampleType + "/0", sampleType + "/01", sampleType + "/x", "x/1"} {
		s.call(t, nil, "GET", "/v1/trust/types/"+unknown, nil).want(t, 404, "type_unknown")
	}
}

// TestVerifyForAudience takes audience and nonce, and a false binding fails.
func TestVerifyForAudience(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	issued := s.issue(t, "1")
	ask := func(audience, nonce string) object {
		return object{"credential": issued.Credential, "audience": audience, "nonce": nonce}
	}
	var v verdictOfTest
	s.call(t, nil, "POST", "/v1/verify", ask("client", "a-nonce")).want(t, 200, "").decode(t, &v)
	v.wantVerdict(t, "invalid", "holder fail binding_missing")
	for _, half := range []object{
		ask("client", ""), ask("", "a-nonce"),
		{"identifier": string(issued.Identifier), "verification_code": issued.VerificationCode, "audience": "client", "nonce": "a-nonce"},
	} {
		s.call(t, nil, "POST", "/v1/verify", half).want(t, 422, "verify_binding")
	}
	if strings.Contains(s.log.String(), "a-nonce") {
		t.Error("the nonce is in the log")
	}
}

package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/api/oauth"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// Documents that are served before anything else look as those that aren't.
func TestPublishedDocuments(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true, Quiet: true, Empty: true})
	paths := s.oauth.Documents()
	if len(paths) != 3 {
		t.Errorf("documents: %v", paths)
	}
	for _, path := range paths {
		media := "application/json"
		if path == oauth.JWKSPath {
			media = "application/jwk-set+json"
		}
		first := s.call(t, nil, "GET", path, nil).want(t, 200, "") // the ordinary way: it is made
		ready := s.call(t, nil, "GET", path, nil).want(t, 200, "")
		head := s.call(t, nil, "HEAD", path, nil).want(t, 200, "")
		for name, want := range map[string]string{
			"Content-Type": media, "Etag": `"`, "Cache-Control": "public, max-age=", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff",
		} {
			got := ready.Header.Get(name)
			if got != first.Header.Get(name) || got != head.Header.Get(name) || !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q, %q, %q", path, name, first.Header.Get(name), got, head.Header.Get(name))
			}
		}
		if ready.body != first.body || ready.body == "" || ready.ContentLength != int64(len(first.body)) || head.ContentLength != ready.ContentLength {
			t.Errorf("%s: %q, then %q", path, first.body, ready.body)
		}
		if ready.Header.Get("X-Request-Id") != "" || head.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s went the wrong way", path)
		}
		tag := ready.Header.Get("Etag")
		for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if a := s.call(t, nil, "GET", path, nil, "If-None-Match", match); a.StatusCode != http.StatusNotModified || a.body != "" || a.Header.Get("Etag") != tag {
				t.Errorf("%s with %s: %d %q", path, match, a.StatusCode, a.body)
			}
		}
		s.call(t, nil, "GET", path, nil, "If-None-Match", `"x"`).want(t, 200, "")
		s.call(t, nil, "GET", path+"?x=%zz;", nil).want(t, 200, "")
		s.call(t, nil, "POST", path, nil).want(t, 405, "method_not_allowed")
		s.call(t, nil, "GET", path+"/", nil).want(t, 404, "not_found")
	}
}

// thumbprintOf computes a key's thumbprint as RFC 7638 section 3 says, from the key as
// it was published: the required members alone, in order of their names.
func thumbprintOf(t *testing.T, jwk map[string]any, hash func([]byte) [32]byte) string {
	t.Helper()
	required := map[string]any{}
	for _, name := range map[any][]string{"EC": {"crv", "kty", "x", "y"}, "RSA": {"e", "kty", "n"}}[jwk["kty"]] {
		required[name] = jwk[name]
	}
	text, err := json.Marshal(required) // sorted, without spaces
	mustOf(t)(err)
	sum := hash(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Keys are named by their thumbprints: SHA-256 where libraries check it, SM3 for SM2
// keys. So an installation that was made anew never names another key as the old one did.
func TestKeysAreNamedByThumbprint(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for range 2 {
		s := newService(t, serviceConfig{})
		var set struct{ Keys []map[string]any }
		mustOf(t)(json.Unmarshal([]byte(s.call(t, nil, "GET", oauth.JWKSPath, nil).want(t, 200, "").body), &set))
		if len(set.Keys) != 3 {
			t.Errorf("%d keys", len(set.Keys))
		}
		check := func(what string, kid any, want string) {
			t.Helper()
			if kid != want || names[want] {
				t.Errorf("%s is named %v, its thumbprint is %s; it was there before: %v", what, kid, want, names[want])
			}
			names[want] = true
		}
		for _, k := range set.Keys {
			check("a published key", k["kid"], thumbprintOf(t, k, sha256.Sum256))
		}
		credential := s.issue(t, "N-1").Credential
		list := s.call(t, nil, "GET", "/v1/trust/status-lists/1", nil).want(t, 200, "")
		for what, token := range map[string]string{
			"an access token": s.reader.token, "a credential": credential, "a status list": list.body,
		} {
			var header struct {
				Kid string
				X5C [][]byte
			}
			text, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
			mustOf(t)(err)
			mustOf(t)(json.Unmarshal(text, &header))
			if len(header.X5C) == 0 {
				if !names[header.Kid] {
					t.Errorf("%s names %s, which is not published", what, header.Kid)
				}
				continue
			}
			leaf, err := smx509.ParseCertificate(header.X5C[0])
			mustOf(t)(err)
			jwk, err := jose.NewKey(leaf.PublicKey)
			mustOf(t)(err)
			check("the key of "+what, header.Kid, thumbprintOf(t, object{"kty": "EC", "crv": "urn:oid:1.2.156.10197.1.301", "x": jwk.X, "y": jwk.Y}, sm3.Sum))
		}
	}
}

// A new key stands in the set soon, a revoked one is gone as soon.
func TestKeySetFollows(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Quiet: true, Empty: true})
	kids := func() string { return s.call(t, nil, "GET", oauth.JWKSPath, nil).want(t, 200, "").body }
	before := kids()
	k, err := s.keys.Rotate(t.Context(), nil, signing.PurposeAccessToken, "", time.Now())
	mustOf(t)(err)
	end := time.Now().Add(oauth.KeySetFresh + 2*time.Second)
	for !strings.Contains(kids(), k.KID()) {
		if time.Now().After(end) {
			t.Fatalf("the new key %s is not there: %s", k.ID, kids())
		}
		time.Sleep(100 * time.Millisecond)
	}
	if strings.Contains(before, string(k.ID)) {
		t.Error("it was there before")
	}
}

package api

import (
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

func TestTrapGetOnTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		a := x.do(t, x.request(t, method, oauth.TokenPath+"?"+grant+"&client_id="+x.client.ID+"&client_secret="+x.secret, ""))
		if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" || strings.Contains(a.body, "access_token") {
			t.Errorf("%s: got %d, Allow %q, %s", method, a.StatusCode, a.Header.Get("Allow"), a.body)
		}
		checkNoStore(t, a)
	}
}

func TestTrapSecretInTheQuery(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	for name, query := range map[string]string{
		"all of it":       "?" + grant + "&client_id=" + x.client.ID + "&client_secret=" + x.secret,
		"credentials":     "?client_id=" + x.client.ID + "&client_secret=" + x.secret,
		"the grant alone": "?" + grant,
		"nothing at all":  "?",
	} {
		for _, body := range []string{"", grant} {
			r := x.request(t, "POST", oauth.TokenPath+query, body)
			r.Header.Set("Content-Type", oauth.FormMedia)
			a := x.do(t, r)
			if a.StatusCode != 400 || a.member("error") != "invalid_request" {
				t.Errorf("%s, body %q: got %d %s", name, body, a.StatusCode, a.body)
			}
			checkNoStore(t, a)
		}
	}
	if strings.Contains(x.log.String(), x.secret) {
		t.Error("the log holds the secret")
	}
}

func TestTrapNoStore(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	checkNoStore(t, x.basic(t, grant))
	checkNoStore(t, x.basic(t, grant+"&scope=x"))
	checkNoStore(t, x.basic(t, ""))
	checkNoStore(t, x.do(t, x.request(t, "POST", oauth.TokenPath, grant)))
	if err := x.db.Close(); err != nil {
		t.Fatal(err)
	}
	checkNoStore(t, x.do(t, x.request(t, "POST", oauth.TokenPath, grant+"&client_id="+identity.NewID()+"&client_secret=x")))
}

func TestTrapCORSReflectsAnyOrigin(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	for _, path := range []string{oauth.TokenPath, oauth.IntrospectionPath, oauth.RevocationPath, oauth.JWKSPath, oauth.MetadataPath} {
		for _, method := range []string{"OPTIONS", "POST", "GET"} {
			r := x.request(t, method, path, "")
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", "POST")
			a := x.do(t, r)
			document := method == "GET" && (path == oauth.JWKSPath || path == oauth.MetadataPath)
			for name := range a.Header {
				if document && name == "Access-Control-Allow-Origin" && a.Header.Get(name) == "*" {
					continue // for everybody, and without credentials
				}
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s: header %s: %s", method, path, name, a.Header.Get(name))
				}
			}
		}
	}
}

func TestTrapBadBasicWithoutChallenge(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	encode := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, header := range map[string]string{
		"wrong secret":            encode(x.client.ID + ":yzs_wrong"),
		"unknown client":          encode(identity.NewID() + ":" + x.secret),
		"secret with a tail":      encode(x.client.ID + ":" + x.secret + "x"),
		"no secret":               encode(x.client.ID + ":"),
		"no colon":                encode(x.client.ID),
		"no client":               encode(":" + x.secret),
		"bad escape in the id":    encode("%zz:" + x.secret),
		"bad escape in secret":    encode(x.client.ID + ":%"),
		"control character":       encode(x.client.ID + "%00:" + x.secret),
		"not UTF-8":               encode(x.client.ID + "\xff:" + x.secret),
		"not base64":              "Basic !!!",
		"base64 with line break":  "Basic " + base64.StdEncoding.EncodeToString([]byte(x.client.ID + ":" + x.secret))[:8] + "====",
		"nothing behind":          "Basic",
		"another scheme":          "Bearer " + x.secret,
		"Negotiate":               "Negotiate abc",
		"empty":                   "",
		"an SQL fragment":         encode("'%20or%201=1%20--:x"),
		"a very long id":          encode(strings.Repeat("a", 20000) + ":x"),
		"URL-safe base64 of both": "Basic " + base64.RawURLEncoding.EncodeToString([]byte(x.client.ID+":"+x.secret+"?>")),
	} {
		t.Run(name, func(t *testing.T) {
			r := x.request(t, "POST", oauth.TokenPath, grant)
			r.Header["Authorization"] = []string{header}
			a := x.do(t, r)
			if a.StatusCode != 401 || a.member("error") != "invalid_client" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Errorf("got %d %q %s", a.StatusCode, a.Header.Get("WWW-Authenticate"), a.body)
			}
			checkNoStore(t, a)
		})
	}
}

func TestTrapClosedGrantSwitch(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	for _, grant := range []string{
		"password", "implicit", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS", "client_credentials%20", "%22%3Cscript%3E",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba",
	} {
		a := x.basic(t, "grant_type="+grant+"&code=x&redirect_uri=x&assertion=x&refresh_token=x&device_code=x&subject_token=x&username=x&password=x")
		if a.StatusCode != 400 || a.member("error") != "unsupported_grant_type" || strings.Contains(a.body, "<script") {
			t.Errorf("%s: got %d %s", grant, a.StatusCode, a.body)
		}
		checkNoStore(t, a)
	}
}

func TestTrapUnimplementedEndpoints(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	for _, path := range []string{
		"/healthz", "/ready", "/.well-known/openid-configuration", "/authorize", "/oauth/authorize", "/oauth/v2/authorize", "/userinfo", "/oauth/userinfo",
		"/introspect", "/revoke", "/oauth/par", "/end_session", "/oauth/end_session", "/keys", "/device_authorization", "/oauth/device",
		"/oauth/token/", "/oauth/token/x", "//oauth/token", "/oauth/%74oken/healthz",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := x.do(t, x.request(t, method, path, ""))
			if a.StatusCode < 300 || a.StatusCode >= 500 || strings.Contains(a.body, "server_error") || strings.Contains(a.body, "not implemented") {
				t.Errorf("%s %s: got %d %s", method, path, a.StatusCode, a.body)
			}
			if a.StatusCode != 404 && !strings.Contains(path, "//") {
				t.Errorf("%s %s: got %d", method, path, a.StatusCode)
			}
		}
	}
}

func TestTrapUnknownErrorReachesTheClient(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	key, err := x.server.c.Keyrings.Active(t.Context(), signing.PurposeAccessToken, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := x.server.c.Keyrings.Revoke(t.Context(), key.ID, "keyCompromise", now, now); err != nil {
		t.Fatal(err)
	}
	a := x.basic(t, grant)
	if a.StatusCode != 500 || a.body != `{"error":"server_error"}`+"\n" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	checkNoStore(t, a)
	if !strings.Contains(x.log.String(), "no such key") {
		t.Error("the log doesn't say what was wrong")
	}
}

func TestTrapDefaultLogger(t *testing.T) {
	x := newProvider(t)
	usual := slog.Default()
	t.Cleanup(func() { slog.SetDefault(usual) })
	slog.SetDefault(slog.New(slog.NewJSONHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	token := x.token(t)
	wrong := "yzs_" + strings.Repeat("wrong", 8)
	for _, body := range []string{grant, grant + "&scope=admin", "grant_type=x", grant + "&scope=%zz"} {
		x.basic(t, body)
		x.post(t, body)
		x.do(t, x.request(t, "POST", oauth.TokenPath, body+"&client_id="+x.client.ID+"&client_secret="+wrong))
		r := x.request(t, "POST", oauth.TokenPath, body)
		r.SetBasicAuth(x.client.ID, wrong)
		x.do(t, r)
	}
	log := x.log.String()
	if !strings.Contains(log, "invalid_client") || !strings.Contains(log, "oidc_error") {
		t.Fatalf("neither we nor the library logged anything: %s", log)
	}
	basic := base64.StdEncoding.EncodeToString([]byte(x.client.ID + ":" + x.secret))
	for _, secret := range []string{x.secret, x.secret[4:], wrong, basic, token, strings.Split(token, ".")[2]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestTrapUnknownCurveBreaksRelyingParties(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := smx509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	err = signing.AuthenticRecords(x.db.Keys(), x.server.c.Keyrings.Auth()).CreateKey(t.Context(), signing.KeyRecord{
		ID: "sm-access", Purpose: signing.PurposeAccessToken, Serial: 99, Algorithm: string(jose.SM2), State: signing.KeyNext,
		PublicKey: der, Created: time.Now(), Revision: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.server.c.Keyrings.ByID(t.Context(), "sm-access"); err != nil {
		t.Fatal(err)
	}
	a := x.do(t, x.request(t, "GET", oauth.JWKSPath, ""))
	if a.StatusCode != 200 || strings.Contains(a.body, "1.2.156") || strings.Contains(a.body, "sm-access") || !strings.Contains(a.body, `"crv":"P-256"`) || strings.Contains(a.body, `"d"`) {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if cache := a.Header.Get("Cache-Control"); cache != "public, max-age=295" {
		t.Errorf("Cache-Control is %q", cache)
	}
	keys := rp.NewRemoteKeySet(http.DefaultClient, x.url+oauth.JWKSPath)
	claims, err := op.VerifyAccessToken[*zoidc.AccessTokenClaims](t.Context(), x.token(t), op.NewAccessTokenVerifier(x.url, keys))
	if err != nil {
		t.Fatal(err)
	}
	if claims.ClientID != x.client.ID || claims.Subject != x.client.ID || !slices.Equal(claims.Audience, []string{x.url}) {
		t.Errorf("claims are %+v", claims)
	}
}

package elsewhere

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// keyID names the one key.
const keyID = "sample-1"

// metadata serves what OpenID Connect Discovery asks for (section 3).
func (p *Platforms) metadata(w http.ResponseWriter, _ *http.Request) {
	u := p.c.URL
	answer(w, http.StatusOK, map[string]any{
		"issuer": u, "authorization_endpoint": u + "/authorize", "token_endpoint": u + "/token", "jwks_uri": u + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true,
	})
}

func (p *Platforms) keys(w http.ResponseWriter, _ *http.Request) {
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]any{})
		return
	}
	text := base64.RawURLEncoding.EncodeToString
	answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": keyID, "x": text(point[1:33]), "y": text(point[33:]),
	}}})
}

// authorize asks who the visitor is, and sends them back with a code (RFC 6749 section 4.1.2).
func (p *Platforms) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != p.c.ClientID || q.Get("redirect_uri") != p.c.Callback || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
		http.Error(w, "未登记的应用", http.StatusBadRequest)
		return
	}
	back := func(name, value string) string {
		return p.c.Callback + "?" + url.Values{name: {value}, "state": {q.Get("state")}, "iss": {p.c.URL}}.Encode()
	}
	who, ok := p.chosen(r)
	if !ok {
		p.show(w, r, p.c.Title, back("error", "access_denied"))
		return
	}
	code := p.keep(p.codes, issued{who: who, nonce: q.Get("nonce"), challenge: q.Get("code_challenge")})
	http.Redirect(w, r, back("code", code), http.StatusSeeOther)
}

// token redeems a code (section 4.1.3, RFC 7636 section 4.6).
func (p *Platforms) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	user, password, _ := r.BasicAuth()
	if user != url.QueryEscape(p.c.ClientID) || subtle.ConstantTimeCompare([]byte(password), []byte(url.QueryEscape(p.c.Secret))) != 1 {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	i, ok := p.redeem(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("redirect_uri") != p.c.Callback || i.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	id, err := p.idToken(i)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"id_token": id, "access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60})
}

// idToken returns the ID token of who chose, a moment ago, who they are.
func (p *Platforms) idToken(i issued) (string, error) {
	now := time.Now().Unix()
	header, err := json.Marshal(map[string]string{"alg": "ES256", "typ": "JWT", "kid": keyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": p.c.URL, "aud": p.c.ClientID, "sub": i.who.Subject, "iat": now, "exp": now + 300, "auth_time": i.at.Unix(), "nonce": i.nonce,
		"acr": i.who.Level, "name": i.who.Name, "id_number": i.who.Code, "phone_number": i.who.Phone,
	})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	a, b, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		return "", err
	}
	signature := append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

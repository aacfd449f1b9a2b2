// A department's first hour: people log in, agree once, and their licenses are
// here, verified. Run it with the configuration that "yizheng client add"
// printed, in the environment:
//
//	go run .        then open http://127.0.0.1:3000
//	go run . CREDENTIAL-FILE ANCHOR-FILE CLIENT-ID NONCE        verifies one license by hand
//
// ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI (whose port this listens on),
// SERVICE_ITEM, ANCHOR (the registry's root certificate, PEM: compare its
// fingerprint), ACCOUNTS (the accounts that you have already, JSON).
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/oauth2"
)

type app struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
	anchor   *smx509.Certificate
	home     string // URL

	mu       sync.Mutex
	visits   map[string]visit // by the value of our own cookie
	accounts []*account
}

// visit is what a visitor of this server is in the middle of, or has.
type visit struct{ state, nonce, verifier, idToken string }

// account is one that you have already.
type account struct {
	ID       string `json:"id"`
	CodeType string `json:"code_type"`
	Code     string `json:"code"`
	Subject  string `json:"sub"` // once linked
}

func main() {
	if len(os.Args) == 5 {
		if err := verifyFile(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
			log.Fatal(err)
		}
		return
	}
	a, redirect, err := newApp(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><title>First hour</title><a href="/login">Log in with Yizheng</a>`)
	})
	mux.Handle("GET /login", a.handle(a.login))
	mux.Handle("GET "+redirect.Path, a.handle(a.callback))
	mux.Handle("GET /logout", a.handle(a.logout))
	log.Printf("listening on %s", redirect.Host)
	log.Fatal(http.ListenAndServe(redirect.Host, mux))
}

func verifyFile(file, anchorFile, audience, nonce string) error {
	credential, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	anchor, err := readAnchor(anchorFile)
	if err != nil {
		return err
	}
	claims, err := verifyLicense(string(bytes.TrimSpace(credential)), anchor, audience, nonce)
	if err != nil {
		return fmt.Errorf("the license is not to be trusted: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(claims)
}

func readAnchor(file string) (*smx509.Certificate, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return smx509.ParseCertificatePEM(pem)
}

// newApp begins with 1. discovery.
func newApp(ctx context.Context) (*app, *url.URL, error) {
	provider, err := oidc.NewProvider(ctx, os.Getenv("ISSUER"))
	if err != nil {
		return nil, nil, err
	}
	a := &app{provider: provider, visits: map[string]visit{}}
	a.verifier = provider.Verifier(&oidc.Config{ClientID: os.Getenv("CLIENT_ID")})
	a.oauth = oauth2.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"), RedirectURL: os.Getenv("REDIRECT_URI"),
		Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "identity"},
	}
	a.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if a.anchor, err = readAnchor(os.Getenv("ANCHOR")); err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(os.Getenv("ACCOUNTS"))
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(text, &a.accounts); err != nil {
		return nil, nil, err
	}
	redirect, err := url.Parse(a.oauth.RedirectURL)
	if err != nil {
		return nil, nil, err
	}
	a.home = redirect.ResolveReference(&url.URL{Path: "/"}).String()
	return a, redirect, nil
}

// login is 2. ask: the request goes to the provider directly (PAR); the browser
// carries only its number. One request asks for the login and for what the item needs.
func (a *app) login(w http.ResponseWriter, r *http.Request) error {
	details, err := json.Marshal([]map[string]string{
		{"type": "license", "service_item": os.Getenv("SERVICE_ITEM"), "case": "case-" + rand.Text()}, // your own 办件编号
	})
	if err != nil {
		return err
	}
	v := visit{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	ask, err := url.Parse(a.oauth.AuthCodeURL(v.state, oidc.Nonce(v.nonce), oauth2.S256ChallengeOption(v.verifier),
		oauth2.SetAuthURLParam("acr_values", "urn:yizheng:assurance:2"), // licenses need two factors
		oauth2.SetAuthURLParam("authorization_details", string(details))))
	if err != nil {
		return err
	}
	requestURI, err := a.push(r.Context(), ask.Query())
	if err != nil {
		return err
	}
	key := rand.Text()
	a.mu.Lock()
	a.visits[key] = v
	a.mu.Unlock()
	ask.RawQuery = url.Values{"client_id": {a.oauth.ClientID}, "request_uri": {requestURI}}.Encode()
	http.SetCookie(w, &http.Cookie{Name: "department", Value: key, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, ask.String(), http.StatusSeeOther)
	return nil
}

// push hands an authorization request in (RFC 9126), which the library doesn't.
func (a *app) push(ctx context.Context, params url.Values) (requestURI string, err error) {
	var metadata struct {
		Endpoint string `json:"pushed_authorization_request_endpoint"`
	}
	if err := a.provider.Claims(&metadata); err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, "POST", metadata.Endpoint, bytes.NewBufferString(params.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(a.oauth.ClientID), url.QueryEscape(a.oauth.ClientSecret))
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	err = ask(r, http.StatusCreated, &pushed)
	return pushed.RequestURI, err
}

// callback is 3. take the answer: state, PKCE, and the ID token with its nonce
// and signature.
func (a *app) callback(w http.ResponseWriter, r *http.Request) error {
	v, key := a.visit(r)
	q := r.URL.Query()
	if v.state == "" || q.Get("state") != v.state || q.Get("iss") != os.Getenv("ISSUER") {
		return errors.New("not the answer to a request of this browser")
	}
	if q.Get("error") != "" {
		return fmt.Errorf("the provider says %s", q.Get("error"))
	}
	tokens, err := a.oauth.Exchange(r.Context(), q.Get("code"), oauth2.VerifierOption(v.verifier))
	if err != nil {
		return err
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := a.verifier.Verify(r.Context(), raw)
	if err != nil {
		return err
	}
	user, err := a.provider.UserInfo(r.Context(), oauth2.StaticTokenSource(tokens))
	if err != nil {
		return err
	}
	if id.Nonce != v.nonce || user.Subject != id.Subject {
		return errors.New("the ID token is another request's")
	}
	var claims struct {
		ACR      string `json:"acr"`
		Name     string `json:"name"`
		CodeType string `json:"code_type"`
		Code     string `json:"code"`
	}
	if err := errors.Join(id.Claims(&claims), user.Claims(&claims)); err != nil {
		return err
	}
	licenses, err := a.licenses(r.Context(), tokens)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.visits[key] = visit{idToken: raw}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]any{
		"sub": id.Subject, "name": claims.Name, "acr": claims.ACR, "licenses": licenses,
		"account": a.accountOf(id.Subject, claims.CodeType, claims.Code),
	})
}

// accountOf is 4. whose account is it? Once linked, the subject alone says so.
// Before that, the code that the state knows them by, which the login proved.
func (a *app) accountOf(subject, codeType, code string) map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, known := range a.accounts {
		if known.Subject == subject {
			return map[string]string{"id": known.ID, "by": "sub"}
		}
	}
	for _, known := range a.accounts {
		if known.Subject == "" && code != "" && known.CodeType == codeType && known.Code == code {
			known.Subject = subject // to be kept in your database
			return map[string]string{"id": known.ID, "by": "code"}
		}
	}
	return map[string]string{"by": "new"} // open an account here
}

// material is what became of one material that the item needs.
type material struct {
	Material string `json:"material"`
	Outcome  string `json:"outcome"`
	Reason   string `json:"reason,omitempty"`
	UseCode  string `json:"use_code,omitempty"`
}

// licenses is 5. read each license by its use code.
func (a *app) licenses(ctx context.Context, tokens *oauth2.Token) ([]map[string]any, error) {
	text, err := json.Marshal(tokens.Extra("authorization_details"))
	if err != nil {
		return nil, err
	}
	var details []struct {
		Materials []material `json:"materials"`
	}
	if err := json.Unmarshal(text, &details); err != nil {
		return nil, err
	}
	licenses := []map[string]any{}
	for _, d := range details {
		for _, m := range d.Materials {
			l := map[string]any{"material": m.Material, "outcome": m.Outcome, "reason": m.Reason}
			if m.UseCode != "" {
				// The credential and its nonce are your evidence: keep them with the case.
				nonce := rand.Text()
				credential, err := a.read(ctx, tokens.AccessToken, m.UseCode, nonce)
				if err != nil {
					return nil, err
				}
				claims, err := verifyLicense(credential, a.anchor, a.oauth.ClientID, nonce)
				if err != nil {
					return nil, fmt.Errorf("the license is not to be trusted: %w", err)
				}
				l["verified"], l["credential"], l["nonce"] = true, credential, nonce
				for _, name := range []string{"type_name", "authority", "valid_until", "number", "holders", "fields"} {
					l[name] = claims[name]
				}
			}
			licenses = append(licenses, l)
		}
	}
	return licenses, nil
}

// read redeems a use code, which works once, for you, for some minutes. The same
// request_id again is the same reading: repeat it after a lost answer.
func (a *app) read(ctx context.Context, accessToken, useCode, nonce string) (credential string, err error) {
	body, err := json.Marshal(map[string]string{"use_code": useCode, "request_id": rand.Text(), "nonce": nonce})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, "POST", os.Getenv("ISSUER")+"/v1/use-codes/redeem", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+accessToken)
	var released struct {
		Credential string `json:"credential"`
	}
	err = ask(r, http.StatusOK, &released)
	return released.Credential, err
}

// logout is 6. log out: here, and then at the provider, which asks.
func (a *app) logout(w http.ResponseWriter, r *http.Request) error {
	v, key := a.visit(r)
	a.mu.Lock()
	delete(a.visits, key)
	a.mu.Unlock()
	var metadata struct {
		Endpoint string `json:"end_session_endpoint"`
	}
	if err := a.provider.Claims(&metadata); err != nil {
		return err
	}
	q := url.Values{"post_logout_redirect_uri": {a.home}, "client_id": {a.oauth.ClientID}}
	if v.idToken != "" {
		q.Set("id_token_hint", v.idToken)
	}
	http.SetCookie(w, &http.Cookie{Name: "department", Path: "/", MaxAge: -1})
	http.Redirect(w, r, metadata.Endpoint+"?"+q.Encode(), http.StatusSeeOther)
	return nil
}

func (a *app) visit(r *http.Request) (visit, string) {
	c, err := r.Cookie("department")
	if err != nil {
		return visit{}, ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.visits[c.Value], c.Value
}

// handle shows a person no more of an error than that there was one.
func (a *app) handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := h(w, r); err != nil {
			log.Print(err)
			http.Error(w, "Something went wrong. Begin again at "+a.home, http.StatusBadGateway)
		}
	})
}

// ask sends a request and reads the answer's JSON.
func ask(r *http.Request, status int, into any) error {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != status {
		return fmt.Errorf("%s: status %d: %s", r.URL.Path, answer.StatusCode, body)
	}
	return json.Unmarshal(body, into)
}

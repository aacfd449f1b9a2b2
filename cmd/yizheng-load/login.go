package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/net/html"
)

// visitor is somebody who is logged in, in a browser that load speaks for.
type visitor struct {
	w        *wire
	client   client
	cookies  string // header line
	request  string // target of the authorization request
	verifier string
}

// loadRedirect is where the answers go of the client that load speaks for:
// nothing listens there.
const loadRedirect = "http://127.0.0.1:9/load"

// client is a client at which people log in.
type client struct{ id, secret, redirect string }

// visit logs somebody in for a scope and returns them, on a connection of their own.
func (t *target) visit(ctx context.Context, w *wire, caller int, scope string) (*visitor, error) {
	i := slices.IndexFunc(t.facts.Clients, func(c factsClient) bool { return slices.Contains(c.RedirectURIs, loadRedirect) })
	people := slices.DeleteFunc(slices.Clone(t.facts.People), func(p person) bool { return p.Login == "" }) // who have no account yet
	if i < 0 || len(people) == 0 {
		return nil, errors.New("the facts name no client for load: start the demo with --load-client")
	}
	c, who := t.facts.Clients[i], people[caller%len(people)]
	v := &visitor{w: w, client: client{c.ClientID, c.ClientSecret, c.RedirectURIs[0]}, verifier: strings.Repeat("load", 16)}
	sum := sha256.Sum256([]byte(v.verifier))
	v.request = "/oauth/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {v.client.id}, "redirect_uri": {v.client.redirect}, "scope": {scope}, "state": {"load"}, "nonce": {"load"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	if err := v.logIn(ctx, t, who.Login, who.Password); err != nil {
		return nil, fmt.Errorf("logging %s in: %w", who.Login, err)
	}
	return v, nil
}

// logIn goes through the login's page as a browser does, and keeps its cookies.
func (v *visitor) logIn(ctx context.Context, t *target, login, password string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	issuer, err := url.Parse(t.facts.Issuer)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != issuer.Host {
			return http.ErrUseLastResponse // to the client: that is far enough
		}
		return nil
	}}
	defer browser.CloseIdleConnections()
	page, err := v.send(ctx, browser, http.MethodGet, t.facts.Issuer+v.request, nil)
	if err != nil {
		return err
	}
	if page.form != nil {
		page.form.Set("username", login)
		page.form.Set("password", password)
		page.form.Set("act", "login")
		if page, err = v.send(ctx, browser, http.MethodPost, page.action, page.form); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(page.location, v.client.redirect+"?code=") {
		return fmt.Errorf("the login ends with status %d at %.80q", page.status, page.location)
	}
	for _, c := range jar.Cookies(issuer) {
		v.cookies += "; " + c.Name + "=" + c.Value
	}
	v.cookies = "Cookie: " + strings.TrimPrefix(v.cookies, "; ")
	return nil
}

// loginPage is what a browser got: a page with a form, or a way onward.
type loginPage struct {
	status   int
	location string
	action   string
	form     url.Values // hidden fields
}

func (v *visitor) send(ctx context.Context, browser *http.Client, method, target string, form url.Values) (loginPage, error) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return loginPage{}, err
	}
	r.Header.Set("X-Forwarded-For", v.w.from)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	answer, err := browser.Do(r)
	if err != nil {
		return loginPage{}, err
	}
	defer answer.Body.Close()
	page := loginPage{status: answer.StatusCode, location: answer.Header.Get("Location")}
	if to, ok := strings.CutPrefix(answer.Header.Get("Refresh"), "0;url="); ok { // as the answer to a form leads back
		page.location = to
	}
	if page.location != "" || answer.StatusCode != http.StatusOK {
		return page, nil
	}
	root, err := html.Parse(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return loginPage{}, err
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "form" && page.form != nil {
			break // the first form is the password's; another one asks for a passkey
		}
		switch {
		case n.Data == "form":
			page.form, page.action = url.Values{}, htmlAttribute(n, "action")
		case n.Data == "input" && page.form != nil && htmlAttribute(n, "type") == "hidden":
			page.form.Set(htmlAttribute(n, "name"), htmlAttribute(n, "value"))
		}
	}
	if page.form != nil {
		action, err := answer.Request.URL.Parse(page.action)
		if err != nil {
			return loginPage{}, err
		}
		page.action = action.String()
	}
	return page, nil
}

func htmlAttribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// tokenPair are the tokens of a login.
type tokenPair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// signOn goes once through what somebody who is logged in goes through: the
// authorization request, and the redeeming of its code.
func (v *visitor) signOn() (tokenPair, error) {
	answer, body, err := v.w.do(request{method: http.MethodGet, target: v.request, header: []string{v.cookies}})
	if err != nil {
		return tokenPair{}, err
	}
	to, err := url.Parse(answer.Header.Get("Location"))
	if err != nil {
		return tokenPair{}, err
	}
	code := to.Query().Get("code")
	if code == "" {
		return tokenPair{}, fmt.Errorf("there is no code in the answer: %s to %.100q: %.300s", answer.Status, to.String(), string(body))
	}
	return v.tokens(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {v.client.redirect}, "code_verifier": {v.verifier}})
}

func (v *visitor) tokens(form url.Values) (tokenPair, error) {
	body, err := v.w.want(http.StatusOK, request{
		method: http.MethodPost, target: "/oauth/token", header: []string{formHeader, basicHeader(v.client.id, v.client.secret)}, body: []byte(form.Encode()),
	})
	if err != nil {
		return tokenPair{}, err
	}
	var t tokenPair
	return t, json.Unmarshal(body, &t)
}

func loadSSO(ctx context.Context, t *target) ([]func() error, error) {
	return t.each(func(w *wire, caller int) (func() error, error) {
		v, err := t.visit(ctx, w, caller, "openid")
		from := caller
		return func() error {
			from += t.callers
			w.comeFrom(from) // so many sign-ons a second are many people's
			_, err := v.signOn()
			return err
		}, err
	})
}

// loadUserInfo asks for what the scopes show of a person, again and again.
func loadUserInfo(scope string) scenario {
	return func(ctx context.Context, t *target) ([]func() error, error) {
		return t.each(func(w *wire, caller int) (func() error, error) {
			v, err := t.visit(ctx, w, caller, scope)
			if err != nil {
				return nil, err
			}
			tokens, err := v.signOn()
			q := request{method: http.MethodGet, target: "/oauth/userinfo", header: []string{"Authorization: Bearer " + tokens.Access}}
			return func() error { _, err := w.want(http.StatusOK, q); return err }, err
		})
	}
}

func loadRefresh(ctx context.Context, t *target) ([]func() error, error) {
	return t.each(func(w *wire, caller int) (func() error, error) {
		v, err := t.visit(ctx, w, caller, "openid")
		if err != nil {
			return nil, err
		}
		tokens, err := v.signOn()
		if err == nil && tokens.Refresh == "" {
			err = errors.New("the client gets no refresh token")
		}
		return func() (err error) {
			tokens, err = v.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}})
			return err
		}, err
	})
}

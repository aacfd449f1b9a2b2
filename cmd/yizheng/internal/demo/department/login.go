package department

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ask is an authorization request under way.
type ask struct{ state, nonce, verifier, caseNumber string }

// assurance is what the provider calls a login with two factors of somebody
// who is proofed: licenses need it.
const assurance = "urn:yizheng:assurance:2"

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// apply begins: one request asks for the login and for the licenses that the
// item needs. It goes to the provider directly (RFC 9126); the browser carries
// nothing but its number.
func (s *System) apply(w http.ResponseWriter, r *http.Request) error {
	p, err := s.discovered(r.Context())
	if err != nil {
		return &failure{http.StatusBadGateway, "统一登录暂时连不上", "请稍后再试，或携带纸质材料到窗口办理。", err}
	}
	a := &ask{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), caseNumber: s.newCase()}
	details, err := json.Marshal([]map[string]string{{"type": "license", "service_item": s.c.Profile.Item, "case": a.caseNumber}})
	if err != nil {
		return err
	}
	request, err := url.Parse(p.oauth.AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier),
		oauth2.SetAuthURLParam("acr_values", assurance),
		oauth2.SetAuthURLParam("authorization_details", string(details))))
	if err != nil {
		return err
	}
	pushed, err := s.push(r.Context(), p, request.Query())
	if err != nil {
		return &failure{http.StatusBadGateway, "统一登录没有接受本次申请", "请稍后再试，或携带纸质材料到窗口办理。", err}
	}
	v := visit{ask: a}
	if before := s.visit(r); before != nil {
		v.login, v.received = before.login, before.received
	}
	s.keep(w, r, v)
	request.RawQuery = url.Values{"client_id": {s.c.ClientID}, "request_uri": {pushed}}.Encode()
	http.Redirect(w, r, request.String(), http.StatusSeeOther)
	return nil
}

// newCase returns a new case number 办件编号.
func (s *System) newCase() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cases++
	return fmt.Sprintf("%s-%s-%03d", s.c.Profile.CasePrefix, time.Now().In(china).Format("20060102-150405"), s.cases%1000)
}

// push hands an authorization request in.
func (s *System) push(ctx context.Context, p *provider, params url.Values) (requestURI string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.metadata.PAR, strings.NewReader(params.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(s.c.ClientID), url.QueryEscape(s.c.ClientSecret)) // RFC 6749 section 2.3.1
	var answer struct {
		RequestURI string `json:"request_uri"`
	}
	if err := s.call(r, http.StatusCreated, &answer); err != nil {
		return "", fmt.Errorf("pushing the authorization request: %w", err)
	}
	return answer.RequestURI, nil
}

// refusal is an answer of the provider that isn't the one hoped for.
type refusal struct {
	Status int
	Code   string // of OAuth, or the reason of a problem
	Detail string
}

func (e *refusal) Error() string { return fmt.Sprintf("status %d: %s: %s", e.Status, e.Code, e.Detail) }

// call sends a request and decodes the answer.
func (s *System) call(r *http.Request, want int, to any) error {
	r.Header.Set("Accept", "application/json")
	answer, err := s.c.Client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode != want {
		var problem struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
			Reason      string `json:"reason"`
			Detail      string `json:"detail"`
		}
		_ = json.Unmarshal(body, &problem) // it may be no JSON; then the status says all
		return &refusal{answer.StatusCode, problem.Error + problem.Reason, problem.Description + problem.Detail}
	}
	return json.Unmarshal(body, to)
}

// callback takes the answer to a request of this browser.
func (s *System) callback(w http.ResponseWriter, r *http.Request) error {
	v, q := s.visit(r), r.URL.Query()
	if v == nil || v.ask == nil || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(v.ask.state)) != 1 {
		return s.stray(w, r, v)
	}
	p, err := s.discovered(r.Context())
	if err != nil {
		return err
	}
	// Whose answer it is (RFC 9207): another provider's must not pass for ours.
	if q.Get("iss") != s.c.Issuer && (p.metadata.IssInResponse || q.Has("iss")) {
		return &failure{http.StatusBadRequest, "登录没有完成", "请从首页重新开始。", errors.New("the answer names another issuer")}
	}
	done := visit{login: v.login, received: v.received} // the request is answered: it can't be again
	if code := q.Get("error"); code != "" {
		s.keep(w, r, done)
		return s.refused(w, r, code)
	}
	tokens, err := p.oauth.Exchange(oidc.ClientContext(r.Context(), s.c.Client), q.Get("code"), oauth2.VerifierOption(v.ask.verifier))
	if err != nil {
		s.keep(w, r, done)
		return &failure{http.StatusBadGateway, "登录没有完成", "登录结果已失效，请从首页重新开始。", fmt.Errorf("redeeming the code: %w", err)}
	}
	if done.login, err = s.identify(r.Context(), p, tokens, v.ask.nonce); err != nil {
		s.keep(w, r, visit{})
		return &failure{http.StatusBadGateway, "登录没有完成", "请从首页重新开始。", err}
	}
	if done.received, err = s.receive(r.Context(), tokens, v.ask.caseNumber, done.login); err != nil {
		s.keep(w, r, done)
		return &failure{http.StatusBadGateway, "证照没有取到", "您已登录，但证照没有送达。请重试，或携带纸质材料到窗口办理。", err}
	}
	s.keep(w, r, done)
	http.Redirect(w, r, "/case", http.StatusSeeOther)
	return nil
}

// stray handles an answer to no request that this browser has under way. After
// the back button, or a second click, what there is already is shown.
func (s *System) stray(w http.ResponseWriter, r *http.Request, v *visit) error {
	if v.outcome() != nil {
		http.Redirect(w, r, "/case", http.StatusSeeOther)
		return nil
	}
	return &failure{http.StatusBadRequest, "登录没有完成", "本次登录已过期，或浏览器没有保存 Cookie。请允许本站使用 Cookie，再从首页重新开始。",
		errors.New("the answer belongs to no request of this browser")}
}

// refused shows what an error of the provider's means for the person.
func (s *System) refused(w http.ResponseWriter, r *http.Request, code string) error {
	description := r.URL.Query().Get("error_description")
	if code == "access_denied" {
		s.show(w, r, http.StatusOK, "paper.html", map[string]any{"Chose": true})
		return nil
	}
	return &failure{http.StatusBadGateway, "登录没有完成", "请从首页重新开始，或携带纸质材料到窗口办理。", &refusal{0, code, description}}
}

// identify checks the ID token and returns who logged in (OpenID Connect Core
// section 3.1.3.7).
func (s *System) identify(ctx context.Context, p *provider, tokens *oauth2.Token, nonce string) (*login, error) {
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("there is no ID token")
	}
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return nil, errors.New("the ID token is another request's")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(tokens.AccessToken); err != nil {
			return nil, fmt.Errorf("the access token: %w", err)
		}
	}
	var proven struct {
		ACR string `json:"acr"`
	}
	if err := id.Claims(&proven); err != nil {
		return nil, fmt.Errorf("the ID token: %w", err)
	}
	if proven.ACR != assurance {
		return nil, errors.New("the login is of another assurance than was asked for")
	}
	user, err := p.oidc.UserInfo(oidc.ClientContext(ctx, s.c.Client), oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, fmt.Errorf("asking who it is: %w", err)
	}
	if user.Subject != id.Subject {
		return nil, errors.New("the claims are another person's")
	}
	var claims struct {
		Name     string `json:"name"`
		CodeType string `json:"code_type"`
		Code     string `json:"code"`
	}
	if err := user.Claims(&claims); err != nil {
		return nil, fmt.Errorf("reading who it is: %w", err)
	}
	return &login{Name: claims.Name, Subject: id.Subject, CodeType: claims.CodeType, Code: claims.Code, idToken: raw}, nil
}

// logout ends the visit here, and asks the provider to end the login there
// (OpenID Connect RP-Initiated Logout 1.0).
func (s *System) logout(w http.ResponseWriter, r *http.Request) error {
	hint := ""
	if u := s.visit(r).user(); u != nil {
		hint = u.idToken
	}
	s.forget(w, r)
	p, err := s.discovered(r.Context())
	if err != nil || p.metadata.EndSession == "" || hint == "" {
		http.Redirect(w, r, LoggedOutPath, http.StatusSeeOther)
		return nil
	}
	q := url.Values{"id_token_hint": {hint}, "client_id": {s.c.ClientID}, "post_logout_redirect_uri": {s.c.URL + LoggedOutPath}}
	http.Redirect(w, r, p.metadata.EndSession+"?"+q.Encode(), http.StatusSeeOther)
	return nil
}

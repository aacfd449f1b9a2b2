package department

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// received is a case with the materials that arrived for it.
type received struct {
	Case      string
	At        time.Time
	Materials []receivedMaterial
	by        *login
	token     string // access token, for reading again
}

// Lacking names the required materials that have not arrived.
func (c *received) Lacking() []Material {
	var lacking []Material
	for _, m := range c.Materials {
		if m.Required && m.License == nil {
			lacking = append(lacking, m.Material)
		}
	}
	return lacking
}

// Arrived counts the licenses.
func (c *received) Arrived() int {
	n := 0
	for _, m := range c.Materials {
		if m.License != nil {
			n++
		}
	}
	return n
}

// Clock returns when the licenses were read.
func (c *received) Clock() string { return c.At.In(china).Format("2006-01-02 15:04:05") }

var china = time.FixedZone("UTC+8", 8*60*60)

// receivedMaterial is what became of one material.
type receivedMaterial struct {
	Material
	Outcome string // as the provider says it
	Reason  string // likewise: why a license that was agreed to is left out
	License *presented
	Problem string // why the license could not be taken; for people
	useCode string
	heldBy  *holder // its code alone: under which the applicant holds the license
}

// detail is an authorization detail as it was granted (RFC 9396 section 7).
type detail struct {
	Type      string `json:"type"`
	Item      string `json:"service_item"`
	Case      string `json:"case"`
	Materials []struct {
		Material string  `json:"material"`
		Outcome  string  `json:"outcome"`
		Reason   string  `json:"reason"`
		UseCode  string  `json:"use_code"`
		HeldBy   *holder `json:"held_by"`
	} `json:"materials"`
}

// receive reads the granted details of the token endpoint's answer, and each
// license by its use code.
func (s *System) receive(ctx context.Context, tokens *oauth2.Token, caseNumber string, by *login) (*received, error) {
	text, err := json.Marshal(tokens.Extra("authorization_details"))
	if err != nil {
		return nil, err
	}
	var details []detail
	if err := json.Unmarshal(text, &details); err != nil {
		return nil, fmt.Errorf("reading the granted details: %w", err)
	}
	c := &received{Case: caseNumber, At: time.Now(), by: by, token: tokens.AccessToken}
	for _, d := range details {
		if d.Type != "license" || d.Item != s.c.Profile.Item || d.Case != caseNumber {
			return nil, errors.New("the granted details are of another case")
		}
		for _, m := range d.Materials {
			c.Materials = append(c.Materials, receivedMaterial{
				Material: s.c.Profile.material(m.Material), Outcome: m.Outcome, Reason: m.Reason, useCode: m.UseCode, heldBy: m.HeldBy,
			})
		}
	}
	// In the order in which the site names them.
	slices.SortStableFunc(c.Materials, func(a, b receivedMaterial) int {
		return cmp.Compare(s.c.Profile.rank(a.ID), s.c.Profile.rank(b.ID))
	})
	for i := range c.Materials {
		s.read(ctx, c, &c.Materials[i])
	}
	return c, nil
}

// read reads a license by its use code and checks it. What can't be taken is no
// error of the case: the material comes by paper.
func (s *System) read(ctx context.Context, c *received, m *receivedMaterial) {
	if m.useCode == "" {
		return
	}
	nonce := rand.Text()
	credential, err := s.redeem(ctx, c.token, m.useCode, nonce)
	var l *presented
	if err == nil {
		l, err = s.verify(ctx, credential, nonce)
	}
	if err == nil && !l.holds(m.heldBy) {
		err = &doubt{"持证人不是申请人", errors.New("the applicant is not among the holders")}
	}
	if err == nil {
		m.License = l
		return
	}
	s.c.Log.Error("a license could not be taken", "material", m.ID, "error", err)
	m.Problem = problem(err)
}

// problem says for people why a license was not taken.
func problem(err error) string {
	if d, ok := errors.AsType[*doubt](err); ok {
		return "证照未通过核验，不予采用：" + d.text
	}
	if e, ok := errors.AsType[*refusal](err); ok && e.Status < 500 {
		return "不能再读取：授权已经结束，或证照已经变动"
	}
	return "证照没有取到，请稍后重试，或改交纸质材料"
}

// redeem reads a license by its use code. The same request_id with the same
// nonce is the same reading, so it may be repeated after a lost answer. When the
// login's access token is over, one of the client's own does as well.
func (s *System) redeem(ctx context.Context, token, useCode, nonce string) (credential string, err error) {
	body, err := json.Marshal(map[string]string{"use_code": useCode, "request_id": rand.Text(), "nonce": nonce})
	if err != nil {
		return "", err
	}
	var released struct {
		Credential string `json:"credential"`
	}
	for try := 1; ; try++ {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.Issuer+"/v1/use-codes/redeem", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		err = s.call(r, http.StatusOK, &released)
		e, refused := errors.AsType[*refusal](err)
		switch {
		case err == nil, try == 2:
			return released.Credential, err
		case refused && e.Status == http.StatusUnauthorized:
			if token, err = s.ownToken(ctx); err != nil {
				return "", err
			}
		case refused && e.Status < 500:
			return "", err
		}
	}
}

// ownToken returns an access token of the client's own (RFC 6749 section 4.4).
func (s *System) ownToken(ctx context.Context) (string, error) {
	p, err := s.discovered(ctx)
	if err != nil {
		return "", err
	}
	own := clientcredentials.Config{
		ClientID: s.c.ClientID, ClientSecret: s.c.ClientSecret, TokenURL: p.oauth.Endpoint.TokenURL, AuthStyle: oauth2.AuthStyleInHeader,
	}
	token, err := own.Token(oidc.ClientContext(ctx, s.c.Client))
	if err != nil {
		return "", fmt.Errorf("getting a token of our own: %w", err)
	}
	return token.AccessToken, nil
}

// showCase shows what arrived.
func (s *System) showCase(w http.ResponseWriter, r *http.Request) error {
	v := s.visit(r)
	if v.outcome() == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	s.show(w, r, http.StatusOK, "case.html", v.received)
	return nil
}

// readAgain reads the licenses once more: as long as the grant lives and the
// reading window is open. Afterwards the page says that it is over.
func (s *System) readAgain(w http.ResponseWriter, r *http.Request) error {
	v := s.visit(r)
	if v.outcome() == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	again := *v.received
	again.At = time.Now()
	again.Materials = append([]receivedMaterial(nil), v.received.Materials...)
	for i := range again.Materials {
		again.Materials[i].License, again.Materials[i].Problem = nil, ""
		s.read(r.Context(), &again, &again.Materials[i])
	}
	s.keep(w, r, visit{ask: v.ask, login: v.login, received: &again})
	http.Redirect(w, r, "/case", http.StatusSeeOther)
	return nil
}

package main

import (
	"context"
	"crypto/rand"
	_ "embed" // of license.json
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// target is the service that is loaded.
type target struct {
	facts   demoFacts
	address string
	callers int
	during  time.Duration // how long a scenario runs
}

// A scenario prepares what its callers need and returns what each does, again
// and again.
type scenario func(ctx context.Context, t *target) ([]func() error, error)

var scenarios = map[string]scenario{
	"discovery":           loadDocument("/.well-known/openid-configuration"),
	"jwks":                loadDocument("/oauth/jwks"),
	"client-credentials":  loadClientCredentials,
	"introspection-first": loadIntrospectionFirst,
	"introspection-seen":  loadIntrospectionSeen,
	"issue":               loadIssue,
	"refresh":             loadRefresh,
	"sso":                 loadSSO,
	"userinfo":            loadUserInfo("openid"),
	"userinfo-claims":     loadUserInfo("openid profile phone identity"),
}

func scenarioNames() []string { return slices.Sorted(maps.Keys(scenarios)) }

// each makes what every caller does on a connection of its own.
func (t *target) each(make func(w *wire, caller int) (func() error, error)) ([]func() error, error) {
	calls := []func() error{}
	for i := range t.callers {
		w, err := dial(t, i)
		if err != nil {
			return nil, err
		}
		call, err := make(w, i)
		if err != nil {
			return nil, err
		}
		calls = append(calls, call)
	}
	return calls, nil
}

func loadDocument(path string) scenario {
	return func(_ context.Context, t *target) ([]func() error, error) {
		return t.each(func(w *wire, _ int) (func() error, error) {
			q := request{method: "GET", target: path}
			return func() error { _, err := w.want(200, q); return err }, nil
		})
	}
}

// client returns the id and secret of a client that has a scope.
func (t *target) client(scope string) (id, secret string, err error) {
	for _, c := range t.facts.Clients {
		if slices.Contains(c.Scopes, scope) {
			return c.ClientID, c.ClientSecret, nil
		}
	}
	return "", "", fmt.Errorf("the facts name no client with the scope %s", scope)
}

// issuing is the scope of the clients that load speaks for where no person is.
const issuing = "license:issue"

func clientCredentials(id, secret string) request {
	return request{
		method: "POST", target: "/oauth/token", header: []string{formHeader, basicHeader(id, secret)},
		body: []byte("grant_type=client_credentials&scope=" + "license%3Aissue"),
	}
}

func loadClientCredentials(_ context.Context, t *target) ([]func() error, error) {
	id, secret, err := t.client(issuing)
	if err != nil {
		return nil, err
	}
	return t.each(func(w *wire, _ int) (func() error, error) {
		q := clientCredentials(id, secret)
		return func() error { _, err := w.want(200, q); return err }, nil
	})
}

// accessToken asks for a token without a person.
func (w *wire) accessToken(id, secret string) (string, error) {
	body, err := w.want(200, clientCredentials(id, secret))
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	return answer.Token, json.Unmarshal(body, &answer)
}

func introspection(id, secret, token string) request {
	return request{
		method: "POST", target: "/oauth/introspect", header: []string{formHeader, basicHeader(id, secret)},
		body: []byte("token=" + token),
	}
}

// active is the answer to the introspection of a good token, as it begins.
func (w *wire) introspect(q request) error {
	body, err := w.want(200, q)
	if err != nil {
		return err
	}
	var answer struct {
		Active bool `json:"active"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if !answer.Active {
		return errors.New("a good token is not active")
	}
	return nil
}

func loadIntrospectionSeen(_ context.Context, t *target) ([]func() error, error) {
	id, secret, err := t.client(issuing)
	if err != nil {
		return nil, err
	}
	return t.each(func(w *wire, _ int) (func() error, error) {
		token, err := w.accessToken(id, secret)
		q := introspection(id, secret, token)
		return func() error { return w.introspect(q) }, err
	})
}

// freshTokens is how many tokens a second are laid in for looking at each once.
const freshTokens = 12_000

// loadIntrospectionFirst shows each token once. The tokens are made first, so
// that they can be old by no more than the preparation.
func loadIntrospectionFirst(ctx context.Context, t *target) ([]func() error, error) {
	id, secret, err := t.client(issuing)
	if err != nil {
		return nil, err
	}
	tokens := make([]string, int(t.during.Seconds()*freshTokens))
	var next atomic.Int64
	var wg sync.WaitGroup
	failures := make([]error, t.callers)
	for i := range t.callers {
		w, err := dial(t, i)
		if err != nil {
			return nil, err
		}
		wg.Go(func() {
			defer w.conn.Close()
			for n := next.Add(1) - 1; n < int64(len(tokens)) && ctx.Err() == nil && failures[i] == nil; n = next.Add(1) - 1 {
				tokens[n], failures[i] = w.accessToken(id, secret)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	var shown atomic.Int64
	return t.each(func(w *wire, _ int) (func() error, error) {
		return func() error {
			n := shown.Add(1) - 1
			if n >= int64(len(tokens)) {
				return errors.New("all tokens that were made before are used: measure for a shorter time")
			}
			return w.introspect(introspection(id, secret, tokens[n]))
		}, nil
	})
}

// licenseText is what a sample department of the demo is asked to issue: a license of one
// of the demo's types, with placeholders for its number and its dates.
//
//go:embed license.json
var licenseText []byte

// loadIssue issues one sample license over and over, each under a number of its own.
func loadIssue(_ context.Context, t *target) ([]func() error, error) {
	var sample struct {
		Authority string         `json:"authority"`
		Request   jsontext.Value `json:"request"`
	}
	if err := json.Unmarshal(licenseText, &sample, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(t.facts.Clients, func(c factsClient) bool {
		return c.Participant == sample.Authority && slices.Contains(c.Scopes, issuing)
	})
	if i < 0 {
		return nil, errors.New("the facts name no client of the department that issues the samples")
	}
	id, secret := t.facts.Clients[i].ClientID, t.facts.Clients[i].ClientSecret
	from := time.Now().In(time.FixedZone("", 8*60*60)).AddDate(0, -6, 0)
	text := strings.NewReplacer("VALID-FROM", from.Format(time.DateOnly), "VALID-UNTIL", from.AddDate(10, 0, -1).Format(time.DateOnly)).Replace(string(sample.Request))
	return t.each(func(w *wire, _ int) (func() error, error) {
		token, asked := "", time.Time{}
		return func() (err error) {
			if time.Since(asked) > time.Minute { // they live five
				asked = time.Now()
				if token, err = w.accessToken(id, secret); err != nil {
					return err
				}
			}
			body := strings.Replace(text, "NUMBER", "样例"+rand.Text(), 1)
			_, err = w.want(201, request{method: "POST", target: "/v1/licenses", body: []byte(body), header: []string{
				"Content-Type: application/json", "Authorization: Bearer " + token, "Idempotency-Key: " + rand.Text(),
			}})
			return err
		}, nil
	})
}

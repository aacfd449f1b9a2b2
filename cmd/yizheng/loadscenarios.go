package main

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
)

// loadTarget is the service that is loaded.
type loadTarget struct {
	facts   loadFacts
	address string
	callers int
	during  time.Duration // how long a scenario runs
}

// A loadScenario prepares what its callers need and returns what each does, again
// and again.
type loadScenario func(ctx context.Context, t *loadTarget) ([]func() error, error)

var loadScenarios = map[string]loadScenario{
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

func loadNames() []string { return slices.Sorted(maps.Keys(loadScenarios)) }

// each makes what every caller does on a connection of its own.
func (t *loadTarget) each(make func(w *wire, caller int) (func() error, error)) ([]func() error, error) {
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

func loadDocument(path string) loadScenario {
	return func(_ context.Context, t *loadTarget) ([]func() error, error) {
		return t.each(func(w *wire, _ int) (func() error, error) {
			q := request{method: "GET", target: path}
			return func() error { _, err := w.want(200, q); return err }, nil
		})
	}
}

// client returns the id and secret of a client that has a scope.
func (t *loadTarget) client(scope string) (id, secret string, err error) {
	for _, c := range t.facts.Clients {
		if slices.Contains(c.Scopes, scope) {
			return c.ClientID, c.ClientSecret, nil
		}
	}
	return "", "", refuse("load.no_scope", scope)
}

// issuing is the scope of the clients that load speaks for where no person is.
const issuing = "license:issue"

func clientCredentials(id, secret string) request {
	return request{
		method: "POST", target: "/oauth/token", header: []string{formHeader, basicHeader(id, secret)},
		body: []byte("grant_type=client_credentials&scope=" + "license%3Aissue"),
	}
}

func loadClientCredentials(_ context.Context, t *loadTarget) ([]func() error, error) {
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
		return refuse("load.inactive")
	}
	return nil
}

func loadIntrospectionSeen(_ context.Context, t *loadTarget) ([]func() error, error) {
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
func loadIntrospectionFirst(ctx context.Context, t *loadTarget) ([]func() error, error) {
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
				return refuse("load.spent")
			}
			return w.introspect(introspection(id, secret, tokens[n]))
		}, nil
	})
}

// loadIssue issues one sample license over and over, each under a number of its own.
func loadIssue(_ context.Context, t *loadTarget) ([]func() error, error) {
	samples, err := loadSamples()
	if err != nil {
		return nil, err
	}
	l := samples.licenses[0]
	id, secret := "", ""
	for _, sp := range samples.participants {
		for _, c := range t.facts.Clients {
			if sp.Key == l.By && c.Participant == sp.Name && slices.Contains(c.Scopes, issuing) {
				id, secret = c.ClientID, c.ClientSecret
			}
		}
	}
	if id == "" {
		return nil, refuse("load.no_authority")
	}
	q := l.request(party.DateOf(time.Now()))
	return t.each(func(w *wire, _ int) (func() error, error) {
		token, asked := "", time.Time{}
		return func() (err error) {
			if time.Since(asked) > time.Minute { // they live five
				asked = time.Now()
				if token, err = w.accessToken(id, secret); err != nil {
					return err
				}
			}
			q := q
			q.Number = "样例" + rand.Text()
			body, err := json.Marshal(q)
			if err != nil {
				return err
			}
			_, err = w.want(201, request{method: "POST", target: "/v1/licenses", body: body, header: []string{
				"Content-Type: application/json", "Authorization: Bearer " + token, "Idempotency-Key: " + rand.Text(),
			}})
			return err
		}, nil
	})
}

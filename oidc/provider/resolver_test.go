package provider

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
)

const detail = `[{"type":"license","service_item":"residence-permit","case":"2026-000123"}]`

// push pushes a request with licenses and returns the changes that use it.
func (w *world) push(t testing.TB, c oidc.Client, changes ...string) []string {
	t.Helper()
	p := params(c, append([]string{"authorization_details", detail}, changes...)...)
	uri, _, err := w.Push(t.Context(), c, p, "r0")
	if err != nil {
		t.Fatal(err)
	}
	return []string{"request_uri", uri, "redirect_uri", "", "response_type", "", "scope", "", "state", "", "nonce", "", "code_challenge", "", "code_challenge_method", ""}
}

// resolver is a Resolver whose grants are a list in memory.
type resolver struct {
	mu      sync.Mutex
	shown   [32]byte
	grants  map[string]*fakeGrant // by id, which is made of the form's
	fails   error                 // what the next call returns, if set
	reuse   string                // what Reuse returns
	checks  []jsontext.Value
	facts   oidc.DetailFacts  // of the last call
	find    map[string]string // of the last description
	revoked []string          // "grant reason"
}

type fakeGrant struct {
	agreement oidc.Agreement
	state     string // pending, active, ended
	codes     [][32]byte
}

func newResolver() *resolver { return &resolver{shown: [32]byte{1}, grants: map[string]*fakeGrant{}} }

func (r *resolver) enter() func() { r.mu.Lock(); return r.mu.Unlock }

func (r *resolver) Read(_ context.Context, _ oidc.Client, d jsontext.Value) (read oidc.Detail, err error) {
	defer r.enter()()
	r.checks = append(r.checks, d)
	if r.fails == nil {
		err = json.Unmarshal(d, &read)
	}
	return read, cmp.Or(r.fails, err)
}

// offer is what a consent page shows: of a detail, a hash.
type offer struct {
	detail oidc.Detail
	shown  [32]byte
}

func (o offer) Shown() [32]byte { return o.shown }

func (r *resolver) Describe(_ context.Context, f oidc.DetailFacts, d oidc.Detail, find map[string]string) (oidc.Offer, error) {
	defer r.enter()()
	r.facts, r.find = f, find
	return offer{d, r.shown}, r.fails
}

func (r *resolver) Grant(_ context.Context, f oidc.DetailFacts, _ oidc.Detail, a oidc.Agreement) (string, error) {
	defer r.enter()()
	r.facts = f
	switch {
	case r.fails != nil:
		return "", r.fails
	case a.Shown != r.shown:
		return "", oidc.ErrShownChanged
	case len(a.Chosen) == 0:
		return "", oidc.ErrRefusedAll
	}
	id := "grant-" + a.Form[:8]
	if g, ok := r.grants[id]; ok {
		if g.state != "pending" || g.agreement.Form != a.Form || !slices.EqualFunc(g.agreement.Chosen, a.Chosen, func(x, y oidc.Choice) bool { return fmt.Sprint(x) == fmt.Sprint(y) }) {
			return "", &oidc.Error{Code: oidc.InvalidRequest, Description: "the consent was used", Reason: "consent_used"}
		}
		return id, nil
	}
	r.grants[id] = &fakeGrant{agreement: a, state: "pending"}
	return id, nil
}

func (r *resolver) Reuse(_ context.Context, f oidc.DetailFacts, _ oidc.Detail) (string, error) {
	defer r.enter()()
	r.facts = f
	return r.reuse, r.fails
}

func (r *resolver) Deliver(_ context.Context, _ oidc.Client, grant string, code [32]byte) (jsontext.Value, error) {
	defer r.enter()()
	g := r.grants[grant]
	switch {
	case r.fails != nil:
		return nil, r.fails
	case g == nil || g.state == "ended" || g.state == "active" && !g.agreement.Recurring && !slices.Contains(g.codes, code):
		return nil, &oidc.Error{Code: oidc.InvalidGrant, Description: "the grant is over", Reason: "grant_ended"}
	}
	g.state = "active"
	g.codes = append(g.codes, code)
	return jsontext.Value(`[{"type":"license","grant_id":"` + grant + `"}]`), nil
}

func (r *resolver) Live(_ context.Context, grant string) (bool, error) {
	defer r.enter()()
	g := r.grants[grant]
	return g != nil && g.state == "active", r.fails
}

func (r *resolver) Revoke(_ context.Context, _ oidc.Client, grant, reason string) error {
	defer r.enter()()
	r.revoked = append(r.revoked, grant+" "+reason)
	if g := r.grants[grant]; g != nil {
		g.state = "ended"
	}
	return r.fails
}

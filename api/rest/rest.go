// Package rest is the REST API below /v1: the table of its endpoints, and one file a resource; people
// have a room of their own. Bodies are types of this package, which are converted
// to and from those of the rules; or, where a rule's type is stored as it is sent, the rule's.
package rest

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/api/rest/people"
	"yizheng.internal/license/library"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// Config says what the API works with.
type Config struct {
	Library  *library.Library
	Keyrings *signing.Keyrings
	Anchors  *pki.Anchors
	Lists    signing.RevocationLists // nil: no revocation lists are served
	Verifier *jose.Verifier          // of revocation lists; default: a new one
	Problems *problem.Writer
	// Authorize checks a request's access token and that it carries the scope; an empty
	// one asks for none. Its errors are *problem.Bearer, or unknown ones.
	Authorize func(r *http.Request, scope oidc.Scope) (token.Access, error)
	Readers   *limit.Rate // of readings, by client and person
	// For requests about people. Without a Registrar there are none, and the others aren't needed.
	Registrar *registrar.Service
	Acting    *acting.Service // nil: nobody acts for others
	Client    func(ctx context.Context, id string) (oidc.Client, error)
	Refusals  *journal.Recorder // of the provider: records what is refused there
	Askers    *limit.Rate       // of requests about people, by client
	Addresses *limit.Rate       // of verifications
	Verifying *limit.Turnstile
	Address   func(*http.Request) netip.Addr // of the client
	Verified  func(verdict string)           // counts a verification
	Step      func(name string)              // failpoints of tests
}

// API serves the endpoints below /v1. Safe for concurrent use.
type API struct {
	// Verification is also for the page that verifies.
	Verification *Verification

	calls    call.Server
	noPeople bool // nobody's accounts are kept here
	noActing bool // nobody acts for others here
	types    *licenseTypes
	items    *serviceItems
	licenses *licenses
	sharing  *sharing
	people   *people.People
	trust    *trust
}

// New checks c and returns the API.
func New(c Config) (*API, error) {
	if c.Library == nil || c.Keyrings == nil || c.Anchors == nil || c.Problems == nil || c.Authorize == nil || c.Readers == nil ||
		c.Addresses == nil || c.Verifying == nil || c.Address == nil || c.Verified == nil || c.Step == nil {
		return nil, errors.New("rest: something of Config is missing")
	}
	if c.Registrar != nil && (c.Client == nil || c.Refusals == nil || c.Askers == nil) {
		return nil, errors.New("rest: Config needs Client, Refusals and Askers for requests about people")
	}
	if c.Verifier == nil {
		c.Verifier = jose.NewVerifier(sm2.Config{})
	}
	return &API{
		calls: call.New(call.Config{
			Problems: c.Problems, Authorize: c.Authorize, Readers: c.Readers, Refused: c.Library.Refused, Refusals: c.Refusals, Step: c.Step,
		}),
		noPeople: c.Registrar == nil, noActing: c.Acting == nil, types: newLicenseTypes(c.Library.Catalog()), items: newServiceItems(c.Library.Catalog()), licenses: &licenses{c.Library.Registry}, sharing: &sharing{c.Library.Grants, c.Library.Readings},
		people:       people.New(people.Config{Registrar: c.Registrar, Acting: c.Acting, Client: c.Client, Askers: c.Askers}),
		trust:        &trust{types: c.Library.Catalog().Types(), status: c.Library.Lists(), keyrings: c.Keyrings, roots: c.Anchors, lists: c.Lists, verifier: c.Verifier},
		Verification: &Verification{c.Library.Verifications, c.Addresses, c.Verifying, c.Address, c.Verified},
	}, nil
}

// Mount serves each endpoint by mount, and adds it to the document.
func (a *API) Mount(mount func(pattern string, h http.Handler), to *openapi.Document) {
	for _, es := range a.endpoints() {
		for _, e := range es {
			if (!a.noPeople || e.Scope != oidc.ScopePeopleWrite) && (!a.noActing || e.Tag != people.RepresentationTag) {
				a.calls.Mount(e, mount, to)
			}
		}
	}
}

// endpoints lists the API, in groups.
func (a *API) endpoints() [][]call.Endpoint {
	return [][]call.Endpoint{
		typeEndpoints(a.types), itemEndpoints(a.items), a.licenses.licenseEndpoints(), a.sharing.sharingEndpoints(),
		a.people.Endpoints(), a.Verification.verifyEndpoints(), a.trust.trustEndpoints(),
	}
}

// Endpoints returns what there is, as it is described.
func (a *API) Endpoints() (all []openapi.Endpoint) {
	for _, es := range a.endpoints() {
		for _, e := range es {
			all = append(all, e.Endpoint)
		}
	}
	return all
}

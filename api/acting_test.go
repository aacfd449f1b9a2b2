package api

import (
	"context"
	"sync"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
)

// proved is what licenses prove of relationships, as the tests of who acts for whom want it. The zero proved knows
// nothing.
type proved struct {
	mu    sync.Mutex
	facts map[party.Code][]acting.Fact // by a code of the representative
	heads map[party.Code]acting.Head   // by a code of the organization
	fails error
}

// set changes what is proved.
func (p *proved) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// Represented implements [acting.Registry].
func (p *proved) Represented(_ context.Context, codes []party.Code) (all []acting.Fact, _ error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range codes {
		all = append(all, p.facts[c]...)
	}
	return all, p.fails
}

// Head implements [acting.Registry].
func (p *proved) Head(_ context.Context, codes []party.Code) (acting.Head, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range codes {
		if h, ok := p.heads[c]; ok {
			return h, p.fails
		}
	}
	return acting.Head{}, p.fails
}

// Spouse implements [acting.Registry].
func (*proved) Spouse(context.Context, []party.Code) (*acting.Fact, error) { return nil, nil }

// The organizations of these tests.
const (
	shopName   = "样例面馆有限公司"
	shopNumber = "甲样例公司编号"
)

func citizen(code string) party.Code { return party.Code{Type: party.Citizen, Value: code} }

// actingStage is a stage with a company: alice is its legal representative by its license, bob its agent, and the
// agency's clients may ask for whom somebody acts.
type actingStage struct {
	*stage
	agency *relyingParty
	agent  acting.Representation
	shop   party.Code
}

// scopesActing are those of a client that asks for whom somebody acts.
var scopesActing = []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeIdentity, oidc.ScopeOrganization, oidc.ScopeActAs, oidc.ScopeOffline}

func newActingStage(t *testing.T, c stageConfig) *actingStage {
	t.Helper()
	s := &actingStage{stage: newStage(t, c)}
	uscc, err := party.MakeUSCC("91430100")
	mustOf(t)(err)
	code := uscc.Code()
	s.shop = code
	s.head(citizen(sampleCitizen), code, shopName)
	s.call(t, s.catalog, "PUT", "/v1/license-types/"+sampleType, definition(object{
		"holders": []object{{"role": "holder", "name": "持证人", "min": 1, "max": 2, "code_types": []string{"111", "001"}}},
	})).want(t, 200, "")
	s.call(t, s.catalog, "POST", "/v1/license-types/"+sampleType+"/publish", nil).want(t, 200, "")
	s.call(t, s.department, "POST", "/v1/licenses", issueBody(shopNumber, object{
		"holders": []object{{"name": shopName, "code_type": string(party.SocialCredit), "code": code.Value, "role": "holder"}},
	}), idempotencyKey, "shop").want(t, 201, "")
	s.agency = s.relyingParty(t, s.owner(t, departmentUSCC), "http://127.0.0.1:9104/callback", func(c *client.Spec) { c.Scopes = scopesActing })
	s.agent = s.enter(t, acting.Agent, acting.Party{Kind: identity.Organization, Name: shopName, Code: code}, bobName, bobCitizen)
	return s
}

// head has a license prove who is a company's legal representative; nobody is by the zero code.
func (s *stage) head(who, company party.Code, name string) {
	s.proved.set(func() {
		fact := acting.Fact{Kind: acting.LegalRepresentative, Of: identity.Organization, Codes: []party.Code{company}, Name: name, License: s.alicesLicense, Version: 1, Type: sampleType, TypeName: "样例营业执照", Since: s.started}
		s.proved.facts, s.proved.heads = map[party.Code][]acting.Fact{}, map[party.Code]acting.Head{company: {Known: true, Since: time.Now()}}
		if who != (party.Code{}) {
			s.proved.facts[who], s.proved.heads[company] = []acting.Fact{fact}, acting.Head{Known: true, Codes: []party.Code{who}, Since: time.Now()}
		}
	})
}

// enter enters a representation that a clerk checked.
func (s *stage) enter(t testing.TB, kind acting.Kind, principal acting.Party, name, code string) acting.Representation {
	t.Helper()
	r, err := s.nodes[0].people.Acting.Enter(t.Context(), acting.Clerk{ID: "clerk"}, acting.Checked{
		Kind: kind, Principal: principal, Representative: acting.Party{Kind: identity.Person, Name: name, Code: citizen(code)},
		Bounds: acting.Bounds{Acts: acting.Acts()}, Evidence: "样例授权书",
	})
	mustOf(t)(err)
	return r
}

// dismiss ends a representation, at the last node.
func (s *actingStage) dismiss(t testing.TB) {
	t.Helper()
	_, err := s.nodes[len(s.nodes)-1].people.Acting.EndByClerk(t.Context(), acting.Clerk{ID: "clerk"}, s.agent.ID, "离职")
	mustOf(t)(err)
}

// asks is a request that asks for whom somebody acts.
func (s *actingStage) asks(pairs ...string) *rpFlow {
	return s.agency.request(append([]string{"scope", "openid profile organization act_as", "acr_values", "urn:yizheng:assurance:2"}, pairs...)...)
}

// asksLicenses is one for licenses.
func (s *actingStage) asksLicenses(pairs ...string) *rpFlow {
	return s.agency.licensed(append([]string{"scope", "openid profile organization act_as"}, pairs...)...)
}

// toActing takes a request to the page that asks for whom somebody acts.
func toActing(t testing.TB, f *rpFlow, b *apitest.Browser, who apitest.Person) *apitest.Page {
	t.Helper()
	p := f.open(t, b).LogIn(who)
	if len(p.Choices("for")) == 0 {
		t.Fatalf("%s: this page doesn't ask for whom they act: %v", p.URL, p)
	}
	return p
}

// choose goes on as the one who stands at a place among the choices; 0 is oneself.
func choose(p *apitest.Page, i int) *apitest.Page {
	return p.Press("submit", "for", p.Choices("for")[i])
}

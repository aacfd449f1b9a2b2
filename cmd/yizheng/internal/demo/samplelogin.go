package demo

import (
	"context"
	"errors"

	"yizheng.internal/cmd/yizheng/internal/demo/department"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing/jose"
)

// sampleItem is a service item of a sample department.
type sampleItem struct {
	Code       catalog.ItemCode       `json:"code"`
	Owner      string                 `json:"owner"` // key of the department
	Definition catalog.ItemDefinition `json:"definition"`
}

// samplePerson is a citizen with an account. The phone numbers begin with 154,
// which is nobody's.
type samplePerson struct {
	Login    string         `json:"login"` // empty: they have no account yet, and register
	Password string         `json:"password"`
	Name     string         `json:"name"`
	CodeType party.CodeType `json:"code_type"`
	Code     string         `json:"code"`
	Phone    string         `json:"phone"`
	Further  []sampleCode   `json:"further,omitempty"`
}

// sampleCode is a further code of a person's, which counts from now on.
type sampleCode struct {
	CodeType party.CodeType `json:"code_type"`
	Code     string         `json:"code"`
	Evidence string         `json:"evidence"`
	// Instead is the last day of the first code, where this one was given in its place.
	Instead party.Date `json:"instead,omitzero"`
}

func (p samplePerson) code() party.Code { return party.Code{Type: p.CodeType, Value: p.Code} }

// sampleDepartment is a department's system that citizens visit.
type sampleDepartment struct {
	Participant string             `json:"participant"` // its key
	Client      string             `json:"client"`      // the client's name
	Clients     party.Names        `json:"client_names"`
	Scopes      []oidc.Scope       `json:"scopes"`
	Profile     department.Profile `json:"profile"`
}

// Paths of a department's system that are registered with its client.
func (d sampleDepartment) callback(url string) string { return url + department.CallbackPath }

func (d sampleDepartment) loggedOut(url string) string { return url + department.LoggedOutPath }

// names returns the scopes as a client asks for them.
func (d sampleDepartment) names() []string {
	var names []string
	for _, s := range d.Scopes {
		names = append(names, string(s))
	}
	return names
}

// plantLogins makes what logins need: items, people, and the clients of the
// departments' systems.
func (s samples) plantLogins(ctx context.Context, in *install.Installation, byKey map[string]planted, city *city, facts *demoFacts) error {
	for _, i := range s.items {
		if err := i.plant(ctx, in.Library, byKey[i.Owner].actor); err != nil {
			return texts.Refuse("demo.sample", i.Code, err)
		}
	}
	for _, p := range s.people {
		if p.Login != "" {
			if err := p.plant(ctx, in.People); err != nil {
				return texts.Refuse("demo.sample", p.Login, err)
			}
		}
		facts.People = append(facts.People, demoPerson{p.Login, p.Password, p.Name, p.Phone, p.Code})
	}
	if err := s.plantPosts(ctx, in, byKey); err != nil {
		return texts.Refuse("demo.sample", "posts", err)
	}
	for i, d := range s.departments {
		owner := byKey[d.Participant].Participant
		url := city.urls[i]
		c, err := plantClient(ctx, in.Provider, owner, client.Spec{
			Name: d.Client, Names: d.Clients, Scopes: d.Scopes, GrantTypes: []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh, oidc.GrantClientCredentials},
			RedirectURIs: []string{d.callback(url)}, LogoutURIs: []string{d.loggedOut(url)}, HomeURI: url + "/",
			IDTokenAlgorithm: jose.ES256, RequirePAR: true, ServiceItems: []string{d.Profile.Item},
		})
		if err != nil {
			return texts.Refuse("demo.sample", d.Participant, err)
		}
		facts.Clients = append(facts.Clients, c)
		facts.Departments = append(facts.Departments, demoDepartment{owner.Name, url, city.departments[i].Addr().String()})
	}
	return nil
}

// plant defines and publishes an item.
func (i sampleItem) plant(ctx context.Context, r *library.Library, by audit.Actor) error {
	there, err := r.Catalog().Items().Version(ctx, i.Code, 0)
	if e, ok := errors.AsType[*refusal.Error](err); err != nil && !(ok && e.Kind == refusal.KindMissing) {
		return err
	}
	if there.State == entry.Published {
		return nil
	}
	if _, _, err := r.Catalog().Items().Put(ctx, by, i.Code, i.Definition); err != nil {
		return err
	}
	_, err = r.Catalog().Items().Publish(ctx, by, i.Code)
	return err
}

// plant proofs a person and makes their account, with all codes, unless an earlier try did.
func (p samplePerson) plant(ctx context.Context, in *people.People) error {
	_, _, err := in.Register(ctx, identity.Registration{
		Name: p.Name, Code: p.code(), LoginName: p.Login, Phone: p.Phone, Password: p.Password, Actor: install.Operator, RequestID: "demo",
	})
	if err := unless(err, identity.ReasonAccountExists); err != nil || len(p.Further) == 0 {
		return err
	}
	by := registrar.Caller{Actor: install.Operator, RequestID: "demo", Operator: true}
	who, err := in.Registrar.Find(ctx, by, p.code())
	if err != nil {
		return err
	}
	to := registrar.Target{Account: who.Account.ID}
	for _, f := range p.Further {
		_, err := in.Registrar.AddCode(ctx, by, to, registrar.NewCode{Code: party.Code{Type: f.CodeType, Value: f.Code}, Evidence: f.Evidence, First: true})
		if err := unless(err, registrar.ReasonHeld); err != nil {
			return err
		}
		if !f.Instead.IsZero() {
			_, err = in.Registrar.EndCode(ctx, by, to, p.code(), f.Instead, f.Evidence)
			if err := unless(err, registrar.ReasonEnded); err != nil {
				return err
			}
		}
	}
	return nil
}

// unless returns err, or nil if it is a refusal for a reason.
func unless(err error, reason identity.Reason) error {
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == reason {
		return nil
	}
	return err
}

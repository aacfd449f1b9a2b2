package enroll

import (
	"errors"
	"maps"
	"slices"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	clients "yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
)

// revision is what a change may depend on.
type revision struct {
	IfRevision int64 `name:"if-revision" help:"Change it only if its revision, which the JSON of list and show has, is still this one." placeholder:"N"`
}

// check refuses a change of what somebody else changed meanwhile. kind is what it is.
func (r revision) check(now int64, kind, id string) error {
	if r.IfRevision != 0 && r.IfRevision != now {
		return texts.Refuse("change.revision", texts.WordOf("kind", kind), id, now, r.IfRevision)
	}
	return nil
}

// clientInfo is what is shown of a client: no secret, and no hash of one.
type clientInfo struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Names           party.Names       `json:"names,omitempty"`
	Participant     string            `json:"participant"`
	USCC            string            `json:"participant_uscc"`
	ParticipantName string            `json:"participant_name"`
	Disabled        bool              `json:"disabled"`
	Secrets         int               `json:"live_secrets"`
	Scopes          []oidc.Scope      `json:"scopes"`
	GrantTypes      []oidc.GrantType  `json:"grant_types"`
	AuthMethods     []oidc.AuthMethod `json:"auth_methods"`
	RedirectURIs    []string          `json:"redirect_uris,omitempty"`
	LogoutURIs      []string          `json:"post_logout_redirect_uris,omitempty"`
	HomeURI         string            `json:"home_uri,omitempty"`
	Subject         oidc.SubjectType  `json:"subject_type,omitempty"`
	IDTokenAlg      jose.Algorithm    `json:"id_token_signed_response_alg,omitempty"`
	WithoutPKCE     bool              `json:"without_pkce"`
	RequirePAR      bool              `json:"require_pushed_authorization_requests"`
	ServiceItems    []string          `json:"service_items,omitempty"`
	MinAssurance    int               `json:"min_assurance"`
	DefaultMaxAge   *int64            `json:"default_max_age,omitempty"`
	PeopleSources   []string          `json:"people_sources,omitempty"`
	PeopleLevel     int               `json:"people_level,omitempty"`
	Revision        int64             `json:"revision"`
	Created         time.Time         `json:"created"`
	Updated         time.Time         `json:"updated"`
}

func clientInfoOf(c oidc.Client, owner identity.Participant) clientInfo {
	return clientInfo{
		ID: c.ID, Name: c.Name, Names: c.Names, Participant: owner.ID, USCC: string(owner.USCC), ParticipantName: owner.Name, Disabled: c.Disabled,
		Secrets: live(c, time.Now()), Scopes: c.Scopes, GrantTypes: c.GrantTypes, AuthMethods: c.AuthMethods,
		RedirectURIs: c.RedirectURIs, LogoutURIs: c.LogoutURIs, HomeURI: c.HomeURI, Subject: c.Subject, IDTokenAlg: c.IDTokenAlgorithm,
		WithoutPKCE: c.WithoutPKCE, RequirePAR: c.RequirePAR, ServiceItems: c.ServiceItems,
		MinAssurance: int(c.Floor(owner.Class)), DefaultMaxAge: c.DefaultMaxAge, PeopleSources: c.PeopleSources, PeopleLevel: c.PeopleLevel,
		Revision: c.Revision, Created: c.Created, Updated: c.Updated,
	}
}

type clientShowCmd struct {
	install.Settings
	Client string `arg:"" help:"The client's id."`
}

// Run prints the client.
func (c *clientShowCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	client, err := in.Provider.Clients.Client(p.Ctx, c.Client)
	if err != nil {
		return clientError(c.Client, err)
	}
	owner, err := in.Provider.Clients.Participant(p.Ctx, client.Participant)
	if err != nil {
		return err
	}
	return command.PrintPretty(p.Out, clientInfoOf(client, owner))
}

// clientUpdateCmd changes a client. A pointer or list that is nil changes nothing.
type clientUpdateCmd struct {
	install.Settings
	revision
	Client        string            `arg:"" help:"The client's id."`
	Name          *string           `help:"Its new name. People read it when they are asked for consent." placeholder:"NAME"`
	NameIn        map[string]string `name:"name-in" mapsep:"none" help:"Its name in another language than Chinese, by language tag; an empty one takes it away." placeholder:"TAG=NAME"`
	Scope         []string          `help:"All that it may ask for from now on. Several with commas, or the flag again." placeholder:"SCOPE"`
	Grant         []string          `help:"All its grant types." placeholder:"GRANT"`
	RedirectURI   []string          `name:"redirect-uri" sep:"none" help:"All places where people come back to after their login. Several with the flag again." placeholder:"URI"`
	LogoutURI     []string          `name:"logout-uri" sep:"none" help:"All places where people come back to after logging out." placeholder:"URI"`
	HomeURI       *string           `name:"home-uri" help:"Where people begin anew when a login can't go on." placeholder:"URI"`
	ServiceItem   []string          `help:"All service items 事项 for which it may ask for licenses." placeholder:"CODE"`
	IDTokenAlg    *string           `name:"id-token-alg" help:"How ID tokens for it are signed: ES256 or RS256." placeholder:"ALG"`
	PKCE          *bool             `name:"pkce" negatable:"" help:"It uses PKCE, or is a legacy system whose library lacks it."`
	RequirePAR    *bool             `name:"require-par" negatable:"" help:"It must push its authorization requests (RFC 9126), or need not."`
	MinAssurance  *int              `name:"min-assurance" help:"The least assurance of its logins, 0 to 3." placeholder:"N"`
	DefaultMaxAge *int64            `name:"default-max-age" help:"How old a login may be, in seconds, where its requests don't say." placeholder:"SECONDS"`
	PeopleSource  []string          `name:"people-source" help:"All sources of people, see person source, whose people it may see and change by people:write; new people are of the first." placeholder:"SOURCE"`
	PeopleLevel   *int              `name:"people-level" help:"The highest proofing level that it may give by people:write, 1 to 3." placeholder:"N"`
	Clear         []string          `help:"Take away what is set: redirect-uri, logout-uri, home-uri, service-item, min-assurance, default-max-age; people takes away sources and level. Several with commas." enum:"redirect-uri,logout-uri,home-uri,service-item,min-assurance,default-max-age,people" placeholder:"SETTING"`
	JSON          bool              `name:"json" help:"Print JSON."`
}

// Run changes the client.
func (c *clientUpdateCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	client, err := in.Provider.Clients.Client(p.Ctx, c.Client)
	if err != nil {
		return clientError(c.Client, err)
	}
	if err := c.check(client.Revision, "client", client.ID); err != nil {
		return err
	}
	if err := checkItems(p.Ctx, in, c.ServiceItem); err != nil {
		return err
	}
	if err := checkSources(p.Ctx, in, c.PeopleSource); err != nil {
		return err
	}
	spec, err := c.apply(clients.SpecOf(client))
	if err != nil {
		return err
	}
	client, err = in.Provider.Clients.UpdateClient(p.Ctx, in.Actor(), client.ID, client.Revision, spec)
	if errors.Is(err, oidc.ErrConflict) {
		return texts.Refuse("client.changed", c.Client)
	} else if err != nil {
		return err
	}
	owner, err := in.Provider.Clients.Participant(p.Ctx, client.Participant)
	if err != nil {
		return err
	}
	if c.JSON {
		return command.PrintJSON(p.Out, clientInfoOf(client, owner))
	}
	p.Print("client.updated", client.ID, client.Revision, command.Printable(client.Name))
	return nil
}

// apply returns the spec with what the flags change in it.
func (c *clientUpdateCmd) apply(s clients.Spec) (clients.Spec, error) {
	before := s
	given := map[string]bool{
		"redirect-uri": c.RedirectURI != nil, "logout-uri": c.LogoutURI != nil, "home-uri": c.HomeURI != nil,
		"service-item": c.ServiceItem != nil, "min-assurance": c.MinAssurance != nil, "default-max-age": c.DefaultMaxAge != nil, "people": c.PeopleSource != nil || c.PeopleLevel != nil,
	}
	clear := map[string]func(){
		"redirect-uri": func() { s.RedirectURIs = nil }, "logout-uri": func() { s.LogoutURIs = nil }, "home-uri": func() { s.HomeURI = "" },
		"service-item": func() { s.ServiceItems = nil }, "min-assurance": func() { s.MinAssurance = nil }, "default-max-age": func() { s.DefaultMaxAge = nil },
		"people": func() { s.PeopleSources, s.PeopleLevel = nil, 0 },
	}
	for _, name := range c.Clear {
		if given[name] {
			return s, texts.Usage("client.clear", name, name)
		}
		clear[name]()
	}
	set(&s.Name, c.Name)
	s.Names = renamed(s.Names, c.NameIn)
	set(&s.HomeURI, c.HomeURI)
	set((*string)(&s.IDTokenAlgorithm), c.IDTokenAlg)
	set(&s.RequirePAR, c.RequirePAR)
	if c.PKCE != nil {
		s.WithoutPKCE = !*c.PKCE
	}
	s.Scopes = replaced(s.Scopes, c.Scope)
	s.GrantTypes = replaced(s.GrantTypes, c.Grant)
	s.RedirectURIs = replaced(s.RedirectURIs, c.RedirectURI)
	s.LogoutURIs = replaced(s.LogoutURIs, c.LogoutURI)
	s.ServiceItems = replaced(s.ServiceItems, c.ServiceItem)
	s.PeopleSources = replaced(s.PeopleSources, c.PeopleSource)
	set(&s.PeopleLevel, c.PeopleLevel)
	if c.MinAssurance != nil {
		s.MinAssurance = c.MinAssurance
	}
	if c.DefaultMaxAge != nil {
		s.DefaultMaxAge = c.DefaultMaxAge
	}
	if sameSpec(before, s) {
		return s, texts.Usage("change.nothing", "client")
	}
	return s, nil
}

// set sets what was given.
func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

// renamed returns names with those that were given; an empty one is taken away.
func renamed(old party.Names, given map[string]string) party.Names {
	names := party.Names{}
	maps.Copy(names, old)
	maps.Copy(names, given)
	maps.DeleteFunc(names, func(_, name string) bool { return name == "" })
	return names
}

// replaced returns what was given, or else what there was.
func replaced[S ~string](old []S, given []string) []S {
	if given == nil {
		return old
	}
	all := make([]S, 0, len(given))
	for _, g := range given {
		all = append(all, S(g))
	}
	return all
}

// sameSpec reports whether two specs of a client say the same.
func sameSpec(a, b clients.Spec) bool {
	number := func(n *int) int {
		if n == nil {
			return -1
		}
		return *n
	}
	seconds := func(n *int64) int64 {
		if n == nil {
			return -1
		}
		return *n
	}
	return a.Name == b.Name && maps.Equal(a.Names, b.Names) && a.HomeURI == b.HomeURI && a.IDTokenAlgorithm == b.IDTokenAlgorithm &&
		a.RequirePAR == b.RequirePAR && a.WithoutPKCE == b.WithoutPKCE && slices.Equal(a.Scopes, b.Scopes) &&
		slices.Equal(a.GrantTypes, b.GrantTypes) && slices.Equal(a.RedirectURIs, b.RedirectURIs) &&
		slices.Equal(a.LogoutURIs, b.LogoutURIs) && slices.Equal(a.ServiceItems, b.ServiceItems) && slices.Equal(a.PeopleSources, b.PeopleSources) && a.PeopleLevel == b.PeopleLevel &&
		number(a.MinAssurance) == number(b.MinAssurance) && seconds(a.DefaultMaxAge) == seconds(b.DefaultMaxAge)
}

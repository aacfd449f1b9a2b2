package enroll

import (
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
)

// ClientCmd is the verb client.
type ClientCmd struct {
	Add          clientAddCmd     `cmd:"" help:"Register a client, and print its configuration and its secret, once."`
	List         clientListCmd    `cmd:"" help:"List clients."`
	Show         clientShowCmd    `cmd:"" help:"Print what a client is registered with, as JSON. Secrets are not kept, and not shown."`
	Update       clientUpdateCmd  `cmd:"" help:"Change what a client is registered with. What you don't name stays as it is. Its id, participant, secrets and people's subjects never change."`
	RotateSecret clientRotateCmd  `cmd:"" help:"Give a client a new secret, and print it, once."`
	Disable      clientDisableCmd `cmd:"" help:"Refuse a client and its tokens, within 2 seconds everywhere."`
	Enable       clientEnableCmd  `cmd:"" help:"Undo disable."`
}

type clientAddCmd struct {
	install.Settings
	Participant   string            `required:"" help:"The id or code of the participant that it acts for." placeholder:"ID"`
	Name          string            `required:"" help:"Its name. People read it when they are asked for consent." placeholder:"NAME"`
	NameIn        map[string]string `name:"name-in" mapsep:"none" help:"Its name in another language than Chinese, by language tag, for pages in it: en=NAME. Several with the flag again." placeholder:"TAG=NAME"`
	Scope         []string          `required:"" help:"What it may ask for. For its own work: catalog:write, item:write, people:write, or license:issue and license:read. For people's logins: openid, profile, phone, identity, organization, act_as, offline_access. Several with commas, or the flag again." placeholder:"SCOPE"`
	Grant         []string          `help:"Grant types: client_credentials, authorization_code, refresh_token. Without it the last two where there is a redirect URI, else the first." placeholder:"GRANT"`
	RedirectURI   []string          `name:"redirect-uri" sep:"none" help:"Where people come back to after their login, compared as it stands. Several with the flag again." placeholder:"URI"`
	LogoutURI     []string          `name:"logout-uri" sep:"none" help:"Where people come back to after logging out. Several with the flag again." placeholder:"URI"`
	HomeURI       string            `name:"home-uri" help:"Where people begin anew when a login can't go on." placeholder:"URI"`
	ServiceItem   []string          `help:"Service item 事项 for which it may ask for licenses, published or drafted. Several with commas, or the flag again." placeholder:"CODE"`
	IDTokenAlg    string            `name:"id-token-alg" help:"How ID tokens for it are signed: ES256, or RS256 for libraries that know nothing else." default:"ES256" enum:"ES256,RS256"`
	Subject       string            `help:"pairwise: people have a subject of their own at each participant; public: the same everywhere." default:"pairwise" enum:"pairwise,public"`
	Public        bool              `help:"It can't keep a secret, as apps on phones can't: it gets none, and no licenses."`
	WithoutPKCE   bool              `name:"without-pkce" help:"It is a legacy system whose library lacks PKCE. It gets no licenses."`
	RequirePAR    bool              `name:"require-par" help:"It must push its authorization requests (RFC 9126)."`
	MinAssurance  *int              `name:"min-assurance" help:"The least assurance of its logins, whatever it asks for: 1 one factor, 2 two and an identity that was proofed. Without it 2 for a department's client with the scope identity, else 0." placeholder:"N"`
	DefaultMaxAge *int64            `name:"default-max-age" help:"How old a login may be, in seconds, where its requests don't say (max_age)." placeholder:"SECONDS"`
	PeopleSource  []string          `name:"people-source" help:"Source of people, see person source, whose people it may see and change by people:write; new people are of the first. Several with commas, or the flag again." placeholder:"SOURCE"`
	PeopleLevel   int               `name:"people-level" help:"The highest proofing level that it may give by people:write, 1 to 3; that of the source is a bound too." placeholder:"N"`
	JSON          bool              `name:"json" help:"Print JSON."`
}

// Run registers the client.
func (c *clientAddCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	owner, err := in.Participant(p.Ctx, c.Participant)
	if err != nil {
		return err
	}
	if err := checkItems(p.Ctx, in, c.ServiceItem); err != nil {
		return err
	}
	if err := checkSources(p.Ctx, in, c.PeopleSource); err != nil {
		return err
	}
	client, secret, err := in.Provider.Clients.CreateClient(p.Ctx, in.Actor(), c.spec(owner.ID))
	if err != nil {
		return err
	}
	return configOf(in, owner, client, secret).print(p, c.JSON)
}

// checkItems refuses service items that a client can't ask for: nobody would
// notice before its first request.
func checkItems(ctx context.Context, in *install.Installation, codes []string) error {
	for _, code := range codes {
		i, err := in.Library.Catalog().Items().Version(ctx, catalog.ItemCode(code), 0)
		if e, ok := errors.AsType[*refusal.Error](err); ok && e.Kind == refusal.KindMissing {
			return texts.Usage("client.no_item", code)
		} else if err != nil {
			return err
		}
		if i.State == entry.Retired {
			return texts.Usage("client.item_retired", code)
		}
	}
	return nil
}

// checkSources refuses sources of people that there aren't.
func checkSources(ctx context.Context, in *install.Installation, names []string) error {
	for _, name := range names {
		if _, err := in.People.Intake.Source(ctx, name); errors.Is(err, identity.ErrNotFound) {
			return texts.Usage("client.no_source", name)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// spec returns what the flags say.
func (c *clientAddCmd) spec(participant string) client.Spec {
	s := client.Spec{
		Name: c.Name, Names: c.NameIn, Participant: participant, RedirectURIs: c.RedirectURI, LogoutURIs: c.LogoutURI, HomeURI: c.HomeURI,
		ServiceItems: c.ServiceItem, WithoutPKCE: c.WithoutPKCE, RequirePAR: c.RequirePAR,
		MinAssurance: c.MinAssurance, DefaultMaxAge: c.DefaultMaxAge, PeopleSources: c.PeopleSource, PeopleLevel: c.PeopleLevel,
	}
	for _, scope := range c.Scope {
		s.Scopes = append(s.Scopes, oidc.Scope(scope))
	}
	for _, g := range c.Grant {
		s.GrantTypes = append(s.GrantTypes, oidc.GrantType(g))
	}
	if len(s.GrantTypes) == 0 && len(c.RedirectURI) > 0 {
		s.GrantTypes = []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh}
	}
	if slices.Contains(s.GrantTypes, oidc.GrantCode) {
		s.IDTokenAlgorithm, s.Subject = jose.Algorithm(c.IDTokenAlg), oidc.SubjectType(c.Subject)
	}
	if c.Public {
		s.AuthMethods = []oidc.AuthMethod{oidc.AuthNone}
	}
	return s
}

type clientListCmd struct {
	install.Settings
	Participant string `help:"Only those of this participant: its id or code." placeholder:"ID"`
	JSON        bool   `name:"json" help:"Print JSON, an object a line."`
}

// Run lists the clients.
func (c *clientListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	owner := ""
	if c.Participant != "" {
		n, err := in.Participant(p.Ctx, c.Participant)
		if err != nil {
			return err
		}
		owner = n.ID
	}
	names := in.Owners()
	t := p.Listing(c.JSON, "id", "name", "participant", "participant_name", "state", "secrets", "scopes")
	return command.Pages(t, func(last oidc.Client) ([]oidc.Client, error) {
		return in.Provider.Clients.ListClients(p.Ctx, owner, last.ID, command.PageSize)
	}, func(cl oidc.Client) error {
		n, err := names.Of(p.Ctx, cl.Participant)
		if err != nil {
			return err
		}
		return t.Record(clientInfoOf(cl, n), cl.ID, command.Printable(cl.Name), n.USCC, command.Printable(n.Name), enabled(cl.Disabled),
			live(cl, time.Now()), oidc.JoinScopes(cl.Scopes))
	})
}

// live returns how many of a client's secrets are good now.
func live(c oidc.Client, now time.Time) int {
	n := 0
	for _, s := range c.Secrets {
		if s.Expires.IsZero() || now.Before(s.Expires) {
			n++
		}
	}
	return n
}

type clientRotateCmd struct {
	install.Settings
	Client  string        `arg:"" help:"The client's id."`
	Overlap time.Duration `help:"How long the old secret goes on, up to 720h." default:"24h"`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// Run rotates the secret.
func (c *clientRotateCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	client, secret, err := in.Provider.Clients.RotateSecret(p.Ctx, in.Actor(), c.Client, c.Overlap)
	if err != nil {
		return clientError(c.Client, err)
	}
	owner, err := in.Participant(p.Ctx, client.Participant)
	if err != nil {
		return err
	}
	return configOf(in, owner, client, secret).print(p, c.JSON)
}

type clientDisableCmd struct {
	install.Settings
	Client string `arg:"" help:"The client's id."`
}

// Run disables the client.
func (c *clientDisableCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Provider.Clients.DisableClient(p.Ctx, in.Actor(), c.Client); err != nil {
		return clientError(c.Client, err)
	}
	p.Print("client.disabled", c.Client)
	return nil
}

type clientEnableCmd struct {
	install.Settings
	Client string `arg:"" help:"The client's id."`
}

// Run enables the client.
func (c *clientEnableCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Provider.Clients.EnableClient(p.Ctx, in.Actor(), c.Client); err != nil {
		return clientError(c.Client, err)
	}
	p.Print("client.enabled", c.Client)
	return nil
}

// clientError says what to do about a client that isn't there.
func clientError(id string, err error) error {
	if errors.Is(err, oidc.ErrNotFound) {
		return texts.Refuse("client.unknown", id)
	}
	return err
}

package main

import (
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc"
)

type clientCmd struct {
	Add          clientAddCmd     `cmd:"" help:"Register a client, and print its configuration and its secret, once."`
	List         clientListCmd    `cmd:"" help:"List clients."`
	RotateSecret clientRotateCmd  `cmd:"" help:"Give a client a new secret, and print it, once."`
	Disable      clientDisableCmd `cmd:"" help:"Refuse a client and its tokens, within 2 seconds everywhere."`
	Enable       clientEnableCmd  `cmd:"" help:"Undo disable."`
}

type clientAddCmd struct {
	settings
	Participant string   `required:"" help:"The id or code of the participant that it acts for." placeholder:"ID"`
	Name        string   `required:"" help:"Its name." placeholder:"NAME"`
	Scope       []string `required:"" help:"What it may do: catalog:write, or license:issue and license:read. Several with commas, or the flag again." placeholder:"SCOPE"`
	JSON        bool     `name:"json" help:"Print JSON."`
}

// credentials are what a client is configured with.
type credentials struct {
	Issuer        string       `json:"issuer"`
	TokenEndpoint string       `json:"token_endpoint"`
	ClientID      string       `json:"client_id"`
	ClientSecret  string       `json:"client_secret"`
	Scopes        []oidc.Scope `json:"scopes"`
}

// Run registers the client.
func (c *clientAddCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	owner, err := in.participant(p.ctx, c.Participant)
	if err != nil {
		return err
	}
	spec := oidc.ClientSpec{Name: c.Name, Participant: owner.ID}
	for _, s := range c.Scope {
		spec.Scopes = append(spec.Scopes, oidc.Scope(s))
	}
	client, secret, err := in.provider.CreateClient(p.ctx, oidc.Actor{ID: operator}, spec)
	if err != nil {
		return err
	}
	return in.credentials(client, secret).print(p, c.JSON)
}

func (in *installation) credentials(c oidc.Client, secret oidc.Secret) credentials {
	return credentials{in.url, in.url + "/oauth/token", c.ID, secret.Reveal(), c.Scopes}
}

// print shows the configuration: the one time that the secret is seen.
func (c credentials) print(p *process, asJSON bool) error {
	if asJSON {
		return printJSON(p.out, c)
	}
	_, err := fmt.Fprintf(p.out, `issuer          %s
token_endpoint  %s
client_id       %s
client_secret   %s
scope           %s

The secret is shown this once, and kept nowhere. Try it:

  curl -u '%s:%s' -d grant_type=client_credentials %s
`, c.Issuer, c.TokenEndpoint, c.ClientID, c.ClientSecret, oidc.JoinScopes(c.Scopes), c.ClientID, c.ClientSecret, c.TokenEndpoint)
	return err
}

type clientListCmd struct {
	settings
	Participant string `help:"Only those of this participant: its id or code." placeholder:"ID"`
}

// Run lists the clients.
func (c *clientListCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	owner := ""
	if c.Participant != "" {
		n, err := in.participant(p.ctx, c.Participant)
		if err != nil {
			return err
		}
		owner = n.ID
	}
	t := newTable(p.out, "ID", "PARTICIPANT", "STATE", "SECRETS", "SCOPES", "NAME")
	for after := ""; ; {
		clients, err := in.provider.ListClients(p.ctx, owner, after, page)
		if err != nil {
			return err
		}
		for _, cl := range clients {
			t.row(cl.ID, cl.Participant, enabled(cl.Disabled), live(cl, time.Now()), oidc.JoinScopes(cl.Scopes), printable(cl.Name))
			after = cl.ID
		}
		if len(clients) < page {
			return t.Flush()
		}
	}
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
	settings
	Client  string        `arg:"" help:"The client's id."`
	Overlap time.Duration `help:"How long the old secret goes on, up to 720h." default:"24h"`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// Run rotates the secret.
func (c *clientRotateCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	client, secret, err := in.provider.RotateSecret(p.ctx, oidc.Actor{ID: operator}, c.Client, c.Overlap)
	if err != nil {
		return clientError(c.Client, err)
	}
	return in.credentials(client, secret).print(p, c.JSON)
}

type clientDisableCmd struct {
	settings
	Client string `arg:"" help:"The client's id."`
}

// Run disables the client.
func (c *clientDisableCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	if _, err := in.provider.DisableClient(p.ctx, oidc.Actor{ID: operator}, c.Client); err != nil {
		return clientError(c.Client, err)
	}
	fmt.Fprintf(p.out, "client %s is disabled\n", c.Client)
	return nil
}

type clientEnableCmd struct {
	settings
	Client string `arg:"" help:"The client's id."`
}

// Run enables the client.
func (c *clientEnableCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	if _, err := in.provider.EnableClient(p.ctx, oidc.Actor{ID: operator}, c.Client); err != nil {
		return clientError(c.Client, err)
	}
	fmt.Fprintf(p.out, "client %s is enabled\n", c.Client)
	return nil
}

// clientError says what to do about a client that isn't there.
func clientError(id string, err error) error {
	if errors.Is(err, oidc.ErrNotFound) {
		return fmt.Errorf("no client has the id %.40q; yizheng client list shows them all", id)
	}
	return err
}

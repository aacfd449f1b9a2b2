package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
)

// demoCmd has no settings: a demo must never begin in a directory that the
// environment names for the real service.
type demoCmd struct {
	Listen        string   `help:"Address to listen on; port 0 takes a free one. On loopback it is called localhost, and the departments 127.0.0.1, so that they are different sites." default:"localhost:8080"`
	AdminListen   string   `help:"Address of the admin listener." default:"127.0.0.1:0"`
	PublicURL     string   `name:"public-url" help:"Public URL of the service, if a proxy shows the demo elsewhere." placeholder:"URL"`
	DepartmentURL []string `name:"department-url" help:"Likewise of the departments, in their order: the flag once for each." sep:"none" placeholder:"URL"`
	Data          string   `help:"Directory to keep; one of an earlier demo is gone on with. Without it a new one, removed at the end." placeholder:"DIR"`
	JSON          bool     `name:"json" help:"Print one line of JSON when ready, instead of a tour."`
	LogLevel      string   `help:"Least level that is logged: debug, info, warn, error." default:"error" enum:"debug,info,warn,error"`

	// For measuring: with other servers, and behind what names the clients' addresses.
	DatabaseURL  string   `name:"database-url" hidden:"" help:"An empty database, as of serve." placeholder:"URL"`
	RedisURL     string   `name:"redis-url" hidden:"" help:"As of serve." placeholder:"URL"`
	TrustedProxy []string `hidden:"" help:"As of serve." placeholder:"CIDR"`
	LoadClient   bool     `hidden:"" help:"Register a client for yizheng-load."`
}

// demoFacts are what a visitor, or a program, needs to use the demo: what
// --json prints.
type demoFacts struct {
	Issuer      string           `json:"issuer"`
	Clients     []demoClient     `json:"clients"`
	Licenses    []demoLicense    `json:"licenses"`
	People      []demoPerson     `json:"people"`
	Departments []demoDepartment `json:"departments"`
	MessagesURL string           `json:"messages_url"`
}

type demoClient struct {
	ClientID     string       `json:"client_id"`
	ClientSecret string       `json:"client_secret"`
	Participant  string       `json:"participant"`
	Scopes       []oidc.Scope `json:"scopes"`
	RedirectURIs []string     `json:"redirect_uris"`
}

type demoLicense struct {
	ID               license.ID         `json:"id"`
	Identifier       license.Identifier `json:"identifier"`
	VerificationCode string             `json:"verification_code"`
	TypeCode         license.TypeCode   `json:"type_code"`
}

type demoPerson struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	Name     string `json:"name"`
	Phone    string `json:"phone"`
}

type demoDepartment struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Listen string `json:"listen"`
}

const (
	demoFile     = "demo.json"          // in the data directory: the facts, once all samples are there
	demoMark     = "demo.unfinished"    // there from before the first sample until then
	demoRegistry = "青禾市电子证照库（样例）"       // in the demo's certificates
	demoCode     = "11990000000010014J" // that of the samples' province
)

// Run runs the service with the samples, and the city around it, until a signal
// ends it.
func (c *demoCmd) Run(p *process) (err error) {
	serve := serveCmd{
		settings:  settings{Data: c.Data, DatabaseURL: c.DatabaseURL, PublicURL: c.PublicURL, RegistryName: demoRegistry, RegistryUSCC: demoCode},
		ephemeral: ephemeral{RedisURL: c.RedisURL},
		listening: listening{Listen: onLocalhost(c.Listen), AdminListen: c.AdminListen, TrustedProxy: c.TrustedProxy, LogLevel: c.LogLevel, Migrate: "auto"},
	}
	if c.Data == "" {
		if serve.Data, err = os.MkdirTemp("", "yizheng-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(serve.Data)) }()
	}
	if err := claim(serve.Data); err != nil {
		return err
	}
	samples, err := loadSamples()
	if err != nil {
		return err
	}
	box := newMessageBox()
	s, err := serve.start(p.ctx, serve.logger(p), outside{sender: box, proofer: populationRegister{samples.people}})
	if err != nil {
		return err
	}
	facts, err := c.settle(p.ctx, s, samples, box)
	if err == nil && c.LoadClient {
		err = facts.addLoadClient(p.ctx, s.in)
	}
	if err != nil {
		return errors.Join(err, s.close())
	}
	return s.run(p.ctx, func() error {
		if c.JSON {
			return facts.print(p)
		}
		return facts.tour(p, s.in, c.Data != "")
	})
}

// onLocalhost calls a loopback address by its name. Cookies don't know ports, so
// provider and departments are different sites only under different names.
func onLocalhost(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !loopbackHost(host) {
		return address
	}
	return net.JoinHostPort(localhost, port)
}

// settle makes the samples and the city around the service.
func (c *demoCmd) settle(ctx context.Context, s *service, samples samples, box *messageBox) (demoFacts, error) {
	earlier, err := earlierFacts(s.in.settings.Data)
	if err != nil {
		return earlier, err
	}
	city, err := openCity(ctx, s, samples, earlier)
	if err != nil {
		return earlier, err
	}
	if err := city.name(c.DepartmentURL); err != nil {
		return earlier, err
	}
	facts, err := demoSamples(ctx, s.in, samples, city, earlier)
	if err != nil {
		return facts, err
	}
	return facts, city.open(facts, samples, box)
}

// claim marks a new directory as a demo's, and refuses one that holds
// something else: nobody's registry shall fill with samples.
func claim(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == demoFile || e.Name() == demoMark {
			return nil
		}
	}
	if len(entries) > 0 {
		return refuse("demo.not_empty", dir)
	}
	return os.WriteFile(filepath.Join(dir, demoMark), nil, 0o600)
}

// earlierFacts returns the facts of an earlier demo that made all its samples,
// or none.
func earlierFacts(dir string) (facts demoFacts, err error) {
	path := filepath.Join(dir, demoFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return facts, nil
	} else if err != nil {
		return facts, err
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		return facts, refuse("usage.of", path, err)
	}
	return facts, nil
}

// demoSamples returns the facts of an earlier demo, or makes the samples.
func demoSamples(ctx context.Context, in *installation, samples samples, city *city, earlier demoFacts) (demoFacts, error) {
	if earlier.Issuer != "" {
		return earlier, nil
	}
	ca, err := in.openRoot(ctx, root{})
	if err != nil {
		return demoFacts{}, err
	}
	facts, err := samples.plant(ctx, in, ca, city)
	if err != nil {
		return facts, err
	}
	text, err := json.Marshal(facts)
	if err != nil {
		return facts, err
	}
	// It holds secrets, of made-up clients and people: so that the next demo shows the same.
	if err := os.WriteFile(filepath.Join(in.settings.Data, demoFile), text, 0o600); err != nil {
		return facts, err
	}
	return facts, os.Remove(filepath.Join(in.settings.Data, demoMark))
}

// print prints the facts as one line of JSON.
func (f demoFacts) print(p *process) error {
	line, err := json.Marshal(f, jsontext.Multiline(false))
	if err != nil {
		return err
	}
	_, err = p.out.Write(append(line, '\n'))
	return err
}

// Package demo is the service with made-up samples and a city around it: participants, types
// and licenses, people whose text messages are shown on a page, a population register that
// knows them, and the systems of two departments. Programs built with the tag nodemo have
// none of it.
package demo

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/serve"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// Config says where the demo is, and how it is seen.
type Config struct {
	Listen        string
	AdminListen   string
	PublicURL     string
	DepartmentURL []string
	Data          string
	JSON          bool
	LogLevel      string
	DatabaseURL   string
	RedisURL      string
	TrustedProxy  []string
	Certificates  string
	LoadClient    bool
}

// demoNetworks are where the demo's people sit.
var demoNetworks = []string{"127.0.0.0/8=青禾市市民中心一楼大厅（样例）", "::1/128=青禾市市民中心一楼大厅（样例）"}

// Run runs the service with the samples, and the city around it, until a signal
// ends it.
func Run(p *command.Process, c Config) (err error) {
	config := serve.Config{
		Settings:  install.Settings{Data: c.Data, DatabaseURL: c.DatabaseURL, PublicURL: c.PublicURL, RegistryName: demoRegistry, RegistryUSCC: demoCode},
		Ephemeral: install.Ephemeral{RedisURL: c.RedisURL},
		Listening: serve.Listening{Listen: onLocalhost(c.Listen), AdminListen: c.AdminListen, TrustedProxy: c.TrustedProxy, Network: demoNetworks, LogLevel: c.LogLevel, Migrate: "auto"},
		Unknown:   p.Unknown,

		Certificates: install.Certificates{Certificates: c.Certificates},
	}
	if c.Data == "" {
		if config.Data, err = os.MkdirTemp("", "yizheng-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(config.Data)) }()
	}
	if err := claim(config.Data); err != nil {
		return err
	}
	samples, err := loadSamples()
	if err != nil {
		return err
	}
	box := newMessageBox()
	config.Log, config.Outside = config.Logger(p), install.Outside{Sender: box, Proofer: populationRegister{samples.people}, Believed: samples.proving, Lawful: samples.lawful}
	n, err := c.neighbours(p.Ctx, &config, samples)
	if err != nil {
		return err
	}
	s, err := serve.Start(p.Ctx, config)
	if err != nil {
		return errors.Join(err, n.close())
	}
	facts, err := c.settle(p.Ctx, s, samples, box)
	if err == nil && c.LoadClient {
		err = facts.addLoadClient(p.Ctx, s.In)
	}
	if err == nil && n != nil {
		err = n.open(s, samples) // after the city, which finds its own by their places
	}
	if err != nil {
		return errors.Join(err, n.close(), s.Close())
	}
	return s.Run(p.Ctx, func() error {
		if c.JSON {
			return facts.print(p)
		}
		return facts.tour(p, s.In, c.Data != "")
	})
}

// onLocalhost calls a loopback address by its name. Cookies don't know ports, so
// provider and departments are different sites only under different names.
func onLocalhost(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !install.LoopbackHost(host) {
		return address
	}
	return net.JoinHostPort(install.Localhost, port)
}

// settle makes the samples and the city around the service.
func (c Config) settle(ctx context.Context, s *serve.Service, samples samples, box *messageBox) (demoFacts, error) {
	earlier, err := earlierFacts(s.In.Settings.Data)
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
	facts, err := demoSamples(ctx, s.In, samples, city, earlier)
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
		return texts.Refuse("demo.not_empty", dir)
	}
	return os.WriteFile(filepath.Join(dir, demoMark), nil, 0o600)
}

// demoSamples returns the facts of an earlier demo, or makes the samples.
func demoSamples(ctx context.Context, in *install.Installation, samples samples, city *city, earlier demoFacts) (demoFacts, error) {
	if earlier.Issuer != "" {
		return earlier, nil
	}
	ca, err := in.OpenRoot(ctx, install.RootStore{})
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
	if err := os.WriteFile(filepath.Join(in.Settings.Data, demoFile), text, 0o600); err != nil {
		return facts, err
	}
	return facts, os.Remove(filepath.Join(in.Settings.Data, demoMark))
}

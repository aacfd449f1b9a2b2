// Package serve runs an installation as a service: it binds the addresses, opens or makes
// the installation, joins it with the API, and serves until it is told to stop. It watches
// what a node has to watch meanwhile: clock, memory, the store that other nodes use, and what
// the database lost.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/library"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/storage"
)

// Config says what is served, where, and with what of the world outside.
type Config struct {
	install.Settings
	install.Ephemeral
	Listening
	Keeping
	CertificateProxy
	install.Certificates
	Outside install.Outside
	Unknown []string // variables of the environment that no setting has, to warn of
	Log     *slog.Logger
}

// Service is an installation that is served.
type Service struct {
	In            *install.Installation
	Public, admin net.Listener
	public6       net.Listener // the other address of localhost; nil: there is none
	api           *api.Server
	watch         *keptWatch
	seen          *highwater.Watch
	drain         time.Duration // from a signal until no new request is taken
	Beside        []Site        // what else runs in this process: the demo's neighbours
	Log           *slog.Logger
	activity      *api.Activity // counts the events that are stored
}

// Where returns the public URL, and the addresses of both listeners.
func (s *Service) Where() (url string, public, admin net.Addr) {
	return s.In.URL, s.Public.Addr(), s.admin.Addr()
}

// Refusing reports whether all requests are refused, as the database lost something.
func (s *Service) Refusing() bool { return s.seen.Refusal() != nil }

// Site is what one listener serves.
type Site struct {
	Listener net.Listener
	Handler  http.Handler
}

// Start binds the addresses, opens the installation, which the first start
// makes, and joins it with the API. The caller runs the service, or closes it.
func Start(ctx context.Context, c Config) (*Service, error) {
	sparing()
	slog.SetDefault(slog.New(libraryLog{c.Log.Handler()})) // libraries that log by themselves do it there
	s := &Service{Log: c.Log, drain: c.Drain}
	if err := c.prepare(ctx, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// libraryLog leaves out what zitadel/oidc logs of each request that is refused:
// the service has said it already, with its cause, and not once a request.
type libraryLog struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h libraryLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "request error" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// prepare fills a service in. What it opened before an error is the caller's
// to close.
func (c *Config) prepare(ctx context.Context, s *Service) error {
	if _, err := c.terms(); err != nil {
		return err
	}
	proxies, channel, err := c.places()
	if err != nil {
		return err
	}
	if c.SecurityContact != "" {
		if err := api.CheckSecurityContact(c.SecurityContact); err != nil {
			return texts.Usage("usage.of", "--security-contact", err)
		}
	}
	// The addresses first: nothing is made for a service that can't run. Who
	// connects now waits until it does.
	if s.Public, s.public6, err = listenPublic(ctx, c.Listen); err != nil {
		return err
	}
	if s.admin, err = listen(ctx, "--admin-listen", c.AdminListen); err != nil {
		return err
	}
	url, err := c.PublicURLAt(c.Listen, s.Public.Addr())
	if err != nil {
		return err
	}
	c.warn(s.admin.Addr())
	if err := c.install(ctx, s, url); err != nil {
		return err
	}
	s.In.Outside = c.Outside
	err = s.In.Join(ctx, url)
	if stored, ok := errors.AsType[*library.PublicURLError](err); ok && c.PublicURL == "" {
		return texts.Refuse("serve.elsewhere", err, stored.Stored)
	} else if err != nil {
		return err
	}
	if err := s.In.Upgrade(ctx); err != nil {
		return err
	}
	if err := s.remind(ctx); err != nil {
		return err
	}
	if err := s.lookBack(ctx); err != nil {
		return err
	}
	s.watch = newKeptWatch(s.In.Kept, s.In.DB.Licenses(), s.Log)
	s.api, err = api.New(api.Config{
		Issuer: url, Library: s.In.Library, Provider: s.In.Provider, Keyrings: s.In.Keys.Keyrings(),
		Identity: s.In.People.Service, Factors: s.In.People.Factors, Phones: s.In.People.Phones != nil, Upstreams: s.In.People.Upstreams, Certificates: s.In.People.Certificates, Authenticators: s.In.People.Authenticators, Tickets: s.In.People.Tickets, Entry: s.In.People.Entry, Trail: s.In.People.Trail, Officers: s.In.People.Officers, Acting: s.In.People.Acting, Registrar: s.In.People.Registrar,
		Anchors: s.In.Keys.Anchors(), Lists: s.In.DB.Keys(), Verifier: s.In.Verifier, Ready: s.ready, LoginsReady: s.In.Kept.Probe, Refusal: s.seen.Refusal,
		Kept:           api.KeptState{Condition: s.In.Kept.Condition, Foreign: s.watch.foreign.Load},
		Gauges:         append(s.gauges(), s.lossGauges()...),
		GaugeSets:      s.keyGauges(),
		Activity:       s.activity,
		TrustedProxies: proxies, ClientCertificates: channel, SecurityContact: c.SecurityContact,
		Log: s.Log, Step: s.In.Step,
	})
	return err
}

// places reads what is set of addresses: the networks that have a name, and the proxies, with what one says of certificates.
func (c *Config) places() (proxies []netip.Prefix, channel api.ClientCertificates, err error) {
	if c.Outside.Networks, err = c.networks(); err != nil {
		return nil, channel, err
	}
	if c.Outside.Authorities, err = c.Authorities(); err != nil {
		return nil, channel, err
	}
	if channel, err = c.channel(len(c.Outside.Authorities) > 0); err != nil {
		return nil, channel, err
	}
	proxies, err = c.proxies()
	return proxies, channel, err
}

// remind says what an update left to the operator.
func (s *Service) remind(ctx context.Context) error {
	folded, err := s.In.Library.Lookups.NumbersFolded(ctx)
	if err == nil && !folded {
		s.Log.Warn("licenses of an older version are compared by their numbers only as they are written: run yizheng key rehash, once every node runs this version")
	}
	if err != nil {
		return err
	}
	unused, err := s.In.Library.Offers.Unused(ctx)
	if err != nil {
		return err
	}
	for _, l := range unused {
		s.Log.Warn("a legal basis of --legal-basis has no effect: the published version of its item is another one, or says another text", "item", l.Item, "version", l.Version)
	}
	found, err := s.In.Library.Relations.Examine(ctx)
	for _, f := range found {
		s.Log.Warn("licenses of a type of --proving-types can't prove what they should: see doctor", "type", f.Type, "trouble", f.Trouble)
	}
	return err
}

// warn logs what is odd about the settings.
func (c *Config) warn(admin net.Addr) {
	if host, _, _ := net.SplitHostPort(admin.String()); !install.LoopbackHost(host) {
		c.Log.Warn("the admin listener can be reached from other machines, and asks nobody who they are: keep the network closed", "admin", admin.String())
	}
	if len(c.Unknown) > 0 {
		c.Log.Warn("variables in the environment that no setting has", "names", c.Unknown)
	}
}

// install opens the installation that is to be served: the database, brought
// up to date, and the keys.
func (c *Config) install(ctx context.Context, s *Service, url string) error {
	// SQLite's file lies in it by default, so it must be there first.
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	terms, err := c.terms()
	if err != nil {
		return err
	}
	if s.In, err = c.OpenStorage(ctx, storage.Options{Log: c.Log, Step: failpoint(), Terms: terms}); err != nil {
		return err
	}
	s.In.URL = url
	s.counted()
	return c.furnish(ctx, s.In)
}

// furnish brings the schema up to date and opens or makes the keys.
func (c *Config) furnish(ctx context.Context, in *install.Installation) error {
	if err := in.OpenEphemeral(ctx, c.RedisURL, true); err != nil {
		return err
	}
	if err := sound(ctx, in); err != nil {
		return err
	}
	if c.Migrate == "auto" {
		if _, err := in.DB.Admin().Migrate(ctx); err != nil {
			return err
		}
	} else if err := in.CheckSchema(ctx); err != nil {
		return err
	}
	if err := in.OpenKeys(ctx); err != nil {
		return err
	}
	if _, code, err := c.Registry(); err == nil && code == install.PlaceholderUSCC {
		in.Log.Warn("the registry's certificates carry a placeholder name and code. For production, start a NEW data directory with "+
			"--registry-name and --registry-uscc: the root certificate can't be changed later", "uscc", install.PlaceholderUSCC)
	}
	return nil
}

// ready says whether requests can be served: the database takes writes, and
// the keys that every request needs are here.
func (s *Service) ready(ctx context.Context) error {
	if err := s.In.DB.Admin().Ping(ctx, true); err != nil {
		return err
	}
	if err := s.In.Clock.Ready(); err != nil {
		return err
	}
	for _, p := range []signing.Purpose{signing.PurposeAccessToken, signing.PurposeIDToken, signing.PurposeIDTokenRSA, signing.PurposeStatus} {
		k, err := s.In.Keys.Keyrings().Active(ctx, p, "")
		if err != nil {
			return err
		}
		if k.Signer == nil {
			return texts.Refuse("serve.key", k.ID)
		}
	}
	return nil
}

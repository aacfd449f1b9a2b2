package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/license"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/storage"
)

type serveCmd struct {
	settings
	ephemeral
	messaging
	listening
	keeping
}

// Run runs the service until a signal ends it.
func (c *serveCmd) Run(p *process) error {
	log := c.logger(p)
	sender, err := c.sender()
	if err != nil {
		return err
	}
	if sender == nil {
		log.Warn("no SMS gateway is set (--sms-url): nobody gets a code, so there is no second factor, and no license is released in a login")
	}
	s, err := c.start(p.ctx, log, outside{sender: sender})
	if err != nil {
		return err
	}
	return s.run(p.ctx, func() error {
		key := "serve.ready"
		if s.seen.Refusal() != nil {
			key = "serve.refusing"
		}
		_, err := fmt.Fprintln(p.out, p.words.say(key, s.in.url, s.public.Addr(), s.admin.Addr()))
		return err
	})
}

// service is an installation that is served.
type service struct {
	in            *installation
	public, admin net.Listener
	public6       net.Listener // the other address of localhost; nil: there is none
	api           *api.Server
	watch         *keptWatch
	seen          *highwater.Watch
	drain         time.Duration // from a signal until no new request is taken
	beside        []site        // what else runs in this process: the demo's neighbours
	log           *slog.Logger
}

// site is what one listener serves.
type site struct {
	listener net.Listener
	handler  http.Handler
}

// start binds the addresses, opens the installation, which the first start
// makes, and joins it with the API. The caller runs the service, or closes it.
func (c *serveCmd) start(ctx context.Context, log *slog.Logger, o outside) (*service, error) {
	sparing()
	slog.SetDefault(slog.New(libraryLog{log.Handler()})) // libraries that log by themselves do it there
	s := &service{log: log, drain: c.Drain}
	if err := c.prepare(ctx, s, o); err != nil {
		return nil, errors.Join(err, s.close())
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
func (c *serveCmd) prepare(ctx context.Context, s *service, o outside) error {
	if _, err := c.terms(); err != nil {
		return err
	}
	proxies, err := c.proxies()
	if err != nil {
		return err
	}
	if c.SecurityContact != "" {
		if err := api.CheckSecurityContact(c.SecurityContact); err != nil {
			return usage("usage.of", "--security-contact", err)
		}
	}
	// The addresses first: nothing is made for a service that can't run. Who
	// connects now waits until it does.
	if s.public, s.public6, err = listenPublic(ctx, c.Listen); err != nil {
		return err
	}
	if s.admin, err = listen(ctx, "--admin-listen", c.AdminListen); err != nil {
		return err
	}
	url, err := c.publicURL(c.Listen, s.public.Addr())
	if err != nil {
		return err
	}
	c.warn(s.log, s.admin.Addr())
	if s.in, err = c.install(ctx, s.log, url); err != nil {
		return err
	}
	s.in.outside = o
	err = s.in.join(ctx, url)
	if stored, ok := errors.AsType[*license.PublicURLError](err); ok && c.PublicURL == "" {
		return refuse("serve.elsewhere", err, stored.Stored)
	} else if err != nil {
		return err
	}
	if err := s.in.upgrade(ctx); err != nil {
		return err
	}
	if err := s.remind(ctx); err != nil {
		return err
	}
	if err := s.lookBack(ctx); err != nil {
		return err
	}
	s.watch = newKeptWatch(s.in.kept, s.in.db.Licenses(), s.log)
	s.api, err = api.New(api.Config{
		Issuer: url, Registry: s.in.registry, Provider: s.in.provider, Keyrings: s.in.keys.Keyrings(),
		Identity: s.in.people, Ephemeral: s.in.kept,
		Anchors: s.in.keys.Anchors(), Lists: s.in.db.Keys(), Verifier: s.in.verifier, Ready: s.in.ready, LoginsReady: s.in.kept.Probe, Refusal: s.seen.Refusal,
		Kept:           api.KeptState{Condition: s.in.kept.Condition, Foreign: s.watch.foreign.Load},
		Gauges:         append(s.in.gauges(), s.gauges()...),
		GaugeSets:      s.in.keyGauges(),
		Activity:       s.in.activity,
		TrustedProxies: proxies, SecurityContact: c.SecurityContact,
		Log: s.log, Step: s.in.step,
	})
	return err
}

// remind says what an update left to the operator.
func (s *service) remind(ctx context.Context) error {
	folded, err := s.in.registry.NumbersFolded(ctx)
	if err == nil && !folded {
		s.log.Warn("licenses of an older version are compared by their numbers only as they are written: run yizheng key rehash, once every node runs this version")
	}
	return err
}

// listenPublic binds the public address. Under the name localhost that is both
// of the loopback's, as far as the machine has them: browsers try them in turn,
// and nobody else shall answer at one.
func listenPublic(ctx context.Context, address string) (l, l6 net.Listener, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !strings.EqualFold(host, localhost) {
		l, err = listen(ctx, "--listen", address)
		return l, nil, err
	}
	for range 10 {
		if l, err = listen(ctx, "--listen", net.JoinHostPort("127.0.0.1", port)); err != nil {
			return nil, nil, err
		}
		_, taken, _ := net.SplitHostPort(l.Addr().String())
		l6, err = listen(ctx, "--listen", net.JoinHostPort("::1", taken))
		if err == nil {
			return l, l6, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) { // there is no IPv6
			return l, nil, nil
		}
		if err := errors.Join(err, l.Close()); port != "0" {
			return nil, nil, err
		}
	}
	return nil, nil, err
}

const localhost = "localhost"

// listen binds an address. The error says which setting to change.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, refuse("serve.listen", err, flag)
	}
	return l, nil
}

// warn logs what is odd about the settings.
func (c *serveCmd) warn(log *slog.Logger, admin net.Addr) {
	if host, _, _ := net.SplitHostPort(admin.String()); !loopbackHost(host) {
		log.Warn("the admin listener can be reached from other machines, and asks nobody who they are: keep the network closed", "admin", admin.String())
	}
	if unknown := unknownVariables(os.Environ()); len(unknown) > 0 {
		log.Warn("variables in the environment that no setting has", "names", unknown)
	}
}

// install opens the installation that is to be served: the database, brought
// up to date, and the keys.
func (c *serveCmd) install(ctx context.Context, log *slog.Logger, url string) (*installation, error) {
	// SQLite's file lies in it by default, so it must be there first.
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	terms, err := c.terms()
	if err != nil {
		return nil, err
	}
	in, err := c.openStorage(ctx, storage.Options{Log: log, Step: failpoint(), Terms: terms})
	if err != nil {
		return nil, err
	}
	in.url = url
	in.counted()
	if err := c.furnish(ctx, in); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// furnish brings the schema up to date and opens or makes the keys.
func (c *serveCmd) furnish(ctx context.Context, in *installation) error {
	if err := in.openEphemeral(ctx, c.RedisURL, true); err != nil {
		return err
	}
	if err := in.sound(ctx); err != nil {
		return err
	}
	if c.Migrate == "auto" {
		if _, err := in.db.Admin().Migrate(ctx); err != nil {
			return err
		}
	} else if err := in.checkSchema(ctx); err != nil {
		return err
	}
	if err := in.openKeys(ctx); err != nil {
		return err
	}
	if _, code, err := c.registry(); err == nil && code == placeholderUSCC {
		in.log.Warn("the registry's certificates carry a placeholder name and code. For production, start a NEW data directory with "+
			"--registry-name and --registry-uscc: the root certificate can't be changed later", "uscc", placeholderUSCC)
	}
	return nil
}

// ready says whether requests can be served: the database takes writes, and
// the keys that every request needs are here.
func (in *installation) ready(ctx context.Context) error {
	if err := in.db.Admin().Ping(ctx, true); err != nil {
		return err
	}
	if err := in.clock.Ready(); err != nil {
		return err
	}
	for _, p := range []signing.Purpose{signing.PurposeAccessToken, signing.PurposeIDToken, signing.PurposeIDTokenRSA, signing.PurposeStatus} {
		k, err := in.keys.Keyrings().Active(ctx, p, "")
		if err != nil {
			return err
		}
		if k.Signer == nil {
			return refuse("serve.key", k.ID)
		}
	}
	return nil
}

// shutdownWithin is how long requests that are under way may take to finish: as
// long as a request may take at all, so that none is cut off.
const shutdownWithin = api.RequestWithin + 6*time.Second

// run serves until ctx ends, lets running requests finish, and closes
// everything. ready is called once requests are served.
func (s *service) run(ctx context.Context, ready func() error) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	public, admin := s.newServer(s.api.Handler()), s.newServer(s.api.Admin())
	ended := make(chan error, 3+len(s.beside))
	serve := func(h *http.Server, l net.Listener) {
		ended <- refuse("serve.ended", l.Addr(), h.Serve(l))
	}
	go serve(public, s.public)
	if s.public6 != nil {
		go serve(public, s.public6)
	}
	go serve(admin, s.admin)
	for _, b := range s.beside {
		h := s.newServer(b.handler)
		go serve(h, b.listener)
		defer func() { err = errors.Join(err, h.Close()) }()
	}

	defer s.merge(ctx)()
	upkeep, stop := context.WithCancel(ctx)
	go keepSparing(upkeep)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		if err := s.in.db.Run(upkeep); err != nil && upkeep.Err() == nil {
			s.log.Error("the database's upkeep ended", "error", err)
		}
	}()
	compared := s.compare(upkeep)
	defer func() { stop(); <-kept; <-compared }()

	if err := ready(); err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	started := s.log.With("public_url", s.in.url, "listen", s.public.Addr().String(), "admin", s.admin.Addr().String())
	if s.seen.Refusal() == nil {
		started.Info("ready")
	} else {
		started.Warn("started, and refuses all requests: the database lost what this node saw in it")
	}
	select {
	case err := <-ended:
		return errors.Join(err, public.Close(), admin.Close())
	case <-ctx.Done():
	}
	s.log.Info("shutting down: /readyz says so, new requests are still served for a while, and running ones may finish",
		"drain", s.drain.String(), "within", shutdownWithin.String())
	s.api.Drain()
	select {
	case err := <-ended:
		s.log.Warn("a listener ended while draining", "error", err)
	case <-time.After(s.drain):
	}
	return s.shutdown(public, admin)
}

// merge has events of refusals that repeat written together. The end, which writes what
// is left, is to come after the last request.
func (s *service) merge(ctx context.Context) (end func()) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var ended sync.WaitGroup
	ended.Go(func() { s.in.registry.Run(ctx) })
	ended.Go(func() { s.in.provider.Run(ctx) })
	return func() { stop(); ended.Wait() }
}

// compare compares this node's clock, and its store of what may be lost, with the
// other nodes', and the database with what this node saw of it, until ctx ends, and then closes what it returns. Where a test kills
// the process at a step of a request, nothing else shall write: then it does nothing.
func (s *service) compare(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	if failpoint() != nil {
		close(done)
		return done
	}
	go s.watch.Run(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { _ = s.in.clock.Run(ctx) }) // end with ctx alone, and have said everything else
	ended.Go(func() { _ = s.seen.Run(ctx) })
	go func() { ended.Wait(); close(done) }()
	return done
}

// shutdown lets running requests finish, and cuts off those that take too
// long. The admin listener is last, so that liveness holds till the end.
func (s *service) shutdown(public, admin *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownWithin)
	defer cancel()
	if err := public.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off", "error", err)
		if err := public.Close(); err != nil {
			return err
		}
	}
	if err := admin.Close(); err != nil {
		return err
	}
	s.log.Info("stopped")
	return nil
}

// newServer returns an HTTP server whose limits keep slow or idle clients from
// holding on to it.
func (s *service) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       15 * time.Second, // less than a request may take, which else would seem a store's fault
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// close closes what start opened.
func (s *service) close() error {
	var errs []error
	listeners := []net.Listener{s.public, s.public6, s.admin}
	for _, b := range s.beside {
		listeners = append(listeners, b.listener)
	}
	for _, l := range listeners {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.in != nil {
		errs = append(errs, s.in.close())
		s.in = nil
	}
	return errors.Join(errs...)
}

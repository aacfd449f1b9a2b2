package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// shutdownWithin is how long requests that are under way may take to finish: as
// long as a request may take at all, so that none is cut off.
const shutdownWithin = api.RequestWithin + 6*time.Second

// Run serves until ctx ends, lets running requests finish, and closes
// everything. ready is called once requests are served.
func (s *Service) Run(ctx context.Context, ready func() error) (err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	public, admin := s.newServer(s.api.Handler()), s.newServer(s.api.Ops())
	ended := make(chan error, 3+len(s.Beside))
	serve := func(h *http.Server, l net.Listener) {
		ended <- texts.Refuse("serve.ended", l.Addr(), h.Serve(l))
	}
	go serve(public, s.Public)
	if s.public6 != nil {
		go serve(public, s.public6)
	}
	go serve(admin, s.admin)
	for _, b := range s.Beside {
		h := s.newServer(b.Handler)
		go serve(h, b.Listener)
		defer func() { err = errors.Join(err, h.Close()) }()
	}

	defer s.merge(ctx)()
	upkeep, stop := context.WithCancel(ctx)
	go keepSparing(upkeep)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		if err := s.In.DB.Run(upkeep); err != nil && upkeep.Err() == nil {
			s.Log.Error("the database's upkeep ended", "error", err)
		}
	}()
	compared := s.compare(upkeep)
	defer func() { stop(); <-kept; <-compared }()

	if err := ready(); err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	started := s.Log.With("public_url", s.In.URL, "listen", s.Public.Addr().String(), "admin", s.admin.Addr().String())
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
	s.Log.Info("shutting down: /readyz says so, new requests are still served for a while, and running ones may finish",
		"drain", s.drain.String(), "within", shutdownWithin.String())
	s.api.Drain()
	select {
	case err := <-ended:
		s.Log.Warn("a listener ended while draining", "error", err)
	case <-time.After(s.drain):
	}
	return s.shutdown(public, admin)
}

// merge writes events of refusals that repeat together, as one. Its end writes what is left,
// so it must come after the last request.
func (s *Service) merge(ctx context.Context) (end func()) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var ended sync.WaitGroup
	ended.Go(func() { s.In.Library.Run(ctx) })
	ended.Go(func() { s.In.Provider.Journal.Run(ctx) })
	ended.Go(func() { s.In.People.Acting.Run(ctx) }) // tells people, and ends what is over
	return func() { stop(); ended.Wait() }
}

// compare watches until ctx ends, and then closes what it returns. It compares this node's
// clock, and its store of what may be lost, with those of the other nodes; and the database
// with what this node saw of it. If a test kills the process at a step of a request, it does
// nothing, so that nothing else writes.
func (s *Service) compare(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	if failpoint() != nil {
		close(done)
		return done
	}
	go s.watch.Run(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { _ = s.In.Clock.Run(ctx) }) // end with ctx alone, and have said everything else
	ended.Go(func() { _ = s.seen.Run(ctx) })
	ended.Go(func() { _ = s.In.Library.Lists().Watch(ctx) })
	go func() { ended.Wait(); close(done) }()
	return done
}

// shutdown lets running requests finish, and cuts off those that take too
// long. The admin listener is last, so that liveness holds till the end.
func (s *Service) shutdown(public, admin *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownWithin)
	defer cancel()
	if err := public.Shutdown(ctx); err != nil {
		s.Log.Warn("requests were cut off", "error", err)
		if err := public.Close(); err != nil {
			return err
		}
	}
	if err := admin.Close(); err != nil {
		return err
	}
	s.Log.Info("stopped")
	return nil
}

// newServer returns an HTTP server whose limits keep slow or idle clients from
// holding on to it.
func (s *Service) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       15 * time.Second, // less than a request may take, which else would seem a store's fault
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

// Close closes what start opened.
func (s *Service) Close() error {
	var errs []error
	listeners := []net.Listener{s.Public, s.public6, s.admin}
	for _, b := range s.Beside {
		listeners = append(listeners, b.Listener)
	}
	for _, l := range listeners {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.In != nil {
		errs = append(errs, s.In.Close())
		s.In = nil
	}
	return errors.Join(errs...)
}

package api

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what the service counts about itself. No label holds anything
// that a caller chose.
type metrics struct {
	requests *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	verified *prometheus.CounterVec
}

func newMetrics(c Config) (metrics, error) {
	m := metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "yizheng_request_seconds", Help: "Time to answer, by route and class of status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"route", "status"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "yizheng_anonymous_refusals_total", Help: "Requests refused before a client was known, by reason.",
		}, []string{"reason"}),
		verified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "yizheng_verifications_total", Help: "Licenses verified, by verdict.",
		}, []string{"verdict"}),
	}
	all := []prometheus.Collector{
		m.requests, m.refused, m.verified, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	if v := c.Verifier; v != nil {
		opinion := func(name, help string, value func() uint64) prometheus.Collector {
			return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "yizheng_second_opinions_" + name + "_total", Help: help},
				func() float64 { return float64(value()) })
		}
		all = append(all,
			opinion("asked", "Signatures that the first implementation refused.", func() uint64 { n, _, _ := v.SecondOpinions(); return n }),
			opinion("overruled", "Those that the others found good.", func() uint64 { _, n, _ := v.SecondOpinions(); return n }),
			opinion("undecided", "Those there was no time for.", func() uint64 { _, _, n := v.SecondOpinions(); return n }))
	}
	all = append(all, c.Kept.collectors()...)
	for _, g := range c.Gauges {
		all = append(all, g.collector())
	}
	for _, g := range c.GaugeSets {
		all = append(all, g)
	}
	if c.Activity != nil {
		all = append(all, c.Activity.collectors()...)
	}
	for _, collector := range all {
		if err := c.Metrics.Register(collector); err != nil {
			return metrics{}, err
		}
	}
	return m, nil
}

// collectors returns the metrics of the store for what may be lost.
func (k KeptState) collectors() (all []prometheus.Collector) {
	number := map[bool]float64{true: 1}
	if k.Condition != nil {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "yizheng_ephemeral_up", Help: "1 if the last call to the store for what may be lost (Redis) was answered: without it nobody can log in.",
		}, func() float64 { up, _ := k.Condition(); return number[up] }), prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "yizheng_ephemeral_failures_total", Help: "Calls to it that were not answered, or refused.",
		}, func() float64 { _, n := k.Condition(); return float64(n) }))
	}
	if k.Foreign != nil {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "yizheng_ephemeral_foreign", Help: "1 if another node on this database uses another one: logins fail at random.",
		}, func() float64 { return number[k.Foreign()] }))
	}
	return all
}

// Ops serves the operations listener: /livez says that the process answers, /readyz that it
// can do its work, /readyz/logins that people can log in as well; /metrics has Prometheus'
// text format. It must not be reachable from outside.
func (s *Server) Ops() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { s.ready(w, r, s.c.Ready) })
	mux.HandleFunc("GET /readyz/logins", func(w http.ResponseWriter, r *http.Request) { s.ready(w, r, s.c.Ready, s.c.LoginsReady) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.c.Metrics, promhttp.HandlerOpts{}))
	return mux
}

// readyWithin is how long the check for readiness may take.
const readyWithin = 2 * time.Second

func (s *Server) ready(w http.ResponseWriter, r *http.Request, checks ...func(context.Context) error) {
	if s.draining.Load() {
		plain(w, http.StatusServiceUnavailable, "shutting down\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	checks = append(checks, func(context.Context) error { return s.refusal() })
	for _, check := range checks {
		if check == nil {
			continue
		}
		if err := check(ctx); err != nil {
			s.failing.Warn(ctx, "not ready", err)
			plain(w, http.StatusServiceUnavailable, "not ready; the log says why\n")
			return
		}
	}
	plain(w, http.StatusOK, "ok\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(text))
}

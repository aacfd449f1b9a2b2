package serve

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
	"yizheng.internal/storage"
)

// counted counts the events that are stored from now on.
func (s *Service) counted() {
	s.activity = api.NewActivity()
	s.In.DB = storage.Counted(s.In.DB, func(h storage.Happened) { s.activity.Count(h.Action, h.Result, string(h.Type)) })
}

// pool is what a store tells of its connections.
type pool interface {
	Pool() (inUse, idle, most int, waits int64, waited time.Duration)
}

// poolGauges are the metrics of connections to the database and to Redis.
func (s *Service) poolGauges() (all []api.Gauge) {
	for store, p := range map[string]pool{"database": s.In.DB.Admin(), "ephemeral": s.In.Kept} {
		for state, value := range map[string]func() float64{
			"in_use": func() float64 { n, _, _, _, _ := p.Pool(); return float64(n) },
			"idle":   func() float64 { _, n, _, _, _ := p.Pool(); return float64(n) },
			"most":   func() float64 { _, _, n, _, _ := p.Pool(); return float64(n) },
		} {
			all = append(all, api.Gauge{
				Name: "yizheng_pool_connections", Help: "Connections by store (database: SQLite's for reading; ephemeral: Redis) and state: in_use, idle, and how many may be open at most (0: there are none).",
				Labels: map[string]string{"store": store, "state": state}, Value: value,
			})
		}
		all = append(all, api.Gauge{
			Name: "yizheng_pool_waits_total", Help: "Callers that waited for a connection.", Labels: map[string]string{"store": store}, Counter: true,
			Value: func() float64 { _, _, _, n, _ := p.Pool(); return float64(n) },
		}, api.Gauge{
			Name: "yizheng_pool_wait_seconds_total", Help: "How long they did, together.", Labels: map[string]string{"store": store}, Counter: true,
			Value: func() float64 { _, _, _, _, d := p.Pool(); return d.Seconds() },
		})
	}
	return all
}

// evictionGauges are the metrics of evictions from the store for what may be lost.
func (s *Service) evictionGauges() (all []api.Gauge) {
	for i, part := range [ephemeral.PartReserved]string{"unopened", "opened", "pushed", "reserved"} {
		all = append(all, api.Gauge{
			Name: "yizheng_ephemeral_evictions_total", Help: "Values that this node let give way to others before their time, by part of the store: " +
				"somebody asks for more logins than there is room for.",
			Labels: map[string]string{"part": part}, Counter: true, Value: func() float64 { return float64(s.In.Kept.Evicted()[i]) },
		})
	}
	return all
}

// keyState caches what the metrics say of keys. If keys were read for each request, somebody
// who asks often would slow the database down.
type keyState struct {
	read func(context.Context) ([]signing.KeyRecord, error)
	list func(context.Context, []signing.KeyRecord) []api.Sample

	mu                           sync.Mutex
	at                           time.Time
	expiry, made, number, listed []api.Sample
}

const (
	keysFresh  = time.Minute
	keysWithin = 2 * time.Second
)

// samples returns what pick picks of the state, which is read again if it is old. If it can't
// be read, the last one is used.
func (s *keyState) samples(pick func(*keyState) []api.Sample) []api.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) > keysFresh {
		ctx, cancel := context.WithTimeout(context.Background(), keysWithin)
		defer cancel()
		if records, err := s.read(ctx); err == nil {
			s.at = time.Now()
			s.sum(records)
			s.listed = s.list(ctx, records)
		}
	}
	return pick(s)
}

// sum sums keys up by purpose: there is one for each department, and a metric for
// each would be too many.
func (s *keyState) sum(records []signing.KeyRecord) {
	type ring struct {
		purpose signing.Purpose
		state   signing.KeyState
	}
	number, expiry, made := map[ring]float64{}, map[signing.Purpose]float64{}, map[signing.Purpose]float64{}
	earlier := func(of map[signing.Purpose]float64, p signing.Purpose, t time.Time) {
		if at, ok := of[p]; !ok || float64(t.Unix()) < at {
			of[p] = float64(t.Unix())
		}
	}
	for _, k := range records {
		number[ring{k.Purpose, k.State}]++
		if k.State != signing.KeyActive {
			continue
		}
		earlier(made, k.Purpose, k.Created)
		if len(k.Chain) == 0 {
			continue
		}
		if c, err := pki.ParseCertificate(k.Chain[0]); err == nil {
			earlier(expiry, k.Purpose, c.NotAfter)
		}
	}
	sorted := func(of map[signing.Purpose]float64) (all []api.Sample) {
		for _, p := range slices.Sorted(maps.Keys(of)) {
			all = append(all, api.Sample{Labels: []string{string(p)}, Value: of[p]})
		}
		return all
	}
	s.expiry, s.made, s.number = sorted(expiry), sorted(made), nil
	for r, n := range number {
		s.number = append(s.number, api.Sample{Labels: []string{string(r.purpose), string(r.state)}, Value: n})
	}
}

// lists returns until when the roots' revocation lists are good.
func (s *Service) lists(ctx context.Context, records []signing.KeyRecord) (all []api.Sample) {
	for _, k := range records {
		if k.Purpose != signing.PurposeRoot {
			continue
		}
		der, err := s.In.DB.Keys().LoadRevocationList(ctx, k.ID)
		if err != nil {
			continue
		}
		if list, err := s.In.Keys.Anchors().RevocationList(ctx, s.In.Verifier, der); err == nil {
			all = append(all, api.Sample{Labels: []string{string(k.ID)}, Value: float64(list.NextUpdate.Unix())})
		}
	}
	return all
}

// keyGauges are the metrics of keys, certificates and revocation lists.
func (s *Service) keyGauges() []api.GaugeSet {
	k := &keyState{list: s.lists, read: func(ctx context.Context) ([]signing.KeyRecord, error) { return s.In.DB.Keys().ListKeys(ctx, "") }}
	set := func(name, help string, pick func(*keyState) []api.Sample, labels ...string) api.GaugeSet {
		return api.GaugeSet{Name: name, Help: help, Labels: labels, Values: func() []api.Sample { return k.samples(pick) }}
	}
	return []api.GaugeSet{
		set("yizheng_certificate_expiry_timestamp_seconds", "When the first of the active keys' certificates expires, by the keys' purpose.",
			func(s *keyState) []api.Sample { return s.expiry }, "purpose"),
		set("yizheng_key_created_timestamp_seconds", "When the oldest of the active keys was made, by purpose: keys don't expire, and are to be rotated.",
			func(s *keyState) []api.Sample { return s.made }, "purpose"),
		set("yizheng_keys", "Keys by purpose and state.", func(s *keyState) []api.Sample { return s.number }, "purpose", "state"),
		set("yizheng_revocation_list_expiry_timestamp_seconds", "Until when the root's published revocation list is good; a root without one isn't here.",
			func(s *keyState) []api.Sample { return s.listed }, "root"),
		{
			Name: "yizheng_login_revocation_list_expiry_timestamp_seconds", Help: "Until when people log in with certificates of a CA, by its revocation list; one without a list isn't here.",
			Labels: []string{"authority", "issuer"}, Values: s.loginLists,
		},
	}
}

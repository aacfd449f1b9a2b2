package signing

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/pki"
)

// readings reads the records and caches the newest reading. It finds the private key of each
// record that may sign.
type readings struct {
	records *authenticRecords
	module  Module
	log     *slog.Logger
	fresh   time.Duration // how long a reading is cached
	current atomic.Pointer[KeySet]
	changes atomic.Int64 // changes that this process made; a reading from before the last one is stale

	mu  sync.Mutex
	now *keyReading // under way, or nil
}

// freshAt returns a reading that is not older than fresh.
func (r *readings) freshAt(ctx context.Context, now time.Time) (*KeySet, error) {
	oldest := now.Add(-r.fresh)
	if s := r.current.Load(); r.usable(s, oldest) {
		return s, nil
	}
	return r.read(ctx, oldest)
}

// since returns a reading that began at t or later. Readings that it begins are missGap apart.
func (r *readings) since(ctx context.Context, t time.Time) (*KeySet, error) {
	for {
		s := r.current.Load()
		if r.usable(s, t) {
			return s, nil
		}
		if s == nil {
			return r.read(ctx, t)
		}
		// In a large installation a reading takes longer: spend at most a tenth of the time on it.
		wait := time.Until(s.began.Add(max(missGap, 10*s.took)))
		if wait <= 0 {
			return r.read(ctx, t)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// usable reports whether a reading began at t or later, and this process has changed
// nothing since.
func (r *readings) usable(s *KeySet, t time.Time) bool {
	return s != nil && !s.began.Before(t) && s.changes == r.changes.Load()
}

// keyReading is one reading of the records, shared by all who wait for it.
type keyReading struct {
	began   time.Time
	changes int64
	done    chan struct{}
	set     *KeySet
	err     error
}

// read returns a reading that began at t or later: a finished one, the one under way, or
// one that it begins. It waits as long as ctx lets it.
func (r *readings) read(ctx context.Context, t time.Time) (*KeySet, error) {
	for {
		r.mu.Lock()
		if s := r.current.Load(); r.usable(s, t) {
			r.mu.Unlock()
			return s, nil
		}
		reading := r.now
		mine := reading == nil
		if mine {
			reading = &keyReading{began: time.Now(), changes: r.changes.Load(), done: make(chan struct{})}
			r.now = reading
		}
		r.mu.Unlock()

		if mine {
			go r.run(ctx, reading) // it goes on after this caller has given up
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-reading.done:
		}
		if mine || reading.err != nil || r.usable(reading.set, t) {
			return reading.set, reading.err
		}
	}
}

// run reads the records. Others wait for it too, so it goes on when its caller gives up.
func (r *readings) run(ctx context.Context, reading *keyReading) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			reading.err = fmt.Errorf("reading the key records: panic: %v\n%s", p, debug.Stack())
		}
		r.mu.Lock()
		if reading.err == nil {
			r.current.Store(reading.set)
		}
		r.now = nil
		r.mu.Unlock()
		close(reading.done)
	}()
	records, altered, err := r.records.list(ctx, "")
	if err != nil {
		reading.err = fmt.Errorf("reading the key records: %w", err)
		return
	}
	reading.set, reading.err = r.newKeySet(records, reading), nil
	reading.set.altered = altered
}

func (r *readings) newKeySet(records []KeyRecord, reading *keyReading) *KeySet {
	s := &KeySet{
		began:   reading.began,
		changes: reading.changes,
		byID:    make(map[KeyID]*Key, len(records)),
		byKID:   make(map[string]*Key, len(records)),
		byLeaf:  make(map[string]*Key),
		issuers: make(map[string]bool),
		active:  make(map[ringName]*Key),
		rings:   make(map[ringName][]*Key),
	}
	before := r.current.Load()
	for _, record := range records {
		k := r.ready(record, before)
		name := ringName{k.Purpose, k.Owner}
		s.byID[k.ID], s.byKID[k.KID()] = k, k
		s.rings[name] = append(s.rings[name], k)
		if k.State == KeyActive {
			s.active[name] = k
		}
		if len(k.Chain) > 0 {
			s.byLeaf[string(k.Chain[0])] = k
		}
		if len(k.Certificates) > 0 {
			s.issuers[issuerOf(k.Certificates[0])] = true
		}
	}
	s.took = time.Since(s.began)
	return s
}

// ready parses a record and finds its private key. It reuses what was parsed before. A
// record that doesn't parse is logged, and its key has no public key or certificates: one
// bad row must not stop every other key.
func (r *readings) ready(record KeyRecord, before *KeySet) *Key {
	k := &Key{KeyRecord: record}
	if old := before.unchanged(record); old == nil {
		r.parse(k)
	} else if old.Signer != nil || !old.signs() {
		return old
	} else {
		k.Public, k.Certificates = old.Public, old.Certificates
	}
	if k.signs() {
		k.Signer = r.signer(k) // each time: its file may have been copied here since
	}
	return k
}

func (r *readings) signer(k *Key) crypto.MessageSigner {
	signer, err := r.module.Signer(k.ID)
	switch {
	case errors.Is(err, ErrNoKey): // held elsewhere
		return nil
	case err != nil:
		r.log.Error("private key does not load", "key", k.ID, "error", err)
		return nil
	case !SamePublicKey(signer.Public(), k.Public):
		r.log.Error("private key does not match its record; is this another installation's keystore?", "key", k.ID)
		return nil
	}
	return signer
}

func (r *readings) parse(k *Key) {
	if k.PublicKey == nil {
		return
	}
	public, err := smx509.ParsePKIXPublicKey(k.PublicKey)
	if err != nil {
		r.log.Error("public key does not parse", "key", k.ID, "error", err)
		return
	}
	k.Public = public
	for _, der := range k.Chain {
		c, err := pki.ParseCertificate(der)
		if err != nil {
			r.log.Error("certificate does not parse", "key", k.ID, "error", err)
			k.Certificates = nil
			return
		}
		k.Certificates = append(k.Certificates, c)
	}
}

package signing

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/pki"
)

// Keyrings finds the key for a purpose. It reads Records, keeps what it read
// for a short while, and reads again on a miss, so that a key added by another
// process is found at once. Safe for concurrent use.
//
// A miss waits for a reading that began after it. Such readings are at least
// 200 ms apart, whoever asks, so that made-up key ids don't become queries.
type Keyrings struct {
	c       KeyringsConfig
	auth    *Authenticator
	current atomic.Pointer[keySet]
	changes atomic.Int64 // made by this process; a reading from before one is stale

	mu      sync.Mutex
	reading *keyReading // under way, or nil
}

// KeyringsConfig says what New needs.
type KeyringsConfig struct {
	Records Records // of which those count that were written under Module's keys
	Module  Module
	Auth    *Authenticator // default: a new one of Module
	Fresh   time.Duration  // how long a reading serves; default 5 s
	Log     *slog.Logger   // default: discards
}

// Key is a key ready for use. It is shared: don't change it.
type Key struct {
	KeyRecord
	Signer       crypto.MessageSigner // nil unless the key is active or next, and held here
	Public       crypto.PublicKey     // of PublicKey, parsed; nil for secret keys
	Certificates []*pki.Certificate   // of Chain, parsed
}

const (
	defaultFresh = 5 * time.Second
	missGap      = 200 * time.Millisecond // between readings that misses cause
	readTimeout  = 10 * time.Second
)

// NewKeyrings returns the keyrings of some records. It reads nothing yet.
func NewKeyrings(c KeyringsConfig) (*Keyrings, error) {
	if c.Records == nil || c.Module == nil {
		return nil, errors.New("keyrings need Records and a Module")
	}
	if c.Fresh < 0 {
		return nil, fmt.Errorf("keyrings: Fresh is %v", c.Fresh)
	}
	if c.Fresh == 0 {
		c.Fresh = defaultFresh
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Auth == nil {
		c.Auth = NewAuthenticator(c.Module, c.Log)
	}
	if _, guarded := c.Records.(*authenticRecords); !guarded {
		c.Records = &authenticRecords{c.Records, c.Auth}
	}
	return &Keyrings{c: c, auth: c.Auth}, nil
}

// Format implements [fmt.Formatter]: the keys inside are not to be printed.
func (r *Keyrings) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "keyrings") }

// Auth returns the authenticator of records that goes with the keyrings.
func (r *Keyrings) Auth() *Authenticator { return r.auth }

// Active returns the active key of a ring, or ErrNoKey.
func (r *Keyrings) Active(ctx context.Context, p Purpose, owner string) (*Key, error) {
	name := ringName{p, owner}
	k, err := r.find(ctx, func(s *keySet) *Key { return s.active[name] })
	if err != nil {
		return nil, fmt.Errorf("active %s: %w", name, err)
	}
	return k, nil
}

// ByID returns a key in whatever state, or ErrNoKey.
func (r *Keyrings) ByID(ctx context.Context, id KeyID) (*Key, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	k, err := r.find(ctx, func(s *keySet) *Key { return s.byID[id] })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", id, err)
	}
	return k, nil
}

// ByKID returns the key that others know by a name, in whatever state, or ErrNoKey.
// See KeyRecord.KID.
func (r *Keyrings) ByKID(ctx context.Context, kid string) (*Key, error) {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}
	if kid == "" || len(kid) > maxKeyID || strings.ContainsFunc(kid, odd) {
		return nil, fmt.Errorf("key %.80q: %w", kid, ErrNoKey)
	}
	k, err := r.find(ctx, func(s *keySet) *Key { return s.byKID[kid] })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", kid, err)
	}
	return k, nil
}

// ByCertificate returns the key whose leaf certificate this is (DER), or ErrNoKey:
// verification asks it whether the key was revoked.
func (r *Keyrings) ByCertificate(ctx context.Context, der []byte) (*Key, error) {
	leaf := string(der)
	k, err := r.find(ctx, func(s *keySet) *Key { return s.byLeaf[leaf] })
	if err == nil {
		return k, nil
	}
	// It may be a revoked key's, whose record somebody altered to hide that.
	if s := r.current.Load(); errors.Is(err, ErrNoKey) && s != nil && s.altered > 0 {
		err = ErrAltered
	}
	return nil, fmt.Errorf("key of a certificate: %w", err)
}

// IssuedHere reports whether whoever issued this certificate issued one of a key that
// has a record: then this one must have a record too.
func (r *Keyrings) IssuedHere(ctx context.Context, c *pki.Certificate) (bool, error) {
	s, err := r.fresh(ctx)
	if err != nil {
		return false, fmt.Errorf("issuer of a certificate: %w", err)
	}
	return s.issuers[issuerOf(c)], nil
}

// issuerOf returns a certificate's issuer, by name and key.
func issuerOf(c *pki.Certificate) string {
	return string(c.RawIssuer) + string(c.AuthorityKeyId)
}

// Ring returns all keys of a purpose and owner, by serial. A ring without keys
// is no error.
func (r *Keyrings) Ring(ctx context.Context, p Purpose, owner string) ([]*Key, error) {
	s, err := r.fresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", ringName{p, owner}, err)
	}
	return append([]*Key(nil), s.rings[ringName{p, owner}]...), nil
}

// find looks in the current reading and, on a miss, in one begun since it was called.
func (r *Keyrings) find(ctx context.Context, in func(*keySet) *Key) (*Key, error) {
	called := time.Now()
	s, err := r.freshAt(ctx, called)
	if err != nil {
		return nil, err
	}
	if k := in(s); k != nil {
		return k, nil
	}
	if s, err = r.since(ctx, called); err != nil {
		return nil, err
	}
	if k := in(s); k != nil {
		return k, nil
	}
	return nil, ErrNoKey
}

// fresh returns a reading that isn't older than Fresh.
func (r *Keyrings) fresh(ctx context.Context) (*keySet, error) { return r.freshAt(ctx, time.Now()) }

// freshAt is fresh as of now.
func (r *Keyrings) freshAt(ctx context.Context, now time.Time) (*keySet, error) {
	oldest := now.Add(-r.c.Fresh)
	if s := r.current.Load(); r.usable(s, oldest) {
		return s, nil
	}
	return r.read(ctx, oldest)
}

// since returns a reading begun at t or later, and keeps readings apart.
func (r *Keyrings) since(ctx context.Context, t time.Time) (*keySet, error) {
	for {
		s := r.current.Load()
		if r.usable(s, t) {
			return s, nil
		}
		if s == nil {
			return r.read(ctx, t)
		}
		// A large installation's reading takes longer: keep to a tenth of the time.
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

// usable reports whether a reading begun at t or later serves: this process
// has changed nothing since.
func (r *Keyrings) usable(s *keySet, t time.Time) bool {
	return s != nil && !s.began.Before(t) && s.changes == r.changes.Load()
}

// keyReading is one reading of the records, shared by all who wait for it.
type keyReading struct {
	began   time.Time
	changes int64
	done    chan struct{}
	set     *keySet
	err     error
}

// read returns a reading begun at t or later: a finished one, the one under
// way, or its own, for which it waits no longer than ctx lets it.
func (r *Keyrings) read(ctx context.Context, t time.Time) (*keySet, error) {
	for {
		r.mu.Lock()
		if s := r.current.Load(); r.usable(s, t) {
			r.mu.Unlock()
			return s, nil
		}
		reading := r.reading
		mine := reading == nil
		if mine {
			reading = &keyReading{began: time.Now(), changes: r.changes.Load(), done: make(chan struct{})}
			r.reading = reading
		}
		r.mu.Unlock()

		if mine {
			go r.run(ctx, reading) // it outlives a caller whose time is up
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

// run reads the records. Others wait for it, so its caller giving up doesn't end it.
func (r *Keyrings) run(ctx context.Context, reading *keyReading) {
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
		r.reading = nil
		r.mu.Unlock()
		close(reading.done)
	}()
	records, altered, err := r.records().list(ctx, "")
	if err != nil {
		reading.err = fmt.Errorf("reading the key records: %w", err)
		return
	}
	reading.set, reading.err = r.newKeySet(records, reading), nil
	reading.set.altered = altered
}

// ringName names a keyring.
type ringName struct {
	purpose Purpose
	owner   string
}

func (n ringName) String() string {
	if n.owner == "" {
		return string(n.purpose) + " key"
	}
	return string(n.purpose) + " key of " + n.owner
}

// keySet is one reading of all records. It never changes.
type keySet struct {
	began   time.Time
	took    time.Duration
	changes int64
	byID    map[KeyID]*Key
	byKID   map[string]*Key
	byLeaf  map[string]*Key // by leaf certificate, DER
	issuers map[string]bool // of these certificates: see issuerOf
	active  map[ringName]*Key
	rings   map[ringName][]*Key // by serial, as ListKeys orders them
	altered int                 // how many records were left out
}

// records are the records, of which those count that are authentic.
func (r *Keyrings) records() *authenticRecords { return r.c.Records.(*authenticRecords) }

func (r *Keyrings) newKeySet(records []KeyRecord, reading *keyReading) *keySet {
	s := &keySet{
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

// ready parses a record and finds its private key. What was parsed before is
// taken over. A record that doesn't parse is logged and stands without key or
// certificates: one bad row must not stop every other key.
func (r *Keyrings) ready(record KeyRecord, before *keySet) *Key {
	k := &Key{KeyRecord: record}
	if old := before.unchanged(record); old == nil {
		r.parse(k)
	} else if old.Signer != nil || !old.signs() {
		return old
	} else {
		k.Public, k.Certificates = old.Public, old.Certificates
	}
	if k.signs() {
		k.Signer = r.signer(k) // asked each time: the file may have arrived since
	}
	return k
}

// unchanged returns the key of a record that is as it was, or nil.
func (s *keySet) unchanged(record KeyRecord) *Key {
	if s == nil {
		return nil
	}
	if k := s.byID[record.ID]; k != nil && k.Revision == record.Revision {
		return k
	}
	return nil
}

func (r *Keyrings) signer(k *Key) crypto.MessageSigner {
	signer, err := r.c.Module.Signer(k.ID)
	switch {
	case errors.Is(err, ErrNoKey): // held elsewhere
		return nil
	case err != nil:
		r.c.Log.Error("private key does not load", "key", k.ID, "error", err)
		return nil
	case !samePublicKey(signer.Public(), k.Public):
		r.c.Log.Error("private key does not match its record; is this another installation's keystore?", "key", k.ID)
		return nil
	}
	return signer
}

func (r *Keyrings) parse(k *Key) {
	if k.PublicKey == nil {
		return
	}
	public, err := smx509.ParsePKIXPublicKey(k.PublicKey)
	if err != nil {
		r.c.Log.Error("public key does not parse", "key", k.ID, "error", err)
		return
	}
	k.Public = public
	for _, der := range k.Chain {
		c, err := pki.ParseCertificate(der)
		if err != nil {
			r.c.Log.Error("certificate does not parse", "key", k.ID, "error", err)
			k.Certificates = nil
			return
		}
		k.Certificates = append(k.Certificates, c)
	}
}

// signs reports whether a key may have a Signer. The root's never does here:
// its keystore is apart.
func (k *Key) signs() bool {
	return k.Public != nil && k.Purpose != PurposeRoot && (k.State == KeyActive || k.State == KeyNext)
}

func samePublicKey(a, b crypto.PublicKey) bool {
	pub, ok := a.(interface{ Equal(crypto.PublicKey) bool }) // as crypto.PublicKey asks of every key
	return ok && pub.Equal(b)
}

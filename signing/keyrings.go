package signing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"yizheng.internal/signing/pki"
)

// Keyrings finds the key for a purpose. It caches the records for a short while. If a key
// isn't in the cache, it reads the records again, so that a key that another process has
// added is found at once. Safe for concurrent use.
//
// A caller whose key isn't found waits for a reading that began after its call. Such
// readings are at least 200 ms apart, so that made-up key ids don't become queries.
type Keyrings struct {
	c        KeyringsConfig
	records  *authenticRecords
	readings readings
}

// KeyringsConfig says what NewKeyrings needs.
type KeyringsConfig struct {
	Records Records // only those that were written under Module's keys are used
	Module  Module
	Auth    *Authenticator // default: a new one of Module
	Fresh   time.Duration  // how long a reading is cached; default 5 s
	Log     *slog.Logger   // default: discards
}

const (
	defaultFresh = 5 * time.Second
	missGap      = 200 * time.Millisecond // between readings for keys that were not found
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
	records, guarded := c.Records.(*authenticRecords)
	if !guarded {
		records = &authenticRecords{c.Records, c.Auth}
	}
	return &Keyrings{c: c, records: records, readings: readings{records: records, module: c.Module, log: c.Log, fresh: c.Fresh}}, nil
}

// Format implements [fmt.Formatter]: the keys inside are not to be printed.
func (r *Keyrings) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "keyrings") }

// Auth returns the authenticator of records that goes with the keyrings.
func (r *Keyrings) Auth() *Authenticator { return r.c.Auth }

// Log returns the keyrings' log.
func (r *Keyrings) Log() *slog.Logger { return r.c.Log }

// Active returns the active key of a ring, or ErrNoKey.
func (r *Keyrings) Active(ctx context.Context, p Purpose, owner string) (*Key, error) {
	name := ringName{p, owner}
	k, err := r.find(ctx, func(s *KeySet) *Key { return s.active[name] })
	if err != nil {
		return nil, fmt.Errorf("active %s: %w", name, err)
	}
	return k, nil
}

// ByID returns a key in whatever state, or ErrNoKey.
func (r *Keyrings) ByID(ctx context.Context, id KeyID) (*Key, error) {
	if err := id.Check(); err != nil {
		return nil, err
	}
	k, err := r.find(ctx, func(s *KeySet) *Key { return s.byID[id] })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", id, err)
	}
	return k, nil
}

// ByKID returns the key with that [KeyRecord.KID], in whatever state, or ErrNoKey.
func (r *Keyrings) ByKID(ctx context.Context, kid string) (*Key, error) {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}
	if kid == "" || len(kid) > maxKeyID || strings.ContainsFunc(kid, odd) {
		return nil, fmt.Errorf("key %.80q: %w", kid, ErrNoKey)
	}
	k, err := r.find(ctx, func(s *KeySet) *Key { return s.byKID[kid] })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", kid, err)
	}
	return k, nil
}

// ByCertificate returns the key with this leaf certificate (DER), or ErrNoKey. Verifying
// a signature calls it to learn whether the key was revoked.
func (r *Keyrings) ByCertificate(ctx context.Context, der []byte) (*Key, error) {
	leaf := string(der)
	k, err := r.find(ctx, func(s *KeySet) *Key { return s.byLeaf[leaf] })
	if err == nil {
		return k, nil
	}
	// Perhaps it is of a revoked key, and somebody altered its record to hide that.
	if s := r.readings.current.Load(); errors.Is(err, ErrNoKey) && s != nil && s.altered > 0 {
		err = ErrAltered
	}
	return nil, fmt.Errorf("key of a certificate: %w", err)
}

// IssuedHere reports whether the issuer of this certificate also issued a certificate of a
// key that has a record. If so, the key of this one must have a record too.
func (r *Keyrings) IssuedHere(ctx context.Context, c *pki.Certificate) (bool, error) {
	s, err := r.Current(ctx)
	if err != nil {
		return false, fmt.Errorf("issuer of a certificate: %w", err)
	}
	return s.issuers[issuerOf(c)], nil
}

// BySerial returns one of the registry's own keys by its number within its ring. For a
// revoked key it returns ErrNoKey, too. For an unknown one it reads the records again:
// another node may have made the key just now.
func (r *Keyrings) BySerial(ctx context.Context, p Purpose, serial uint32) (*Key, error) {
	called := time.Now()
	s, err := r.Current(ctx)
	if err != nil {
		return nil, err
	}
	k := s.bySerial(p, serial)
	if k == nil {
		if s, err = r.readings.since(ctx, called); err != nil {
			return nil, err
		}
		k = s.bySerial(p, serial)
	}
	switch {
	case k == nil:
		return nil, fmt.Errorf("%s key number %d: %w", p, serial, ErrNoKey)
	case k.State == KeyRevoked:
		return nil, fmt.Errorf("%s key number %d was purged: %w", p, serial, ErrNoKey)
	}
	return k, nil
}

// Ring returns all keys of a purpose and owner, by serial. A ring without keys
// is no error.
func (r *Keyrings) Ring(ctx context.Context, p Purpose, owner string) ([]*Key, error) {
	s, err := r.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", ringName{p, owner}, err)
	}
	return append([]*Key(nil), s.rings[ringName{p, owner}]...), nil
}

// Current returns all keys, as they were read at most Fresh ago.
func (r *Keyrings) Current(ctx context.Context) (*KeySet, error) {
	return r.readings.freshAt(ctx, time.Now())
}

// Read reads the records now, and returns all keys.
func (r *Keyrings) Read(ctx context.Context) (*KeySet, error) {
	return r.readings.read(ctx, time.Now())
}

// find looks for a key in the cached reading and then in one that began after this call.
func (r *Keyrings) find(ctx context.Context, in func(*KeySet) *Key) (*Key, error) {
	called := time.Now()
	s, err := r.readings.freshAt(ctx, called)
	if err != nil {
		return nil, err
	}
	if k := in(s); k != nil {
		return k, nil
	}
	if s, err = r.readings.since(ctx, called); err != nil {
		return nil, err
	}
	if k := in(s); k != nil {
		return k, nil
	}
	return nil, ErrNoKey
}

package signing

import (
	"context"
	"crypto"
	"log/slog"
	"time"
)

// Keyrings finds the key for a purpose. It reads Records, keeps what it read
// for a short while, and reads again on a miss, so that a key added by another
// process is found at once. Safe for concurrent use.
type Keyrings struct{}

// KeyringsConfig says what New needs.
type KeyringsConfig struct {
	Records Records
	Module  Module
	Fresh   time.Duration // how long a reading serves; default 5 s
	Log     *slog.Logger  // default: discards
}

// Key is a key ready for use.
type Key struct {
	KeyRecord
	Signer       crypto.MessageSigner // nil for secret keys and keys not held here
	Certificates []*Certificate       // of Chain, parsed
}

func NewKeyrings(c KeyringsConfig) (*Keyrings, error) { return nil, errUnbuilt }

// Active returns the active key of a ring, or ErrNoKey.
func (r *Keyrings) Active(ctx context.Context, p Purpose, owner string) (*Key, error) {
	return nil, errUnbuilt
}

// ByID returns a key in whatever state, or ErrNoKey.
func (r *Keyrings) ByID(ctx context.Context, id KeyID) (*Key, error) { return nil, errUnbuilt }

// ByCertificate returns the key whose leaf certificate this is (DER), or ErrNoKey:
// verification asks it whether the key was revoked.
func (r *Keyrings) ByCertificate(ctx context.Context, der []byte) (*Key, error) {
	return nil, errUnbuilt
}

// Ring returns all keys of a purpose and owner, by serial.
func (r *Keyrings) Ring(ctx context.Context, p Purpose, owner string) ([]*Key, error) {
	return nil, errUnbuilt
}

// Add saves a new record as the ring's next serial; the first of a ring may be active at once.
func (r *Keyrings) Add(ctx context.Context, k KeyRecord, now time.Time) (KeyRecord, error) {
	return KeyRecord{}, errUnbuilt
}

// Activate makes a next key the active one and retires the one before it, in one step.
func (r *Keyrings) Activate(ctx context.Context, id KeyID, now time.Time) error { return errUnbuilt }

// Retire ends a key's use for new signatures; what it signed stays valid.
func (r *Keyrings) Retire(ctx context.Context, id KeyID, now time.Time) error { return errUnbuilt }

// Revoke ends a key from the time "from" on, for a reason of RFC 5280 5.3.1.
func (r *Keyrings) Revoke(ctx context.Context, id KeyID, reason string, from, now time.Time) error {
	return errUnbuilt
}

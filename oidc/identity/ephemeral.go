package identity

import (
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"yizheng.internal/signing/vault"
)

// Conditions of [Ephemeral].
var (
	// ErrGone says that nothing is kept under a key: it never was, has expired, or
	// was lost.
	ErrGone = errors.New("nothing is kept under this key")
	// ErrChanged says that a value is no longer the one that was read.
	ErrChanged = errors.New("the kept value changed since it was read")
	// ErrFull says that there is no room now.
	ErrFull = errors.New("no room for another value")
	// ErrAway says that the server behind the store doesn't answer, or not as it
	// should. It comes with the cause.
	ErrAway = errors.New("the store for what may be lost is away")
)

// Part is a part of the store. Each has a share of the room, so that what fills
// one doesn't keep the others out. When all room is used, a part makes room for
// those after it.
type Part uint8

// The parts, in the order in which they give way. In all of them but the last
// one a new value always finds room: another one gives way to it.
const (
	// PartUnopened keeps what anybody can have kept by a single request, before a
	// browser has come back for it.
	PartUnopened Part = iota + 1
	// PartOpened keeps what belongs to a page that somebody sees who hasn't shown
	// who they are.
	PartOpened
	// PartPushed keeps what a client pushed.
	PartPushed
	// PartReserved keeps codes, and logins of people who have shown who they are.
	// ErrFull if there is no room; but of an owner who has more of it than anybody
	// needs, the surplus gives way.
	PartReserved
)

// Keeping says how a value is kept.
type Keeping struct {
	Part Part
	// Owner says on whose account it is, in up to 64 visible ASCII characters; or
	// empty. Of a few values picked at random, the one gives way whose owner takes
	// most room: who has many values loses their own.
	Owner string
	Until time.Time
}

// OwnerOf returns the owner of a [Keeping] that stands for an account, a client or
// an address: whoever reads the store learns of none.
func OwnerOf(ctx context.Context, vault *vault.Vault, who string) (string, error) {
	if who == "" {
		return "", nil
	}
	mac, err := vault.MAC(ctx, domainOwner, who)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(mac.Sum[:8]), nil
}

// Ephemeral keeps what may be lost at any time and costs a fresh start then:
// logins and authorization requests under way, payloads of codes, counters of
// tries. It may delay and never decides: what must not happen twice is spent in
// the database ([yizheng.internal/oidc/token.Families]).
//
// Keys are 1 to 200 visible ASCII characters, values up to 64 KiB; values are
// sealed by who keeps them. Every driver passes storagetest.Ephemeral and
// storagetest.EphemeralParts. When a
// server behind it doesn't answer, methods return an error that is none of the
// above.
type Ephemeral interface {
	// Put keeps a value in the place of any before it. An end that isn't after now
	// keeps nothing. ErrFull if there is no room: then what was kept before stays.
	Put(ctx context.Context, key string, value []byte, k Keeping, now time.Time) error
	// Load returns the value that is kept, or ErrGone.
	Load(ctx context.Context, key string, now time.Time) ([]byte, error)
	// Swap puts a new value in the place of old, in one step: ErrGone if nothing is
	// kept, ErrChanged if it isn't old, ErrFull as Put. A zero Keeping leaves part,
	// owner and end as they are.
	Swap(ctx context.Context, key string, old, new []byte, k Keeping, now time.Time) error
	// Delete forgets a value, if there is one.
	Delete(ctx context.Context, key string) error
	// Count adds n, which may be 0 or negative, to a counter and returns its new
	// value. The counter begins at 0, with the first n that isn't 0, and is
	// forgotten a window after it began; a window that isn't positive keeps
	// nothing. Counters and values have keys of their own.
	Count(ctx context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error)
}

// NetworkOf returns the network that owns what somebody unknown asks to be kept: one IPv4
// address, or the 56 bits of an IPv6 network that a household has.
func NetworkOf(a netip.Addr) string {
	if n := IPv6Network(a, 56); n != "" {
		return n
	}
	return a.Unmap().String()
}

// IPv6Network returns the network of so many bits to which an IPv6 address belongs, or "" of IPv4.
func IPv6Network(a netip.Addr, bits int) string {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return ""
	}
	n, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return n.String()
}

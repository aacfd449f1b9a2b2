// Package ephemeral says how what may be lost at any time is stored: in which part of the room,
// for whom, and until when.
package ephemeral

import (
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"yizheng.internal/signing/vault"
)

// Errors of [Store].
var (
	// ErrGone says that nothing is stored under a key: nothing ever was, or it has expired
	// or was lost.
	ErrGone = errors.New("nothing is kept under this key")
	// ErrChanged says that a value is no longer the one that was read.
	ErrChanged = errors.New("the kept value changed since it was read")
	// ErrFull says that there is no room now.
	ErrFull = errors.New("no room for another value")
	// ErrAway says that the server behind the store doesn't answer, or answers wrongly.
	// The cause is wrapped beside it.
	ErrAway = errors.New("the store for what may be lost is away")
)

// Part is a part of the store. Each part has a share of the room, so that a full part
// doesn't shut out the others. When all room is used, a part gives way to the parts after it.
type Part uint8

// The parts, in the order in which they give way. In every part but the last, a new value
// always finds room, because another value gives way to it.
const (
	// PartUnopened has what anybody can cause to be stored with a single request, until a
	// browser comes back to it.
	PartUnopened Part = iota + 1
	// PartOpened has what belongs to a page that somebody sees who hasn't logged in.
	PartOpened
	// PartPushed has what clients pushed.
	PartPushed
	// PartReserved has codes, and logins of people who have shown who they are. ErrFull if
	// there is no room; but if an owner has more values than anybody needs, the surplus
	// gives way.
	PartReserved
)

// Keeping says how a value is stored.
type Keeping struct {
	Part Part
	// Owner says who takes the room, in up to 64 visible ASCII characters; or empty. If a
	// value must give way, a few are picked at random, and the one goes whose owner takes
	// most room: so an owner of many values loses their own.
	Owner string
	Until time.Time
}

// domainOwner is the domain of owners' names. Never change it: stored values depend on it.
const domainOwner = "ephemeral.owner"

// OwnerOf returns the Owner of a [Keeping] for an account, a client or an address. Somebody who
// reads the store can't tell whom it stands for.
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

// Store stores what may be lost at any time, at the cost of a fresh start: logins and
// authorization requests under way, payloads of codes, counters of tries. Losing something
// may delay people, but it never decides: what must not happen twice is spent in the
// database ([yizheng.internal/oidc/token.Families]).
//
// Keys are 1 to 200 visible ASCII characters, values up to 64 KiB; callers seal the values.
// Every driver passes storagetest/ephemeral.Ephemeral and storagetest/ephemeral.EphemeralParts.
// When a server behind the store doesn't answer, methods return ErrAway (wrapped).
type Store interface {
	// Put stores a value in place of any before it. If k.Until isn't after now, nothing is
	// stored under the key from then on. ErrFull if there is no room: then the value before
	// it stays.
	Put(ctx context.Context, key string, value []byte, k Keeping, now time.Time) error
	// Load returns the stored value, or ErrGone.
	Load(ctx context.Context, key string, now time.Time) ([]byte, error)
	// Swap replaces the value old by a new one, in one step. ErrGone if nothing is stored,
	// ErrChanged if the stored value isn't old, ErrFull as for Put. A zero Keeping leaves
	// part, owner and end as they are.
	Swap(ctx context.Context, key string, old, new []byte, k Keeping, now time.Time) error
	// Delete deletes a value, if there is one.
	Delete(ctx context.Context, key string) error
	// Count adds n, which may be 0 or negative, to a counter and returns its new value.
	// The counter begins at 0, with the first n that isn't 0, and is deleted a window after
	// it began. If the window isn't positive, nothing is stored. A counter and a value can
	// have the same key.
	Count(ctx context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error)
}

// NetworkOf returns the network that owns what is stored for somebody unknown: one IPv4
// address, or an IPv6 network of 56 bits, as a household has.
func NetworkOf(a netip.Addr) string {
	if n := IPv6Network(a, 56); n != "" {
		return n
	}
	return a.Unmap().String()
}

// IPv6Network returns the network of an IPv6 address with a prefix of that many bits, or "" for
// IPv4.
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

// Package password checks and hashes passwords, and has the tickets with which people set them.
package password

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"yizheng.internal/oidc/identity"
)

// The cost of a password's hash: the minimum for Argon2id in OWASP's Password Storage Cheat
// Sheet, 19 MiB and two passes (RFC 9106 explains them). If it is raised, hashes are renewed
// as their owners log in.
const (
	argon2id   = "argon2id"
	hashMemory = 19 * 1024 // KiB
	hashTime   = 2
	hashLanes  = 1
	saltBytes  = 16
	sumBytes   = 32
)

// Hasher computes passwords' hashes. It computes a few at a time, while some more wait. Each
// hash takes its memory, and a processor for some 20 ms: without a bound, anybody who sends
// passwords could take both from everybody. Tries have lanes, so that known devices don't wait
// behind unknown ones, nor first tries behind those of somebody who has tried too often.
type Hasher struct {
	memory, time uint32
	lanes        [lanes]queue
	adopting     chan struct{} // the places for hashes of an import
	computed     atomic.Int64
	even         even
}

// queue has the places for hashes that are computed, and for hashes that wait.
type queue struct{ inside, waiting chan struct{} }

// Lane names a queue.
type Lane int

const (
	LaneNew     Lane = iota // for devices that the account doesn't know
	LaneKnown               // for devices that it knows, and for people who set a password
	LaneGuarded             // for addresses and logins with too many tries
	lanes
)

const (
	Waiting  = 32              // how many hashes may wait for each that can be computed at a time
	WaitMost = 3 * time.Second // how long a hash waits at most
)

// Config says what hashes cost.
type Config struct {
	Slots        int    // how many are computed at a time; default: the number of processors, at most 4
	Memory, Time uint32 // Argon2id's parameters; default: 19,456 KiB and 2 passes
}

// New returns a Hasher.
func New(c Config) *Hasher {
	if c.Slots <= 0 {
		c.Slots = min(runtime.GOMAXPROCS(0), 4)
	}
	h := &Hasher{memory: cmp.Or(c.Memory, hashMemory), time: cmp.Or(c.Time, hashTime), adopting: make(chan struct{}, c.Slots)}
	for l, n := range [lanes]int{LaneNew: c.Slots, LaneKnown: (c.Slots + 1) / 2, LaneGuarded: (c.Slots + 3) / 4} {
		h.lanes[l] = queue{make(chan struct{}, n), make(chan struct{}, n*Waiting)}
	}
	return h
}

// Enter waits until a hash may be computed in a lane, and returns the function that leaves the
// lane. *Error: busy.
func (h *Hasher) Enter(ctx context.Context, l Lane) (leave func(), err error) {
	return h.lanes[l].enter(ctx)
}

// Computed returns how many hashes were computed.
func (h *Hasher) Computed() int64 { return h.computed.Load() }

// enter waits until a hash may be computed, and returns the function that leaves the queue.
func (h *queue) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-h.inside }
	select {
	case h.inside <- struct{}{}:
		return leave, nil
	default:
	}
	busy := &identity.Error{Reason: identity.ReasonBusy, Detail: "Too many people are logging in just now. Try again in a few seconds.", Retry: 5 * time.Second}
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, busy
	}
	timeout := time.NewTimer(WaitMost)
	defer timeout.Stop()
	select {
	case h.inside <- struct{}{}:
		return leave, nil
	case <-timeout.C:
		return nil, busy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// New checks a new password of an account and its person against the rules, and hashes it.
// *Error: password_short, password_long, password_characters, password_common,
// password_personal, busy.
func (h *Hasher) New(ctx context.Context, password string, a identity.Account, p identity.Party) (identity.PasswordHash, error) {
	if err := checkPassword(password, a, p); err != nil {
		return identity.PasswordHash{}, err
	}
	normal, _ := Normal(password)
	return h.make(ctx, normal)
}

// Renew hashes a password that has the old hash, at the current cost. It refuses what can't be a
// password, and what the old hash may not cover: nobody has shown that they know the rest.
func (h *Hasher) Renew(ctx context.Context, old identity.PasswordHash, password string) (identity.PasswordHash, error) {
	normal, ok := Normal(password)
	if !ok || normal == "" || cut(old, password) {
		return identity.PasswordHash{}, errors.New("renewing a password's hash: it can't be a password, or is longer than bcrypt covers")
	}
	return h.make(ctx, normal)
}

// make hashes a password for somebody who has shown that they may set it.
func (h *Hasher) make(ctx context.Context, password string) (identity.PasswordHash, error) {
	p := h.Blank()
	leave, err := h.lanes[LaneKnown].enter(ctx)
	if err != nil {
		return p, err
	}
	defer leave()
	h.computed.Add(1)
	p.Sum, err = argonSum(p, []byte(password))
	return p, err
}

// Blank returns a hash that no password has, with a new salt and the current cost.
func (h *Hasher) Blank() identity.PasswordHash {
	p := identity.PasswordHash{
		Algorithm: argon2id, Memory: h.memory, Time: h.time, Threads: hashLanes,
		Salt: make([]byte, saltBytes), Sum: make([]byte, sumBytes), Set: time.Now().UTC().Truncate(time.Second),
	}
	rand.Read(p.Salt)
	rand.Read(p.Sum)
	return p
}

// Matches reports whether a password has that hash. The empty password never matches. It always
// computes one hash, and takes the same time for every kind of hash: see even.
func (h *Hasher) Matches(ctx context.Context, p identity.PasswordHash, password string, l Lane) (bool, error) {
	leave, err := h.lanes[l].enter(ctx)
	if err != nil {
		return false, err
	}
	began := time.Now()
	right, err := h.compare(p, password, leave)
	h.even.note(began, time.Now(), !p.Inner.IsZero())
	h.even.wait(ctx, began)
	return right, err
}

// compare compares a password with a hash, and leaves the lane.
func (h *Hasher) compare(p identity.PasswordHash, password string, leave func()) (bool, error) {
	defer leave()
	h.computed.Add(1)
	if !p.Inner.IsZero() {
		return matchesInner(p, password)
	}
	normal, ok := Normal(password)
	sum, err := argonSum(p, []byte(normal))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, p.Sum) == 1 && ok && normal != "", nil
}

// argonSum computes Argon2id with a hash's parameters.
func argonSum(p identity.PasswordHash, password []byte) ([]byte, error) {
	if p.Algorithm != argon2id || p.Time < 1 || p.Threads < 1 || p.Memory > 1<<20 || len(p.Sum) < 16 || len(p.Sum) > 64 {
		return nil, fmt.Errorf("a password's hash is of an unknown kind: %q", p.Algorithm)
	}
	return argon2.IDKey(password, p.Salt, p.Time, p.Memory, p.Threads, uint32(len(p.Sum))), nil
}

// Outdated reports whether a password that has a hash is to be hashed anew; see [Hasher.Renew].
func (h *Hasher) Outdated(p identity.PasswordHash, password string) bool {
	if cut(p, password) {
		return false
	}
	return !p.Inner.IsZero() || p.Memory != h.memory || p.Time != h.time || p.Threads != hashLanes
}

// cut reports whether a hash may cover only the beginning of a password: bcrypt covers 72 bytes.
func cut(p identity.PasswordHash, password string) bool {
	return p.Inner.Scheme == schemeBcrypt && len(password) >= bcryptBytes
}

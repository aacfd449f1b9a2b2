package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// The cost of a password's hash: what OWASP's Password Storage Cheat Sheet asks
// at least of Argon2id, 19 MiB and two passes (RFC 9106 explains them). Raise it
// and hashes follow as their owners log in.
const (
	argon2id   = "argon2id"
	hashMemory = 19 * 1024 // KiB
	hashTime   = 2
	hashLanes  = 1
	saltBytes  = 16
	sumBytes   = 32
)

// hashing computes passwords' hashes, so many at a time; so many more wait.
// Each takes its memory and a processor for some 20 ms: without a bound, whoever
// sends passwords takes both from everybody. Who is known doesn't wait behind who
// isn't, nor who tries for the first time behind who has tried too often.
type hashing struct {
	memory, time uint32
	lanes        [lanes]queue
	computed     atomic.Int64
}

// queue is where hashes are computed and waited for.
type queue struct{ inside, waiting chan struct{} }

// lane names a queue.
type lane int

const (
	laneNew     lane = iota // of devices that the account doesn't know
	laneKnown               // of those that it does, and of people who set a password
	laneGuarded             // of addresses and logins with too many tries
	lanes
)

const (
	hashWaiting = 32              // hashes that wait, for each at a time
	hashWait    = 3 * time.Second // at most
)

func newHashing(slots int) *hashing {
	if slots <= 0 {
		slots = min(runtime.GOMAXPROCS(0), 4)
	}
	h := &hashing{memory: hashMemory, time: hashTime}
	for l, n := range [lanes]int{laneNew: slots, laneKnown: (slots + 1) / 2, laneGuarded: (slots + 3) / 4} {
		h.lanes[l] = queue{make(chan struct{}, n), make(chan struct{}, n*hashWaiting)}
	}
	return h
}

// enter waits until a hash may be computed, and returns how to leave again.
func (h *queue) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-h.inside }
	select {
	case h.inside <- struct{}{}:
		return leave, nil
	default:
	}
	busy := &Error{Reason: "busy", Detail: "Too many people are logging in just now. Try again in a few seconds.", Retry: 5 * time.Second}
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, busy
	}
	timeout := time.NewTimer(hashWait)
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

// make hashes a new password, of somebody who has shown that they may set it.
func (h *hashing) make(ctx context.Context, password string) (PasswordHash, error) {
	p := h.blank()
	sum, err := h.compute(ctx, p, password, laneKnown)
	p.Sum = sum
	return p, err
}

// blank returns a hash with a salt and the current cost, of no password.
func (h *hashing) blank() PasswordHash {
	p := PasswordHash{
		Algorithm: argon2id, Memory: h.memory, Time: h.time, Threads: hashLanes,
		Salt: make([]byte, saltBytes), Sum: make([]byte, sumBytes), Set: time.Now().UTC().Truncate(time.Second),
	}
	rand.Read(p.Salt)
	rand.Read(p.Sum)
	return p
}

// matches reports whether it is the password of that hash.
func (h *hashing) matches(ctx context.Context, p PasswordHash, password string, l lane) (bool, error) {
	sum, err := h.compute(ctx, p, password, l)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, p.Sum) == 1, nil
}

// compute is the one place where Argon2 runs.
func (h *hashing) compute(ctx context.Context, p PasswordHash, password string, l lane) ([]byte, error) {
	if p.Algorithm != argon2id || p.Time < 1 || p.Threads < 1 || p.Memory > 1<<20 || len(p.Sum) < 16 || len(p.Sum) > 64 {
		return nil, fmt.Errorf("a password's hash of a kind that isn't known: %q", p.Algorithm)
	}
	leave, err := h.lanes[l].enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	h.computed.Add(1)
	return argon2.IDKey([]byte(password), p.Salt, p.Time, p.Memory, p.Threads, uint32(len(p.Sum))), nil
}

// outdated reports whether a hash was made at another cost than today's.
func (h *hashing) outdated(p PasswordHash) bool {
	return p.Memory != h.memory || p.Time != h.time || p.Threads != hashLanes
}

// IsZero reports whether there is no password.
func (p PasswordHash) IsZero() bool { return p.Algorithm == "" }

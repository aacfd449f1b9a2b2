// Package limit counts what callers ask for, up to the limits that package api sets (its
// Limits): so much a minute by address and network or by a caller's id ([Rate]), so many
// failures in a row ([Failures]), and so many at a time ([Turnstile]). Each node counts for
// itself, in memory of a bounded size. What is counted across nodes, such as guesses at a
// password, is counted elsewhere.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate limits what each address, or each caller that has an id, may ask for. It keeps a
// bounded number of them, in two halves. When the newer half is full, it takes the place of
// the older one, and what was only in that is forgotten. So a caller who has many addresses
// gains one burst for each of them, and no more. Safe for concurrent use.
type Rate struct {
	every    rate.Limit
	burst    int
	mu       sync.Mutex
	new, old map[string]*rate.Limiter
}

// maxAddresses is how many networks and ids are kept.
const maxAddresses = 1 << 16

// NewRate returns a Rate of so many turns a minute, and so many at once. An address's
// network may take several times as many: of IPv4 a /24 20 times, of IPv6 a /56 4 times
// what a /64 may, and a /48 10 times.
func NewRate(perMinute, burst int) *Rate {
	return &Rate{every: rate.Limit(float64(perMinute) / 60), burst: burst, new: map[string]*rate.Limiter{}}
}

// WaitAddress counts one request of an address, with a body or query of so many bytes:
// one turn, and one more for each 2 KiB. It returns 0, or how long it takes until the
// next one is welcome; then it did not count.
func (l *Rate) WaitAddress(a netip.Addr, size int, now time.Time) time.Duration {
	return l.wait(networksOf(a), size, now)
}

// turns is how many turns a request takes: one, and one more for each 2 KiB.
func turns(size int) int { return 1 + size/2048 }

// network is a network that an address belongs to. share says how many times as much as one
// subscriber it may ask for.
type network struct {
	key   string
	share int
}

// networksOf returns the networks of an address that may belong to one customer, the narrowest
// first. With IPv4, one address is that of one subscriber, or of a thousand. With IPv6, the
// first 64 bits are one subscriber's.
func networksOf(a netip.Addr) []network {
	a = a.Unmap().WithZone("")
	widths := []struct{ bits, share int }{{32, 1}, {24, 20}}
	if a.Is6() {
		widths = []struct{ bits, share int }{{64, 1}, {56, 4}, {48, 10}}
	}
	var all []network
	for _, w := range widths {
		if p, err := a.Prefix(w.bits); err == nil {
			all = append(all, network{p.String(), w.share})
		}
	}
	if all == nil {
		return []network{{a.String(), 1}} // no address
	}
	return all
}

// Networks returns the networks that [Rate.WaitAddress] counts an address in, the
// narrowest first.
func Networks(a netip.Addr) []string {
	var all []string
	for _, n := range networksOf(a) {
		all = append(all, n.key)
	}
	return all
}

// WaitKey is WaitAddress for a caller that is known by an id.
func (l *Rate) WaitKey(key string, size int, now time.Time) time.Duration {
	return l.wait([]network{{key, 1}}, size, now)
}

// WaitShare is WaitKey for a caller who may ask for share times as much as others.
func (l *Rate) WaitShare(key string, share int, now time.Time) time.Duration {
	return l.wait([]network{{key, share}}, 0, now)
}

// wait counts a request's turns at all limiters; if one of them is used up, at none.
func (l *Rate) wait(networks []network, size int, now time.Time) time.Duration {
	var taken []*rate.Reservation
	for _, n := range networks {
		limiter := l.limiter(n.key, n.share)
		r := limiter.ReserveN(now, min(turns(size), l.burst))
		taken = append(taken, r)
		if wait := r.DelayFrom(now); wait > 0 {
			for _, r := range taken {
				r.CancelAt(now)
			}
			return wait
		}
	}
	return 0
}

func (l *Rate) limiter(prefix string, share int) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limiter, ok := l.new[prefix]; ok {
		return limiter
	}
	if len(l.new) >= maxAddresses/2 {
		l.old, l.new = l.new, map[string]*rate.Limiter{}
	}
	limiter, ok := l.old[prefix]
	if !ok {
		limiter = rate.NewLimiter(l.every*rate.Limit(share), l.burst*share)
	}
	l.new[prefix] = limiter
	return limiter
}

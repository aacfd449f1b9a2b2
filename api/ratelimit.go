package api

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// addressLimit limits what each address may ask for. It keeps a bounded number
// of addresses: when half are new, those not seen since the last turn are
// forgotten, so that whoever has many gains a burst for each and no more. Safe
// for concurrent use.
type addressLimit struct {
	every    rate.Limit
	burst    int
	mu       sync.Mutex
	new, old map[string]*rate.Limiter
}

const maxAddresses = 1 << 16

func newAddressLimit(perMinute, burst int) *addressLimit {
	return &addressLimit{every: rate.Limit(float64(perMinute) / 60), burst: burst, new: map[string]*rate.Limiter{}}
}

// wait counts one request of an address, with a body or query of so many bytes. It
// returns 0, or how long it takes until the next one is welcome; then it did not count.
func (l *addressLimit) wait(a netip.Addr, size int, now time.Time) time.Duration {
	return l.waitAt(networksOf(a), turns(size), now)
}

// turns is how many turns a request takes: one, and one more for each 2 KiB.
func turns(size int) int { return 1 + size/2048 }

// network is one that an address is in, and how many times what one subscriber may
// ask for it may.
type network struct {
	key   string
	share int
}

// networksOf returns the networks of an address that may be one customer's, the
// narrowest first. Of IPv4 the whole address is a subscriber's, or a thousand's; of
// IPv6 the first 64 bits.
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

// waitFor is wait for any key that begins with an address, or is somebody's id.
func (l *addressLimit) waitFor(key string, turns int, now time.Time) time.Duration {
	return l.waitAt([]network{{key, 1}}, turns, now)
}

// waitAt counts turns at all limiters, or at none.
func (l *addressLimit) waitAt(networks []network, turns int, now time.Time) time.Duration {
	var taken []*rate.Reservation
	for _, n := range networks {
		limiter := l.limiter(n.key, n.share)
		r := limiter.ReserveN(now, min(turns, l.burst))
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

func (l *addressLimit) limiter(prefix string, share int) *rate.Limiter {
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

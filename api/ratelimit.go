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

// wait counts one request of an address. It returns 0, or how long it takes
// until the next one is welcome; then it did not count.
func (l *addressLimit) wait(a netip.Addr, now time.Time) time.Duration {
	network := networkPrefix(a)
	if network == "" {
		return l.waitFor(addressPrefix(a), now)
	}
	if wait := l.waitFor(addressPrefix(a), now); wait > 0 {
		return wait
	}
	return l.waiting(l.limiter(network, networkShare), networkShare, now)
}

// networkShare is how many times what one IPv6 subscriber may ask for its whole
// network of 48 bits may, which one customer can have alone.
const networkShare = 10

// networkPrefix returns the network of 48 bits of an IPv6 address, or "".
func networkPrefix(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return ""
	}
	p, err := a.Prefix(48)
	if err != nil {
		return ""
	}
	return p.String()
}

// waitFor is wait for any key that begins with an address.
func (l *addressLimit) waitFor(key string, now time.Time) time.Duration {
	return l.waiting(l.limiter(key, 1), 1, now)
}

// waiting counts one request at a limiter that has a share of the limit.
func (l *addressLimit) waiting(limiter *rate.Limiter, share int, now time.Time) time.Duration {
	if limiter.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - limiter.TokensAt(now)) / (float64(l.every) * float64(share)) * float64(time.Second))
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

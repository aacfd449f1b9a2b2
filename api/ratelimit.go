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
	return l.waitFor(addressPrefix(a), now)
}

// waitFor is wait for any key that begins with an address.
func (l *addressLimit) waitFor(key string, now time.Time) time.Duration {
	limiter := l.limiter(key)
	if limiter.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - limiter.TokensAt(now)) / float64(l.every) * float64(time.Second))
}

func (l *addressLimit) limiter(prefix string) *rate.Limiter {
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
		limiter = rate.NewLimiter(l.every, l.burst)
	}
	l.new[prefix] = limiter
	return limiter
}

package limit_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"yizheng.internal/api/limit"
)

// A network is one customer's, who must not have a limit for each of the addresses
// in it.
func TestRateOfNetwork(t *testing.T) {
	t.Parallel()
	l := limit.NewRate(60, 2)
	now := time.Now()
	asks := func(network string, subnets, step int) (taken int) {
		base := netip.MustParseAddr(network).As16()
		for i := range subnets {
			binary.BigEndian.PutUint16(base[6:], uint16(i*step))
			if l.WaitAddress(netip.AddrFrom16(base), 0, now) == 0 {
				taken++
			}
		}
		return taken
	}
	for what, c := range map[string]struct{ got, want int }{
		"100 subnets of a /56":        {asks("2001:db8:1::1", 100, 1), 2 * 4},
		"100 subnets of a /48":        {asks("2001:db8:2::1", 100, 256), 2 * 10},
		"another network's subnets":   {asks("2001:db8:3::1", 3, 1), 3},
		"other /56s of the first /48": {asks("2001:db8:1::1", 4, 256), 3}, // the first of these is used up
	} {
		if c.got != c.want {
			t.Errorf("%s asked %d times, want %d", what, c.got, c.want)
		}
	}
	if wait := l.WaitAddress(netip.MustParseAddr("2001:db8:2:ffff::1"), 0, now); wait <= 0 || wait > time.Second {
		t.Errorf("the network's next turn is in %v, want a tenth of a second", wait)
	}
	v4 := netip.MustParseAddr("198.51.100.7")
	for i := range 3 {
		if wait := l.WaitAddress(v4, 0, now); (wait == 0) != (i < 2) {
			t.Errorf("IPv4, try %d: waits %v", i, wait)
		}
	}
	taken := 0
	for i := range 200 {
		if l.WaitAddress(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 0, now) == 0 {
			taken++
		}
	}
	if taken != 2*20 {
		t.Errorf("200 addresses of a /24 asked %d times, want 40", taken)
	}
}

// A large request takes several turns, and one that is refused none.
func TestRateOfBytes(t *testing.T) {
	t.Parallel()
	l := limit.NewRate(60, 10)
	now, a := time.Now(), netip.MustParseAddr("198.51.100.7")
	for i, c := range []struct {
		size  int
		taken bool
	}{{4096, true}, {4096, true}, {10_000, false}, {10_000, false}, {6144, true}, {0, false}} {
		if wait := l.WaitAddress(a, c.size, now); (wait == 0) != c.taken {
			t.Errorf("request %d of %d bytes: waits %v", i, c.size, wait)
		}
	}
	if wait := l.WaitAddress(netip.MustParseAddr("198.51.100.8"), 1<<20, now); wait != 0 {
		t.Errorf("the largest request never gets its turn: %v", wait)
	}
}

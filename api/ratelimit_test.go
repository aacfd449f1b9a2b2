package api

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// A network of 48 bits is one customer's, who must not have a limit for each of
// the 65,536 networks in it.
func TestAddressLimitOfNetwork(t *testing.T) {
	l := newAddressLimit(60, 2)
	now := time.Now()
	asks := func(network string, subnets int) (taken int) {
		base := netip.MustParseAddr(network).As16()
		for i := range subnets {
			binary.BigEndian.PutUint16(base[6:], uint16(i))
			if l.wait(netip.AddrFrom16(base), now) == 0 {
				taken++
			}
		}
		return taken
	}
	if got := asks("2001:db8:1::1", 100); got != 2*networkShare {
		t.Errorf("100 subnets of one network asked %d times, want %d", got, 2*networkShare)
	}
	if got := asks("2001:db8:2::1", 3); got != 3 {
		t.Errorf("another network's subnets asked %d times, want 3", got)
	}
	if wait := l.wait(netip.MustParseAddr("2001:db8:1:ffff::1"), now); wait <= 0 || wait > time.Second {
		t.Errorf("the network's next turn is in %v, want a tenth of a second", wait)
	}
	v4 := netip.MustParseAddr("198.51.100.7")
	for i := range 3 {
		if wait := l.wait(v4, now); (wait == 0) != (i < 2) {
			t.Errorf("IPv4, try %d: waits %v", i, wait)
		}
	}
}

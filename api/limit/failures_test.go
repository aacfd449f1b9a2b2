package limit_test

import (
	"net/netip"
	"testing"
	"time"

	"yizheng.internal/api/limit"
)

func TestFailures(t *testing.T) {
	t.Parallel()
	l, now := limit.NewFailures(), time.Now()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range limit.FailureBurst {
		if l.Fail("x", a, now) != 0 {
			t.Fatal("limited within the burst")
		}
	}
	if wait := l.Fail("x", a, now); wait <= 0 || wait > time.Minute/limit.FailurePerMinute {
		t.Errorf("wait is %v", wait)
	}
	if l.Fail("x", b, now) != 0 || l.Fail("y", a, now) != 0 {
		t.Error("another address or client is limited too")
	}
	if l.Fail("x", netip.MustParseAddr("::ffff:192.0.2.1"), now) == 0 {
		t.Error("the same address in its IPv6 form is another")
	}
	if l.Fail("x", a, now.Add(time.Minute)) != 0 {
		t.Error("limited for ever")
	}
	one, same := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1%eth0")
	for range limit.FailureBurst {
		l.Fail("x", one, now)
	}
	if l.Fail("x", same, now) == 0 {
		t.Error("within one /64 the addresses count apart")
	}
}

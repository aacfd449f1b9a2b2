package api

import (
	"crypto/sha256"
	"net/netip"
	"time"
)

// failureLimiter counts failed authentications by client and address together,
// so that nobody can use up another's tries. It is bounded as addressLimit is.
// Safe for concurrent use.
type failureLimiter struct{ limit *addressLimit }

// How many failures in a row, and how many a minute after that, are answered
// as what they are.
const (
	failureBurst     = 10
	failurePerMinute = 10
)

func newFailureLimiter() failureLimiter {
	return failureLimiter{newAddressLimit(failurePerMinute, failureBurst)}
}

// fail counts a failure and returns 0, or, if there were too many, how long it
// takes until one more is welcome.
func (l failureLimiter) fail(client string, from netip.Addr, now time.Time) time.Duration {
	sum := sha256.Sum256([]byte(client)) // what is claimed as an id may be long
	return l.limit.waitFor(networksOf(from)[0].key+" "+string(sum[:]), 1, now)
}

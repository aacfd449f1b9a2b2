package limit

import (
	"crypto/sha256"
	"net/netip"
	"time"
)

// Failures counts failed authentications by client and address together, so that
// nobody can use up another's tries. It is bounded as [Rate] is. Safe for concurrent use.
type Failures struct{ rate *Rate }

// So many failures at once, and so many a minute after that, are answered as failed
// authentications. Those beyond are answered as too many.
const (
	FailureBurst     = 10
	FailurePerMinute = 10
)

// NewFailures returns a Failures that has counted nothing yet.
func NewFailures() Failures {
	return Failures{NewRate(FailurePerMinute, FailureBurst)}
}

// Fail counts a failure and returns 0, or, if there were too many, how long it
// takes until one more is welcome.
func (l Failures) Fail(client string, from netip.Addr, now time.Time) time.Duration {
	sum := sha256.Sum256([]byte(client)) // what is claimed as an id may be long
	return l.rate.WaitKey(networksOf(from)[0].key+" "+string(sum[:]), 0, now)
}

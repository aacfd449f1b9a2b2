package signing

import "time"

// KeySetAge is how long others may cache the published keys that ID tokens are verified
// with.
const KeySetAge = 5 * time.Minute

// Settle is how long a next key must be published before it is activated: until every node
// has read its record, and everybody who verifies ID tokens has a key set with it. If the
// ring has no active key, SettleNodes is long enough.
func Settle(p Purpose) time.Duration {
	if p == PurposeIDToken || p == PurposeIDTokenRSA {
		return KeySetAge + SettleNodes
	}
	return SettleNodes
}

// SettleNodes is how long it takes until every node knows of a change: twice the time for
// which a reading of the records is cached.
const SettleNodes = 2 * defaultFresh

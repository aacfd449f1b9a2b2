package signing

import "time"

// KeySetAge is how long others may keep the published keys that ID tokens are
// verified with.
const KeySetAge = 5 * time.Minute

// Settle is how long a next key of a purpose is to be known before it is
// activated, so that every node has read of it, and whoever verifies ID tokens
// has a key set with it in. Where no key is active, nodes alone are waited for.
func Settle(p Purpose) time.Duration {
	if p == PurposeIDToken || p == PurposeIDTokenRSA {
		return KeySetAge + SettleNodes
	}
	return SettleNodes
}

// SettleNodes is after how long every node knows of a change: twice the time that a reading
// of the records serves.
const SettleNodes = 2 * defaultFresh

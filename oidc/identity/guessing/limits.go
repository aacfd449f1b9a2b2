package guessing

import (
	"time"

	"yizheng.internal/oidc/identity/tries"
)

// The limits of passwords. docs/design/0004-who-somebody-is.md gives the reasons. When a
// limit of unknown devices is used up, nobody is refused: from then on the answer to the
// password is withheld until a code confirms the login, see factor.Challenge.
var (
	ofDevice       = tries.Limit{Name: "device", Most: 10, Window: time.Hour}            // a known device of an account; beyond, it is unknown
	ofLoginAddress = tries.Limit{Name: "login-address", Most: 5, Window: time.Hour}      // a login from one address
	ofLoginDay     = tries.Limit{Name: "login-day", Most: 10, Window: 24 * time.Hour}    // a login from all addresses
	ofLoginMonth   = tries.Limit{Name: "login-month", Most: 30, Window: 720 * time.Hour} // the same, without a day's first tries, see monthAfter
	ofAddress      = tries.Limit{Name: "address", Most: 30, Window: time.Hour}           // an address with all logins, against spraying
	ofNetwork      = tries.Limit{Name: "network", Most: 300, Window: time.Hour}          // an IPv6 network of 48 bits, likewise
)

// The limits of an account, for all that is typed for it: name, phone and numbers in turn.
// Nobody can see that one of them is used up: then the right password gets the answer of a
// wrong one, until the limits of what was typed are used up, too. So they are a little wider.
var (
	ofAccountAddress = tries.Limit{Name: "account-address", Most: 8, Window: time.Hour}
	ofAccountDay     = tries.Limit{Name: "account-day", Most: 15, Window: 24 * time.Hour}
	ofAccountMonth   = tries.Limit{Name: "account-month", Most: 40, Window: 720 * time.Hour}
	ofDevices        = tries.Limit{Name: "devices", Most: 15, Window: time.Hour} // all known devices of an account
	// ofKnown limits the hashes that an account gets in the lane of known devices, those of
	// right passwords included: one account in a loop must not fill the lane.
	ofKnown = tries.Limit{Name: "known", Most: 60, Window: time.Hour}
)

// Beyond these limits an address or a network is refused within their windows of an hour, because
// what is to be checked costs work. Tries of passkeys, of which nothing else is counted by address,
// have them, too.
const (
	MostOfAddress = 1000
	MostOfNetwork = 5000
)

// monthAfter is how many tries a day don't count for the month, so that a name that is tried
// once isn't stored for a month.
const monthAfter = 2

package oidc

import (
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"yizheng.internal/oidc/identity/factor"
)

// What several packages of the provider share.

// ChangeTries is how many times a change is tried when other processes keep changing
// the same record.
const ChangeTries = 5

// MaxListed is how many sessions, families or consents of a person are listed at most,
// the newest first.
const MaxListed = 1000

// DomainParty is the domain of the lookup keys that are made from parties' ids.
const DomainParty = "oidc.party"

// SameText reports whether two texts are equal, in a time that doesn't tell where they differ.
func SameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// IsText reports whether s is UTF-8 without control characters.
func IsText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Distinct returns the texts sorted and without repetitions.
func Distinct[S ~string](all []S) []S {
	return slices.Compact(slices.Sorted(slices.Values(all)))
}

// AuthTime returns when whoever logged in at a time was authenticated, in seconds since 1970: earlier, if another
// provider says that it was (OpenID Connect Core section 2).
func AuthTime(loggedIn int64, proofs []factor.Proof) int64 {
	for _, p := range proofs {
		if p.At > 0 {
			loggedIn = min(loggedIn, p.At)
		}
	}
	return loggedIn
}

// ACR returns the authentication context class of an assurance, 0 to 3.
func ACR(assurance factor.Assurance) string {
	return "urn:yizheng:assurance:" + strconv.Itoa(int(assurance))
}

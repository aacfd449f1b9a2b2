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

// What all rooms of the provider do alike.

// ChangeTries is how often a change is tried again when another process
// changed the same record in between.
const ChangeTries = 5

// MaxListed is how many sessions or families of a person are looked at, the
// newest first.
const MaxListed = 1000

// DomainParty is the domain of lookup keys of parties' ids.
const DomainParty = "oidc.party"

// SameText compares two texts in a time that doesn't say where they differ.
func SameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// IsText reports whether s is UTF-8 without control characters.
func IsText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Distinct returns the texts sorted, each once.
func Distinct[S ~string](all []S) []S {
	return slices.Compact(slices.Sorted(slices.Values(all)))
}

// ACR returns the authentication context class of an assurance, 0 to 3.
func ACR(assurance factor.Assurance) string {
	return "urn:yizheng:assurance:" + strconv.Itoa(int(assurance))
}

// Package factor knows the factors with which people prove who they are, a file each, and how
// sure a login is in which some of them were proved.
package factor

import (
	"slices"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Name names a factor. It stands in sealed records: never change one.
type Name string

// Kind is what a factor proves of somebody (NIST SP 800-63B-4 section 2).
type Kind uint8

// The kinds. Something the person is has none: an authenticator that asks for a finger
// verifies its user by it, see [Proof].
const (
	Known Kind = iota + 1 // something the person knows
	Held                  // something the person holds
)

// Definition is what there is to know of a factor before anybody proves it.
type Definition struct {
	Name     Name
	Methods  []string  // what it is called in the amr claim (RFC 8176)
	Kind     Kind      // what it proves
	Strength Assurance // what a login reaches in which it is the only one
	Verified Assurance // likewise, where the authenticator verified its user; 0: it never does
	Phone    bool      // it reaches the person by the account's phone
	// Of returns the account's authenticators of this factor; nil: those in the account's
	// list that have its name.
	Of func(identity.Account) []identity.Authenticator
	// Tries are the actions that are tries to prove it, with what metrics call each.
	Tries map[journal.Action]string
	// Sends is the action of sending something with which it is proved, and Channel what
	// metrics call the way; empty: nothing is sent.
	Sends   journal.Action
	Channel string

	prover func(*tools) Factor
}

// Definitions are factors, in the order in which people are asked for them.
type Definitions []Definition

// All returns the factors that there are. A further one is a file of its own and a line here.
func All() Definitions { return all }

var all = Definitions{
	byPassword,
	byPhone,
}

// find returns the definition of a name; one that isn't known proves nothing.
func (ds Definitions) find(n Name) (Definition, bool) {
	i := slices.IndexFunc(ds, func(d Definition) bool { return d.Name == n })
	if i < 0 {
		return Definition{}, false
	}
	return ds[i], true
}

// authenticators returns an account's authenticators of the factor.
func (d *Definition) authenticators(a identity.Account) (of []identity.Authenticator) {
	if d.Of != nil {
		return d.Of(a)
	}
	for _, x := range a.Authenticators {
		if x.Factor == string(d.Name) {
			of = append(of, x)
		}
	}
	return of
}

// Authenticators returns all that an account has, in the order of the factors.
func (ds Definitions) Authenticators(a identity.Account) (all []identity.Authenticator) {
	for _, d := range ds {
		all = append(all, d.authenticators(a)...)
	}
	return all
}

// Of returns the factors that an account can be asked for.
func (ds Definitions) Of(a identity.Account) (names []Name) {
	for _, d := range ds {
		if len(d.authenticators(a)) > 0 {
			names = append(names, d.Name)
		}
	}
	return names
}

// Methods returns the amr claim of a login (OpenID Connect Core section 2, RFC 8176): what
// was proved, in its order, and mfa if it was more than one factor.
func (ds Definitions) Methods(proofs []Proof) []string {
	var methods []string
	for _, p := range proofs {
		d, _ := ds.find(p.Factor)
		methods = append(methods, d.Methods...)
	}
	if ds.strength(proofs) >= twoFactors {
		methods = append(methods, "mfa")
	}
	return methods
}

// Package factor knows the factors with which people prove who they are, each in a file of its
// own, and computes how sure a login is from the factors that were proved.
package factor

import (
	"slices"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Name names a factor. Never change a name: sealed records contain it.
type Name string

// Kind is what a factor proves about somebody (NIST SP 800-63B-4 section 2).
type Kind uint8

// The kinds. There is no kind for something that the person is: an authenticator that asks
// for a finger uses it to verify its user, see [Proof].
const (
	Known Kind = iota + 1 // something the person knows
	Held                  // something the person holds
)

// Definition describes a factor, independent of any proof.
type Definition struct {
	Name     Name
	Methods  []string  // its names in the amr claim (RFC 8176)
	Kind     Kind      // what it proves
	Strength Assurance // the assurance of a login with this factor alone
	Verified Assurance // the same if the authenticator verified its user; 0: it never does
	Phone    bool      // it reaches the person by the account's phone
	// Of returns the account's authenticators of this factor; nil: those in the account's
	// list that have the factor's name.
	Of func(identity.Account) []identity.Authenticator
	// Best returns the strongest proof that an account's owner can give; nil: a verified one, if the factor has such.
	Best func(identity.Account) Proof
	// Tries has the actions that are tries to prove the factor, with their names in metrics.
	Tries map[journal.Action]string
	// Sends is the action of sending something for the proof, and Channel is the name of
	// the way in metrics; empty: nothing is sent.
	Sends   journal.Action
	Channel string

	prover func(*tools) Factor // nil: nobody is asked for it
}

// Definitions are factors, in the order in which people are asked for them.
type Definitions []Definition

// All returns all factors. A new factor needs a file of its own and a line below.
func All() Definitions { return all }

var all = Definitions{
	byPassword,
	byPasskey,
	byCertificate,
	byTOTP,
	byPhone,
	byRecovery,
	byUpstream,
}

// find returns the definition of the factor with a name, or false if there is none.
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

// Authenticators returns all authenticators of an account, in the order of the factors.
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

// Methods returns the amr claim of a login (OpenID Connect Core section 2, RFC 8176): the
// methods of the proofs, in their order, mfa if the proofs' strength is 2 or more, and mca if
// any came from another device.
func (ds Definitions) Methods(proofs []Proof) []string {
	var methods []string
	add := func(m string) {
		if !slices.Contains(methods, m) { // a password that was relayed, and then typed here
			methods = append(methods, m)
		}
	}
	for _, p := range proofs {
		d, _ := ds.find(p.Factor)
		for _, m := range d.Methods {
			add(m)
		}
	}
	if ds.Strength(proofs) >= twoFactors {
		add("mfa")
	}
	if Relayed(proofs) {
		add("mca")
	}
	return methods
}

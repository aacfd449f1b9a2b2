package factor

import (
	"slices"
	"strings"
)

// Assurance is how sure it is who logged in, 0 to 3: the least of how well the person's
// identity was proofed and how strong their proofs were. [Definitions.Assurance] computes
// it; what is demanded of a login is one, too.
type Assurance int

const (
	nothing    Assurance = iota
	oneFactor            // one factor was proved
	twoFactors           // two of different kinds
	resistant            // one that resists phishing and verified its user
)

// Proof is one factor as a login proved it.
type Proof struct {
	Factor   Name
	Verified bool   // the authenticator verified its user, by a PIN or a finger (WebAuthn, flag UV)
	Phone    string // the phone by which it reached the person; empty: of a factor that comes by phone the account's, else none
}

// String returns the proof as it is stored: the factor's name, +uv where the authenticator
// verified its user, and @ with the phone if it is another one than the factor says.
func (p Proof) String() string {
	s := string(p.Factor)
	if p.Verified {
		s += verifiedMark
	}
	if p.Phone != "" {
		s += "@" + p.Phone
	}
	return s
}

const verifiedMark = "+uv"

// MarshalText implements [encoding.TextMarshaler].
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. A factor that isn't known
// proves nothing.
func (p *Proof) UnmarshalText(text []byte) error {
	rest, phone, _ := strings.Cut(string(text), "@")
	name, verified := strings.CutSuffix(rest, verifiedMark)
	*p = Proof{Name(name), verified, phone}
	return nil
}

// accountPhone stands for the phone of an account where a proof names none.
const accountPhone = "account"

// evidence is what of a proof counts.
type evidence struct {
	Kind
	strength Assurance
	phone    string // by which it came; empty: by none
}

// weigh returns what a proof counts for: nothing, if its factor isn't known.
func (ds Definitions) weigh(p Proof) evidence {
	d, ok := ds.find(p.Factor)
	if !ok {
		return evidence{}
	}
	e := evidence{d.Kind, d.Strength, p.Phone}
	if p.Verified {
		e.strength = max(e.strength, d.Verified)
	}
	if d.Phone && e.phone == "" {
		e.phone = accountPhone
	}
	return e
}

// strength returns how strong proofs are together: as the strongest, or 2 if two of them are
// of different kinds and didn't come by the same phone. Several of one kind are one factor
// (NIST SP 800-63B-4 section 2.2): whoever took the bag has both.
func (ds Definitions) strength(proofs []Proof) Assurance {
	strongest := nothing
	for i, p := range proofs {
		one := ds.weigh(p)
		strongest = max(strongest, one.strength)
		if slices.ContainsFunc(proofs[:i], func(q Proof) bool { return ds.weigh(q).independent(one) }) {
			strongest = max(strongest, twoFactors)
		}
	}
	return strongest
}

// independent reports whether who can show one of them needn't be able to show the other.
func (e evidence) independent(other evidence) bool {
	return e.strength > nothing && other.strength > nothing && e.Kind != other.Kind && (e.phone == "" || e.phone != other.phone)
}

// Assurance returns the assurance of a login in which those factors were proved, of
// somebody whose identity was proofed to a level (0 to 3): no login is surer than that.
func (ds Definitions) Assurance(proofing int, proofs []Proof) Assurance {
	return min(Assurance(proofing), ds.strength(proofs))
}

// Further returns which of the factors that somebody has would bring a login, in which
// those were proved, to a strength.
func (ds Definitions) Further(proofs []Proof, has []Name, need Assurance) (names []Name) {
	for _, n := range has {
		if ds.strength(append(slices.Clone(proofs), ds.best(n))) >= need {
			names = append(names, n)
		}
	}
	return names
}

// best returns the strongest proof that there can be of a factor.
func (ds Definitions) best(n Name) Proof {
	d, _ := ds.find(n)
	return Proof{Factor: n, Verified: d.Verified > nothing}
}

// Most returns the highest assurance that a login can reach with the factors there are.
func (ds Definitions) Most() Assurance {
	var proofs []Proof
	for _, d := range ds {
		proofs = append(proofs, ds.best(d.Name))
	}
	return ds.strength(proofs)
}

package factor

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
)

// Assurance says how sure it is who logged in, 0 to 3: the lesser of the level to which the
// person's identity was proofed and the strength of their proofs. [Definitions.Assurance]
// computes it. What is demanded of a login is an Assurance, too.
type Assurance int

const (
	nothing    Assurance = iota
	oneFactor            // one factor was proved
	twoFactors           // two factors of different kinds were proved
	resistant            // a factor was proved that resists phishing and verified its user
)

// Proof is one factor as a login proved it.
type Proof struct {
	Factor   Name
	Verified bool // the authenticator verified its user, by a PIN or a finger (WebAuthn, flag UV)
	// Relayed says that it was proved at another device, whose session lent it: it counts for
	// two factors at the most, for nobody knows who sits at this one.
	Relayed bool
	// Phone is the phone by which the factor reached the person. Empty: the account's phone,
	// if the factor comes by phone; otherwise none.
	Phone string
	// Strength is of [Upstream] and [Certificate]: how strong the login there was, or the certificate's key is, as far
	// as it counts here. At is of Upstream alone: when that login was, in seconds since 1970; 0: when it was told of.
	Strength Assurance
	At       int64
	// Channel is of [Certificate]: it was the connection's. Whether the key was used just now isn't known, so nothing
	// rests on it that asks for a login of just now.
	Channel bool
}

// String returns the proof as it is stored: the factor's name, then +uv if the authenticator
// verified its user, then ~ if it was relayed, ^ if it was the connection's, then = with the strength and ; with the time if there is a strength,
// then @ and the phone if Phone is set.
func (p Proof) String() string {
	s := string(p.Factor)
	if p.Verified {
		s += verifiedMark
	}
	if p.Relayed {
		s += relayedMark
	}
	if p.Channel {
		s += channelMark
	}
	if p.Strength > nothing {
		s += "=" + strconv.Itoa(int(p.Strength)) + ";" + strconv.FormatInt(p.At, 10)
	}
	if p.Phone != "" {
		s += "@" + p.Phone
	}
	return s
}

// Marks of a stored proof. A version that doesn't know one takes it for a part of the factor's
// name, and the proof for nothing.
const (
	verifiedMark = "+uv"
	relayedMark  = "~"
	channelMark  = "^"
)

// MarshalText implements [encoding.TextMarshaler].
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. It accepts unknown factors, which
// prove nothing.
func (p *Proof) UnmarshalText(text []byte) error {
	rest, phone, _ := strings.Cut(string(text), "@")
	rest, told, _ := strings.Cut(rest, "=")
	rest, channel := strings.CutSuffix(rest, channelMark)
	rest, relayed := strings.CutSuffix(rest, relayedMark)
	name, verified := strings.CutSuffix(rest, verifiedMark)
	*p = Proof{Factor: Name(name), Verified: verified, Relayed: relayed, Channel: channel, Phone: phone}
	if strength, at, ok := strings.Cut(told, ";"); ok && len(strength) == 1 && strength > "0" && strength <= "2" {
		p.Strength = Assurance(strength[0] - '0')
		p.At, _ = strconv.ParseInt(at, 10, 64) // 0 if it is none
	}
	return nil
}

// accountPhone stands for the account's phone, if a proof names no phone, and anyPhone for a phone that isn't
// known and may be any.
const (
	accountPhone = "account"
	anyPhone     = "any"
)

// evidence is what counts about a proof.
type evidence struct {
	Kind
	strength Assurance
	phone    string // the phone by which the proof came; empty: none
}

// weigh returns what a proof counts for. If its factor isn't known, it counts for nothing.
func (ds Definitions) weigh(p Proof) evidence {
	d, ok := ds.find(p.Factor)
	if !ok {
		return evidence{}
	}
	e := evidence{d.Kind, d.Strength, p.Phone}
	if p.Verified {
		e.strength = max(e.strength, d.Verified)
	}
	if p.Factor == Certificate {
		e.strength = max(e.strength, min(p.Strength, twoFactors))
	}
	if p.Relayed {
		e.strength = min(e.strength, twoFactors)
	}
	if d.Phone && e.phone == "" {
		e.phone = accountPhone
	}
	if p.Factor == Upstream { // what they logged in with there may be the same password, or a code to the same phone
		e.strength, e.phone = min(p.Strength, twoFactors), anyPhone
	}
	return e
}

// Strength returns how strong proofs are together: as strong as the strongest, but at least 2
// if two of them are of different kinds and didn't come by the same phone. Several proofs of one
// kind count as one factor (NIST SP 800-63B-4 section 2.2): a thief of a bag gets all in it.
func (ds Definitions) Strength(proofs []Proof) Assurance {
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

// independent reports whether somebody can have one piece of evidence without the other.
func (e evidence) independent(other evidence) bool {
	phones := e.phone != "" && other.phone != "" && (e.phone == other.phone || e.phone == anyPhone || other.phone == anyPhone)
	return e.strength > nothing && other.strength > nothing && e.Kind != other.Kind && !phones
}

// Assurance returns the assurance of a login with some proofs, by somebody whose identity was
// proofed to a level (0 to 3). It is never above that level.
func (ds Definitions) Assurance(proofing int, proofs []Proof) Assurance {
	return min(Assurance(proofing), ds.Strength(proofs))
}

// Further returns the factors of those proofs in can, each of which would raise a login with these
// proofs to the strength need.
func (ds Definitions) Further(proofs, can []Proof, need Assurance) (names []Name) {
	for _, p := range can {
		if ds.Strength(append(slices.Clone(proofs), p)) >= need {
			names = append(names, p.Factor)
		}
	}
	return names
}

// Best returns the strongest proof that an account's owner can give now of each factor that the account has.
func (ds Definitions) Best(a identity.Account, now time.Time) (can []Proof) {
	for _, n := range ds.Of(a) {
		switch d, _ := ds.find(n); {
		case n == Password:
			can = append(can, PasswordProof(a, now))
		case d.Best != nil:
			can = append(can, d.Best(a))
		default:
			can = append(can, ds.best(n))
		}
	}
	return can
}

// PasswordProof returns what an account's right password proves now. While the phone waits, it proves no
// more beside a code than the phone does: see [identity.Account].PhoneWaits.
func PasswordProof(a identity.Account, now time.Time) Proof {
	p := Proof{Factor: Password}
	if a.Waits(now) {
		p.Phone = accountPhone
	}
	return p
}

// best returns the strongest possible proof of a factor.
func (ds Definitions) best(n Name) Proof {
	d, _ := ds.find(n)
	return Proof{Factor: n, Verified: d.Verified > nothing}
}

// Most returns the highest assurance that a login can reach with all these factors.
func (ds Definitions) Most() Assurance {
	var all []Proof
	for _, d := range ds {
		all = append(all, ds.best(d.Name))
	}
	return ds.Strength(all)
}

// Relay returns proofs as another device has them that borrows them: each marked as relayed.
func Relay(proofs []Proof) []Proof {
	lent := slices.Clone(proofs)
	for i := range lent {
		lent[i].Relayed = true
	}
	return lent
}

// Elsewhere reports whether something was proved at another provider.
func Elsewhere(proofs []Proof) bool {
	return slices.ContainsFunc(proofs, func(p Proof) bool { return p.Factor == Upstream })
}

// ByChannel reports whether anything was proved by the connection's certificate.
func ByChannel(proofs []Proof) bool {
	return slices.ContainsFunc(proofs, func(p Proof) bool { return p.Channel })
}

// Relayed reports whether any of the proofs was relayed.
func Relayed(proofs []Proof) bool {
	return slices.ContainsFunc(proofs, func(p Proof) bool { return p.Relayed })
}

package factor

import (
	"encoding/json"
	"slices"
	"testing"
)

// The factors of which the rule must be able to speak before they are there.
const (
	totp     Name = "totp"
	recovery Name = "recovery"
)

// someday are the factors that there are, and those that are to come.
var someday = slices.Concat(All(), Definitions{
	{Name: totp, Methods: []string{"otp"}, Kind: Held, Strength: oneFactor},
	{Name: recovery, Methods: []string{"otp"}, Kind: Held, Strength: oneFactor},
})

var (
	pwd       = Proof{Factor: Password}
	code      = Proof{Factor: PhoneCode}
	byLink    = Proof{Factor: Password, Phone: accountPhone} // a password whose link came by the phone
	elsewhere = Proof{Factor: PhoneCode, Phone: "work"}
	key       = Proof{Factor: Passkey}
	keyUV     = Proof{Factor: Passkey, Verified: true}
	otp       = Proof{Factor: totp}
	spare     = Proof{Factor: recovery}
	pwdAway   = Proof{Factor: Password, Relayed: true}
	codeAway  = Proof{Factor: PhoneCode, Relayed: true}
	keyAway   = Proof{Factor: Passkey, Verified: true, Relayed: true}
	there     = Proof{Factor: Upstream, Strength: 1, At: 1764590000}
	thereBy2  = Proof{Factor: Upstream, Strength: 2}
)

func TestAssurance(t *testing.T) {
	for _, tt := range []struct {
		name     string
		proofing int
		proofs   []Proof
		want     Assurance
	}{
		{"nothing", 3, nil, 0},
		{"a password", 3, []Proof{pwd}, 1},
		{"a code alone", 3, []Proof{code}, 1},
		{"a password and a code", 3, []Proof{pwd, code}, 2},
		{"in the other order", 3, []Proof{code, pwd}, 2},
		{"the same one twice", 3, []Proof{pwd, pwd}, 1},
		{"a passkey with user verification", 3, []Proof{keyUV}, 3},
		{"a passkey without", 3, []Proof{key}, 1},
		{"a password and a passkey without", 3, []Proof{pwd, key}, 2},
		{"a password and a passkey with", 3, []Proof{pwd, keyUV}, 3},
		{"a password and TOTP", 3, []Proof{pwd, otp}, 2},
		{"two that are held", 3, []Proof{otp, code}, 1},
		{"a passkey without and a code, both held", 3, []Proof{key, code}, 1},
		{"two that are held, and a password", 3, []Proof{otp, code, pwd}, 2},
		{"a password and a recovery code", 3, []Proof{pwd, spare}, 2},
		{"two recovery codes", 3, []Proof{spare, spare}, 1},
		{"a recovery code and TOTP", 3, []Proof{spare, otp}, 1},
		{"a recovery code is no second one beside those", 3, []Proof{pwd, code, spare}, 2},
		{"a password whose link came by the phone, and a code by it", 3, []Proof{byLink, code}, 1},
		{"and a code by another phone", 3, []Proof{byLink, elsewhere}, 2},
		{"and TOTP", 3, []Proof{byLink, otp}, 2},
		{"a password that claims user verification", 3, []Proof{{Factor: Password, Verified: true}}, 1},
		{"elsewhere", 3, []Proof{there}, 1},
		{"elsewhere, with two factors", 3, []Proof{thereBy2}, 2},
		{"elsewhere, and nobody says how strongly", 3, []Proof{{Factor: Upstream}, otp}, 1},
		{"elsewhere, more strongly than anything there can be", 3, []Proof{{Factor: Upstream, Strength: 3}}, 2},
		{"elsewhere, by what may be the same password", 3, []Proof{there, pwd}, 1},
		{"elsewhere, by what may be the same phone", 3, []Proof{there, code}, 1},
		{"elsewhere, by what may be another's phone", 3, []Proof{there, elsewhere}, 1},
		{"elsewhere, and TOTP", 3, []Proof{there, otp}, 2},
		{"elsewhere, and a passkey", 3, []Proof{there, keyUV}, 3},
		{"elsewhere twice", 3, []Proof{there, {Factor: Upstream, Strength: 1}}, 1},
		{"elsewhere, a password and a code", 3, []Proof{there, pwd, code}, 2},
		{"elsewhere with two factors, capped at 1", 1, []Proof{thereBy2}, 1},
		{"one that nobody knows", 3, []Proof{{Factor: "palm", Verified: true}}, 0},
		{"a password and one that nobody knows", 3, []Proof{pwd, {Factor: "palm"}}, 1},
		{"a password that was relayed", 3, []Proof{pwdAway}, 1},
		{"a password and a code that were relayed", 3, []Proof{pwdAway, codeAway}, 2},
		{"and the password once more", 3, []Proof{pwdAway, codeAway, pwd}, 2},
		{"a password that was relayed, and the same here", 3, []Proof{pwdAway, pwd}, 1},
		{"a code that was relayed, and another here", 3, []Proof{codeAway, code}, 1},
		{"a password that was relayed, and a code here", 3, []Proof{pwdAway, code}, 2},
		{"a passkey that was relayed", 3, []Proof{keyAway}, 2},
		{"a passkey that was relayed, and a password here", 3, []Proof{keyAway, pwd}, 2},
		{"a passkey that was relayed, and one here", 3, []Proof{keyAway, keyUV}, 3},
		{"capped at 2 by proofing", 2, []Proof{keyUV}, 2},
		{"capped at 1", 1, []Proof{pwd, code}, 1},
		{"capped at 0: anybody's account", 0, []Proof{keyUV}, 0},
	} {
		if got := someday.Assurance(tt.proofing, tt.proofs); got != tt.want {
			t.Errorf("%s: assurance %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestFurther: what somebody is asked for next.
func TestFurther(t *testing.T) {
	every := []Name{Password, PhoneCode, Passkey, totp, recovery}
	for _, tt := range []struct {
		name   string
		proofs []Proof
		has    []Name
		need   Assurance
		want   []Name
	}{
		{"a code beside a password", []Proof{pwd}, []Name{Password, PhoneCode}, 2, []Name{PhoneCode}},
		{"nothing that would do", []Proof{pwd}, []Name{Password}, 2, nil},
		{"only what is known beside a code", []Proof{code}, every, 2, []Name{Password, Passkey}},
		{"not by the same phone", []Proof{byLink}, every, 2, []Name{Passkey, totp, recovery}},
		{"only a passkey resists phishing", []Proof{pwd, code}, every, 3, []Name{Passkey}},
	} {
		var can []Proof
		for _, n := range tt.has {
			can = append(can, someday.best(n))
		}
		if got := someday.Further(tt.proofs, can, tt.need); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMost(t *testing.T) {
	if now, then := All().Most(), someday.Most(); now != resistant || then != resistant {
		t.Errorf("logins reach %d, and will reach %d", now, then)
	}
}

// TestMethods: the amr claim (RFC 8176).
func TestMethods(t *testing.T) {
	for _, tt := range []struct {
		name   string
		proofs []Proof
		want   []string
	}{
		{"a password", []Proof{pwd}, []string{"pwd"}},
		{"a password and a code", []Proof{pwd, code}, []string{"pwd", "sms", "mfa"}},
		{"two that are held", []Proof{code, otp}, []string{"sms", "otp"}},
		{"relayed, and the password here once more", []Proof{pwdAway, codeAway, pwd}, []string{"pwd", "sms", "mfa", "mca"}},
		{"a passkey with user verification", []Proof{keyUV}, []string{"swk", "user", "mfa"}},
	} {
		if got := someday.Methods(tt.proofs); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestStoredForm: sessions and families that were stored before proofs had more than a name
// are read, and stay as they are; and what is stored is read back.
func TestStoredForm(t *testing.T) {
	const before = `["pwd","sms"]`
	var proofs []Proof
	if err := json.Unmarshal([]byte(before), &proofs); err != nil || !slices.Equal(proofs, []Proof{pwd, code}) {
		t.Errorf("%s is read as %+v, %v", before, proofs, err)
	}
	if after, err := json.Marshal(proofs); err != nil || string(after) != before {
		t.Errorf("%s is written as %s, %v", before, after, err)
	}
	for _, p := range []Proof{pwd, code, byLink, elsewhere, key, keyUV, there, thereBy2, {Factor: Passkey, Verified: true, Phone: "work"}, pwdAway, keyAway, {Factor: Passkey, Verified: true, Relayed: true, Phone: "work"}} {
		text, _ := p.MarshalText()
		var back Proof
		if err := back.UnmarshalText(text); err != nil || back != p {
			t.Errorf("%+v is stored as %q and read as %+v, %v", p, text, back, err)
		}
	}
}

// TestRelay: whatever was proved, lending it on makes it no stronger, and nothing of a lender's
// proofs is lent as proved here.
func TestRelay(t *testing.T) {
	all := []Proof{pwd, code, key, keyUV, otp, spare, byLink, elsewhere}
	for set := range 1 << len(all) {
		var proofs []Proof
		for i, p := range all {
			if set&(1<<i) != 0 {
				proofs = append(proofs, p)
			}
		}
		lent := Relay(proofs)
		if got, had := someday.Strength(lent), someday.Strength(proofs); got > had || got > twoFactors || got < min(had, twoFactors) {
			t.Errorf("%q are %d, and lent %d", proofs, had, got)
		}
		if Relayed(proofs) || Relayed(lent) != (len(proofs) > 0) || slices.ContainsFunc(lent, func(p Proof) bool { return !p.Relayed }) {
			t.Errorf("%q are lent as %q", proofs, lent)
		}
	}
}

package identity

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"

	"yizheng.internal/license/party"
)

// Reason says what is wrong: a word in snake_case that never changes. Most reasons are written
// where they are raised; a reason that other code tests for is a constant.
type Reason string

// Reasons that other packages test for.
const (
	ReasonAccountExists  Reason = "account_exists"
	ReasonBusy           Reason = "busy"        // too many people are logging in now
	ReasonUnavailable    Reason = "unavailable" // nobody can log in now
	ReasonLoginRefused   Reason = "login_refused"
	ReasonWrongPassword  Reason = "wrong_password"
	ReasonCodeWrong      Reason = "code_wrong"
	ReasonCodeExpired    Reason = "code_expired"
	ReasonNoPhone        Reason = "no_phone"
	ReasonPhoneWaits     Reason = "phone_waits"      // the phone is no second factor yet
	ReasonPhoneChanged   Reason = "phone_changed"    // it was, meanwhile
	ReasonNoSecondFactor Reason = "no_second_factor" // this installation has no second factor
	ReasonTooManyCodes   Reason = "too_many_codes"
	ReasonTooManyTries   Reason = "too_many_tries"
	// ReasonPasskeyRefused is the one answer to whatever is wrong with a passkey.
	ReasonPasskeyRefused Reason = "passkey_refused"
	ReasonPasskeyExpired Reason = "passkey_expired" // the page was open for too long, or answered before
	// ReasonPersonRefused is the one answer to whoever has a phone and can't say whose it is.
	ReasonPersonRefused Reason = "person_refused"
)

// Error says why something was refused. It echoes no value. Reason is one of
//
//   - of a participant: uscc_invalid, name_invalid, names_invalid, class_unknown,
//     area_code_invalid, level_invalid, parent_invalid, successor_invalid,
//     uscc_fixed
//   - of a person's registration: name_invalid, code_invalid,
//     login_name_invalid, phone_invalid, no_proofing, not_matched,
//     name_differs, account_exists, code_taken, login_name_taken, phone_taken
//   - of a password: password_short, password_long, password_characters,
//     password_common, password_personal, ticket_invalid
//   - of a login: login_refused, too_many_tries, code_needed (see factor.Challenge);
//     code_wrong, code_expired, no_phone, no_second_factor, too_many_codes,
//     code_not_sent, passkey_refused, passkey_expired, person_refused
//   - busy and unavailable: nothing was decided, try again later
type Error struct {
	Reason Reason
	Detail string        // one sentence: what is wrong and what to do
	Err    error         // the cause; nil: none
	Retry  time.Duration // how long to wait before the next try; 0: not known
}

// Error returns the reason and what to do.
func (e *Error) Error() string { return string(e.Reason) + ": " + e.Detail }

// Unwrap returns the cause, such as a *party.CodeError.
func (e *Error) Unwrap() error { return e.Err }

// Spec describes a new participant.
type Spec struct {
	USCC     string // read as party.ParseUSCC does
	Name     string
	Names    party.Names // in other languages than Chinese
	Class    Class
	AreaCode string // 6 digits (GB/T 2260)
	Level    int    // 1 national to 5 other
	Parent   string // ID of the superior participant; empty for none
}

// NewParticipant checks a spec and returns the participant, with a new random ID and
// revision 1, created now. The caller checks that the parent exists. Refusals are *Error.
func NewParticipant(s Spec) (Participant, error) {
	code, err := party.ParseUSCC(s.USCC)
	if err != nil {
		return Participant{}, &Error{Reason: "uscc_invalid", Detail: "not a unified social credit code (GB 32100): " + err.Error(), Err: err}
	}
	now := time.Now().UTC()
	p := Participant{
		ID: NewID(), USCC: code, Name: s.Name, Names: s.Names, Class: s.Class, AreaCode: s.AreaCode, Level: s.Level,
		Parent: s.Parent, Created: now, Updated: now, Revision: 1,
	}
	return p.Checked()
}

// NamesHelp says which names in other languages are allowed.
const NamesHelp = "names in other languages go by a language tag such as en, at most 20, and have 1 to 200 visible characters; the Chinese one is the name itself"

// Checked returns the participant with its name trimmed, or an *Error that
// says what is wrong with it.
func (p Participant) Checked() (Participant, error) {
	if !p.USCC.Valid() {
		return Participant{}, &Error{Reason: "uscc_invalid", Detail: "not a unified social credit code (GB 32100)"}
	}
	name, err := party.ParseName(p.Name)
	if err != nil {
		return Participant{}, &Error{Reason: "name_invalid", Detail: "a name has 1 to 200 visible characters: " + err.Error(), Err: err}
	}
	p.Name = name
	if p.Names, err = party.ParseNames(p.Names); err != nil {
		return Participant{}, &Error{Reason: "names_invalid", Detail: NamesHelp + ": " + err.Error(), Err: err}
	}
	switch {
	case !p.Class.Known():
		return Participant{}, &Error{Reason: "class_unknown", Detail: "the class is government, public_service or enterprise"}
	case !isAreaCode(p.AreaCode):
		return Participant{}, &Error{Reason: "area_code_invalid", Detail: "an area code has 6 digits (GB/T 2260)"}
	case p.Level < 1 || p.Level > 5:
		return Participant{}, &Error{Reason: "level_invalid", Detail: "the level is 1 national, 2 provincial, 3 city, 4 county or 5 other"}
	case p.Parent != "" && !ValidID(p.Parent) || p.Parent == p.ID:
		return Participant{}, &Error{Reason: "parent_invalid", Detail: "the parent is the id of another participant"}
	case p.Successor != "" && !ValidID(p.Successor) || p.Successor == p.ID:
		return Participant{}, &Error{Reason: "successor_invalid", Detail: "the successor is the id of another participant"}
	}
	return p, nil
}

// Known reports whether the class is one of those above.
func (c Class) Known() bool {
	return c == Government || c == PublicService || c == Enterprise
}

// NewID returns a new opaque id: 26 lower-case letters and digits, 130 random bits. It
// says nothing about what it names. See NewOrderedID.
func NewID() string { return strings.ToLower(rand.Text()) }

// ordered has the letters and digits of ids in their order.
var ordered = base32.NewEncoding("234567abcdefghijklmnopqrstuvwxyz").WithPadding(base32.NoPadding)

// NewOrderedID returns an id of the form of NewID's that is greater than those of earlier
// microseconds, with 75 random bits. It says when what it names was made. Databases store many
// records faster whose ids lie beside each other.
func NewOrderedID() string {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(time.Now().UnixMicro())<<10) // 54 bits until the year 2540
	return ordered.EncodeToString(at[:])[:11] + NewID()[:15]
}

// ValidID reports whether s has the form that NewID gives. Callers look up nothing else.
func ValidID(s string) bool {
	if len(s) != 26 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

func isAreaCode(s string) bool {
	if len(s) != 6 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

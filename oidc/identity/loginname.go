package identity

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"yizheng.internal/license/party"
)

// LoginKind is a kind of login: what somebody types to say who they are.
type LoginKind string

const (
	byName    LoginKind = "name"
	byPhone   LoginKind = "phone"
	byCode    LoginKind = "code"   // the number of a document, whatever its type: there is one input field
	byNothing LoginKind = "none"   // no possible login
	byHandle  LoginKind = "handle" // the user handle of passkeys: nobody types it
	byLink    LoginKind = "link"   // who somebody is elsewhere: nobody types it
)

// Login is one possible reading of what was typed, folded.
type Login struct {
	Kind  LoginKind
	Value string
}

// PhoneLogins returns the one reading of a phone, which is as of [ReadPhone].
func PhoneLogins(phone string) []Login { return []Login{{byPhone, phone}} }

// maxLogin is the longest input that is read, in bytes.
const maxLogin = 256

// ReadLogin returns all possible readings of what somebody typed, the likeliest first.
// There is at least one.
func ReadLogin(typed string) []Login {
	if len(typed) > maxLogin || !utf8.ValidString(typed) {
		return []Login{{Kind: byNothing}}
	}
	var all []Login
	if phone, err := ReadPhone(typed); err == nil {
		all = append(all, Login{byPhone, phone})
	}
	code := foldCode(typed)
	name, err := parseLoginName(typed)
	if err == nil {
		all = append(all, Login{byName, name})
	}
	if code != "" {
		all = append(all, Login{byCode, code})
	}
	if len(all) == 0 {
		all = append(all, Login{Kind: byNothing})
	}
	return all
}

// foldCode returns a document's number in the form in which it is looked up, without the
// spaces with which people type it.
func foldCode(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, party.FoldCode(s))
}

// parseLoginName folds the width and case of a login name and checks it: 3 to 64 letters,
// digits and . _ - @, the first one a letter. It refuses what looks like a document's
// number, some letters and then digits, because that may be somebody else's login.
// Refusals are *Error with the reason login_name_invalid.
func parseLoginName(s string) (string, error) {
	invalid := &Error{Reason: "login_name_invalid", Detail: "a login name has 3 to 64 letters, digits, or . _ - @, begins with a letter, and doesn't look like a document's number"}
	if len(s) > maxLogin || !utf8.ValidString(s) {
		return "", invalid
	}
	name := FoldName(s)
	if n := utf8.RuneCountInString(name); n < 3 || n > 64 || likeNumber.MatchString(name) {
		return "", invalid
	}
	for i, r := range name {
		if !unicode.IsLetter(r) && (i == 0 || !unicode.In(r, unicode.Nd, unicode.Mn, unicode.Mc) && !strings.ContainsRune("._-@", r)) {
			return "", invalid
		}
	}
	return name, nil
}

// likeNumber matches what looks like a document's number: E12345678, 军字第1234567号.
var likeNumber = regexp.MustCompile(`^\pL{0,4}\d{5,}\pL?$`)

// FoldName folds the width and case of a name. It repeats this up to four times, until nothing
// changes, because a small letter may compose where the capital doesn't.
func FoldName(s string) string {
	s = strings.TrimSpace(s)
	for range 4 {
		folded := norm.NFKC.String(strings.ToLower(strings.ToUpper(norm.NFKC.String(s))))
		if folded == s {
			break
		}
		s = folded
	}
	return s
}

// ReadPhone returns a phone number in the form of E.164. Eleven digits that begin with 13
// to 19, with or without 86 before them, are a mobile number of the mainland; others begin
// with + or 00. It ignores spaces and hyphens. Refusals are *Error with the reason
// phone_invalid.
func ReadPhone(s string) (string, error) {
	invalid := &Error{Reason: "phone_invalid", Detail: "a phone number is that of a mobile phone: 11 digits, or + with the country's code"}
	if len(s) > maxLogin || !utf8.ValidString(s) {
		return "", invalid
	}
	digits := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, party.FoldCode(s))
	if mainland.MatchString(digits) {
		return "+86" + digits[len(digits)-11:], nil
	}
	number, plus := strings.CutPrefix(digits, "+")
	if !plus {
		number, plus = strings.CutPrefix(digits, "00")
	}
	if !plus || !abroad.MatchString(number) || strings.HasPrefix(number, "86") {
		return "", invalid
	}
	return "+" + number, nil
}

var (
	mainland = regexp.MustCompile(`^(?:(?:\+|00)?86)?1[3-9][0-9]{9}$`)
	abroad   = regexp.MustCompile(`^[1-9][0-9]{6,14}$`)
)

// MaskedPhone returns the account's phone in the form that may be shown before the second
// factor, or "" if there is none.
func (a Account) MaskedPhone() string { return maskPhone(a.Phone) }

// MaskTyped returns a phone as somebody typed it in the form that may be shown, or "" if it is none.
func MaskTyped(typed string) string {
	phone, err := ReadPhone(typed)
	if err != nil {
		return ""
	}
	return maskPhone(phone)
}

// maskPhone returns a number in the form that may be shown before the second factor: the
// first three digits, which name the network, and the last four.
func maskPhone(phone string) string {
	local := strings.TrimPrefix(phone, "+86")
	if len(local) < 8 {
		return strings.Repeat("*", len(local))
	}
	return local[:3] + strings.Repeat("*", len(local)-7) + local[len(local)-4:]
}

// logins returns all logins that lead to an account: its login name, its phone, the numbers
// that the person holds today, the user handle of its passkeys, and its links. A former number isn't among them, because today it
// may be somebody else's.
func (a Account) logins(p Party, today party.Date) []Login {
	var all []Login
	if a.LoginName != "" {
		all = append(all, Login{byName, a.LoginName})
	}
	if a.Phone != "" {
		all = append(all, Login{byPhone, a.Phone})
	}
	for _, c := range p.Codes {
		if c.Held(today) {
			l := Login{byCode, foldCode(c.Value)}
			if !slices.Contains(all, l) { // two documents may have one number
				all = append(all, l)
			}
		}
	}
	if len(a.Handle) > 0 {
		all = append(all, handleLogin(a.Handle))
	}
	for _, x := range a.Authenticators {
		if x.Link != "" {
			all = append(all, Login{byLink, x.Link})
		}
	}
	return all
}

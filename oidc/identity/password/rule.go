package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Length makes a password hard to guess, so only a length is asked for, and no mixture of
// characters (NIST SP 800-63B-4 section 3.1.1.2, OWASP ASVS 5.0 section 6.2; ASVS 4 asked for
// twelve characters). Eight is NIST's minimum for a password beside a second factor. It
// suffices: no license is shown or released without the second factor, guesses are few (see
// the limits), and elderly people would write longer passwords on the card. Up to 128
// characters are used in full, and pasting is allowed.
const (
	minPassword = 8
	maxPassword = 128
)

// checkPassword refuses a new password with *Error: password_short,
// password_long, password_characters, password_common, password_personal.
func checkPassword(password string, a identity.Account, p identity.Party) error {
	normal, ok := Normal(password)
	if !ok && utf8.ValidString(password) {
		return longPassword()
	}
	switch n := utf8.RuneCountInString(normal); {
	case !ok || strings.ContainsFunc(normal, unicode.IsControl):
		return &identity.Error{Reason: "password_characters", Detail: "A password has no control characters, such as tabs or line breaks."}
	case n < minPassword:
		return &identity.Error{Reason: "password_short", Detail: "A password has at least 8 characters. Several words are easy to remember."}
	case n > maxPassword:
		return longPassword()
	}
	if personal(normal, a, p) {
		return &identity.Error{Reason: "password_personal", Detail: "The password contains what others know of you: your name, login, phone, number or birth date. Choose another."}
	}
	if common(normal) {
		return &identity.Error{Reason: "password_common", Detail: "The password is among the first that anybody would try. Choose another."}
	}
	return nil
}

func longPassword() error {
	return &identity.Error{Reason: "password_long", Detail: "A password has at most 128 characters."}
}

// personal reports whether a password contains something that others know about the person.
func personal(password string, a identity.Account, p identity.Party) bool {
	folded := identity.FoldName(password)
	for _, known := range personalParts(a, p) {
		if strings.Contains(folded, identity.FoldName(known)) {
			return true
		}
	}
	return false
}

// personalParts returns the texts that a password must not contain.
func personalParts(a identity.Account, p identity.Party) []string {
	var parts []string
	add := func(least int, texts ...string) {
		for _, t := range texts {
			if utf8.RuneCountInString(t) >= least {
				parts = append(parts, t)
			}
		}
	}
	add(3, a.LoginName)
	local := strings.TrimPrefix(strings.TrimPrefix(a.Phone, "+86"), "+")
	add(6, local, last(local, 8))
	for _, name := range append([]string{p.Name}, p.FormerNames...) {
		add(2, name)
		for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return !unicode.IsLetter(r) }) {
			if word != name && word[0] < utf8.RuneSelf {
				add(4, word) // in a name in Latin letters, each word
			} else {
				add(2, word)
			}
		}
	}
	for _, c := range p.AllCodes() {
		add(6, c.Value, last(c.Value, 8), last(c.Value, 6)) // the last six are the usual first password
		if born, ok := c.BirthDate(); ok {
			parts = append(parts, birthdays(born)...)
		}
	}
	return parts
}

// birthdays returns the ways in which people write a date.
func birthdays(d party.Date) []string {
	iso := d.String() // 2006-01-02
	y, m, day := iso[:4], iso[5:7], iso[8:]
	return []string{y + m + day, y[2:] + m + day, y + "-" + m + "-" + day, y + "." + m + "." + day, y + "/" + m + "/" + day, day + m + y, m + day + y}
}

// last returns the last n characters of a text, or "" if it has no more than n.
func last(s string, n int) string {
	rs := []rune(s)
	if len(rs) <= n {
		return ""
	}
	return string(rs[len(rs)-n:])
}

// maxPasswordBytes is the longest password that is read.
const maxPasswordBytes = 1024

// Normal returns the form in which a password is hashed: NFKC, so that keyboards don't
// matter (NIST SP 800-63B section 3.1.1.2). For what can't be a password it returns "" and
// false.
func Normal(s string) (string, bool) {
	if len(s) > maxPasswordBytes || !utf8.ValidString(s) {
		return "", false
	}
	return norm.NFKC.String(s), true
}

package verify

import (
	"errors"
	"strings"
	"unicode"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
)

// printed is what is printed on a license, as somebody typed it.
type printed struct {
	identifier credential.Identifier
	code       string
	mistyped   bool // its check character is wrong; a collected license may have such an identifier
}

// readPrinted reads an identifier and a verification code as they are typed. It returns a *refusal.Error of
// refusal.KindInvalid, which holds no value, if one of them doesn't have the right form.
func readPrinted(identifier, code string) (p printed, err error) {
	var vs refusal.Violations
	parsed, err := credential.ParseIdentifier(identifier)
	if e, ok := errors.AsType[*credential.IdentifierError](err); ok {
		vs.Add("/identifier", e.Reason, "is not an identifier as licenses have it")
		return printed{}, refusal.Invalid(refusal.ReasonIdentifierForm, "This is not an identifier: compare it with the license, dot by dot.", vs...)
	} else if err != nil {
		return printed{}, err
	}
	parts, err := parsed.Parse()
	if err != nil {
		return printed{}, err
	}
	p = printed{parsed, foldVerificationCode(code), parts.CheckMismatch}
	if len(p.code) != verificationCodeLength || strings.Trim(p.code, license.VerificationAlphabet) != "" {
		vs.Add("/verification_code", "pattern", "must have 8 letters and digits")
		return printed{}, refusal.Invalid(refusal.ReasonVerificationCodeForm, "This is not a verification code: it has 8 letters and digits.", vs...)
	}
	return p, nil
}

// errMistyped returns the refusal of an identifier that is not known, and can't be right.
func errMistyped() error {
	return refusal.Invalid(refusal.ReasonIdentifierCheckDigit, "The identifier was mistyped: its last character doesn't fit the rest. Compare it with the license.",
		schema.Violation{Pointer: "/identifier", Keyword: string(refusal.ReasonIdentifierCheckDigit), Message: "has a check character that doesn't fit the rest"})
}

// verificationCodeLength is how many characters a verification code has.
const verificationCodeLength = 8

// foldVerificationCode undoes what people do to a code when they type it: lower
// case, full width, spaces, line breaks and hyphens of every kind, and the letters
// that look like digits.
func foldVerificationCode(s string) string {
	if len(s) > 32*verificationCodeLength {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Dash, r):
			return -1
		case r == 'O':
			return '0'
		case r == 'I', r == 'L':
			return '1'
		}
		return r
	}, party.FoldPrinted(s))
}

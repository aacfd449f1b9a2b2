package license

import (
	"context"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// MaxNumber is the greatest length of a license's number, in characters.
const MaxNumber = 100

// NumberKey returns the form in which license numbers are compared. Two numbers that look the same to a reader
// have the same form: width, case, spaces, invisible characters, and the shapes of hyphens and brackets don't
// count. The form is bound into stored lookup keys. Whoever changes it needs a new value of settingNumbers.
func NumberKey(number string) string {
	if plainNumberKey(number) {
		return number
	}
	s := norm.NFKC.String(number)
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), party.Hidden(r), unicode.Is(unicode.Variation_Selector, r):
			return -1
		case unicode.Is(unicode.Dash, r):
			return '-'
		case r == '[', r == '〔', r == '【', r == '{', r == '〈', r == '《', r == '<':
			return '('
		case r == ']', r == '〕', r == '】', r == '}', r == '〉', r == '》', r == '>':
			return ')'
		}
		return unicode.ToUpper(unicode.ToLower(r)) // both ways, or ſ and S would differ
	}, s)
	return norm.NFKC.String(s)
}

// plainNumberKey reports whether a number is its own key, as most are.
func plainNumberKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && c != '-' && c != '(' && c != ')' && c != '/' && c != '.' {
			return false
		}
	}
	return true
}

// settingNumbers names the setting that says which form of numbers is bound into lookup keys: the number as it is
// written, which was the form before folding, or the folded form of NumberKey. Rehash changes the setting.
const settingNumbers = "license_numbers"

const (
	numbersWritten = "written"
	numbersFolded  = "folded"
)

// numberRow returns the lookup row of a number.
func (r *Records) numberRow(ctx context.Context, t credential.TypeCode, authority party.USCC, number string) (LookupRow, error) {
	keys, err := r.c.Vault.Lookups(ctx, domainNumber, string(t), string(authority), NumberKey(number))
	return LookupRow{Kind: LookupNumber, Keys: keys}, err
}

// FormerNumber returns the lookup row that marks a number as former.
func (r *Records) FormerNumber(ctx context.Context, rec Record, number string) (LookupRow, error) {
	row, err := r.numberRow(ctx, rec.Type, rec.Authority, number)
	row.Former = true
	return row, err
}

// NumberKeys returns the lookup keys by which a number is sought. They include the keys of the number as it is
// written, for numbers that were stored before folding and are not rehashed yet.
func (r *Records) NumberKeys(ctx context.Context, t credential.TypeCode, authority party.USCC, number string) ([]signing.Lookup, error) {
	row, err := r.numberRow(ctx, t, authority, number)
	if err != nil || number == NumberKey(number) {
		return row.Keys, err
	}
	written, err := r.c.Vault.Lookups(ctx, domainNumber, string(t), string(authority), number)
	return append(row.Keys, written...), err
}

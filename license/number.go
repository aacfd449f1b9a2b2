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

// MaxNumber is how many characters a license's number has at the most.
const MaxNumber = 100

// NumberKey returns what a license's number is compared by. Two numbers that a
// reader takes for one are one: width, case, spaces, what is invisible, and the
// shapes of hyphens and brackets don't count. It is bound into stored lookup keys:
// a change of it needs a new form of numbers, see settingNumbers.
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

// settingNumbers names the setting that says how numbers stand in their lookup
// keys: as they are written, as before they were folded, or folded. Rehash changes it.
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

// FormerNumber returns the row that makes a number former.
func (r *Records) FormerNumber(ctx context.Context, rec Record, number string) (LookupRow, error) {
	row, err := r.numberRow(ctx, rec.Type, rec.Authority, number)
	row.Former = true
	return row, err
}

// NumberKeys returns the keys that a number is sought by: also as it is written,
// for numbers stored before they were folded, and not rehashed yet.
func (r *Records) NumberKeys(ctx context.Context, t credential.TypeCode, authority party.USCC, number string) ([]signing.Lookup, error) {
	row, err := r.numberRow(ctx, t, authority, number)
	if err != nil || number == NumberKey(number) {
		return row.Keys, err
	}
	written, err := r.c.Vault.Lookups(ctx, domainNumber, string(t), string(authority), number)
	return append(row.Keys, written...), err
}

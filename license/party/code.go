// Package party holds the codes, names and civil dates of parties: people
// 自然人 and organizations 法人和非法人组织. It is the leaf that both halves of the
// service import, so it knows neither licenses nor logins.
package party

import (
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// CodeType says what kind of code a party is named by: a value of 持证主体代码类型代码
// (GB/T 36903 annex A, as deployed). The zero CodeType is not known.
type CodeType string

const (
	SocialCredit      CodeType = "001" // 统一社会信用代码
	OtherOrganization CodeType = "099" // 其他法人或其他组织有效证件代码
	// Citizen is the number of 18 characters that citizens have; permanent
	// residents from abroad (beginning with 9) and residents from Hong Kong,
	// Macao and Taiwan (81, 82, 83) have numbers of the same build.
	Citizen             CodeType = "111" // 公民身份号码
	MilitaryOfficer     CodeType = "114" // 解放军军官证
	ArmedPoliceOfficer  CodeType = "115" // 武警警官证
	Soldier             CodeType = "118" // 解放军士兵证
	ArmedPoliceSoldier  CodeType = "119" // 武警士兵证
	MilitaryCivilian    CodeType = "120" // 解放军文职人员证
	ArmedPoliceCivilian CodeType = "122" // 武警文职人员证
	DiplomaticPassport  CodeType = "411" // 外交护照
	ServicePassport     CodeType = "412" // 公务护照
	PublicPassport      CodeType = "413" // 公务普通护照
	Passport            CodeType = "414" // 普通护照
	TaiwanPermit        CodeType = "511" // 台湾居民来往大陆通行证
	HongKongMacaoPermit CodeType = "516" // 港澳居民来往内地通行证
	OtherPerson         CodeType = "999" // 其他自然人有效证件代码
)

// Class says whether a code names a person or an organization.
type Class string

const (
	Person       Class = "person"       // 自然人
	Organization Class = "organization" // 法人和非法人组织
)

// Name returns the code type's Chinese name, or "" for an unknown type.
func (t CodeType) Name() string {
	switch t {
	case SocialCredit:
		return "统一社会信用代码"
	case OtherOrganization:
		return "其他法人或其他组织有效证件代码"
	case Citizen:
		return "公民身份号码"
	case MilitaryOfficer:
		return "解放军军官证"
	case ArmedPoliceOfficer:
		return "武警警官证"
	case Soldier:
		return "解放军士兵证"
	case ArmedPoliceSoldier:
		return "武警士兵证"
	case MilitaryCivilian:
		return "解放军文职人员证"
	case ArmedPoliceCivilian:
		return "武警文职人员证"
	case DiplomaticPassport:
		return "外交护照"
	case ServicePassport:
		return "公务护照"
	case PublicPassport:
		return "公务普通护照"
	case Passport:
		return "普通护照"
	case TaiwanPermit:
		return "台湾居民来往大陆通行证"
	case HongKongMacaoPermit:
		return "港澳居民来往内地通行证"
	case OtherPerson:
		return "其他自然人有效证件代码"
	}
	return ""
}

// Known reports whether the type is one of those above.
func (t CodeType) Known() bool { return t.Name() != "" }

// Class returns whom codes of the type name, or "" for an unknown type.
func (t CodeType) Class() Class {
	switch {
	case t == SocialCredit, t == OtherOrganization:
		return Organization
	case t.Known():
		return Person
	}
	return ""
}

// Code is one code of a party. [ParseCode] makes valid ones; two that name the
// same document are then equal.
//
// A Code prints and logs masked. Its JSON form is whole: it is what callers
// send and what is sealed.
type Code struct {
	Type  CodeType `json:"type"`
	Value string   `json:"value"`
}

// CodeError says why a code was refused. Reason is one of: code_type_unknown,
// code_empty, code_length, code_character, code_area, code_birth_date,
// code_check_digit. The value isn't kept: it may be a real number with a typo.
type CodeError struct {
	Type   CodeType // "" if the type is unknown
	Reason string
}

func (e *CodeError) Error() string {
	if e.Type == "" {
		return "party code: " + e.Reason
	}
	return "party code of type " + string(e.Type) + ": " + e.Reason
}

// maxCode is the longest code, in characters, of a type without a rule of its
// own; maxCodeBytes stops longer input before it is folded.
const (
	maxCode      = 64
	maxCodeBytes = 1024
)

// ParseCode normalizes a code and checks it by its type's rule. Full-width
// letters and digits become half-width, letters upper case; spaces around it go.
//
//   - 001: the check of GB 32100-2015
//   - 111: the check of GB 11643, with a birth date that exists
//   - all others: 1 to 64 printable characters
//
// Errors are [*CodeError].
func ParseCode(t CodeType, value string) (Code, error) {
	if !t.Known() {
		return Code{}, &CodeError{Reason: "code_type_unknown"}
	}
	if len(value) > maxCodeBytes {
		return Code{}, &CodeError{t, "code_length"}
	}
	if !utf8.ValidString(value) {
		return Code{}, &CodeError{t, "code_character"}
	}
	v := FoldCode(value)
	if v == "" {
		return Code{}, &CodeError{t, "code_empty"}
	}
	var reason string
	switch t {
	case SocialCredit:
		reason = checkUSCC(v)
	case Citizen:
		reason = checkCitizen(v)
	default:
		reason = checkOther(v)
	}
	if reason != "" {
		return Code{}, &CodeError{t, reason}
	}
	return Code{t, v}, nil
}

// FoldCode brings a code or an identifier into the one form in which it is kept
// and compared: full-width forms of ASCII become ASCII, Latin letters upper case,
// spaces around it go. Other characters stay as they are: a long s isn't an S.
func FoldCode(s string) string {
	if !isASCII(s) {
		s = width.Fold.String(s)
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, strings.TrimSpace(s))
}

// FoldPrinted brings what is copied from a printed page into its one form. It does what FoldCode does, and also
// removes spaces of every kind, line breaks and formatting characters, and makes full stops dots.
func FoldPrinted(s string) string {
	return FoldCode(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Cf, r):
			return -1
		case r == '。', r == '｡':
			return '.'
		}
		return r
	}, s))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkOther returns the reason to refuse a code that no public rule describes.
func checkOther(v string) string {
	if utf8.RuneCountInString(v) > maxCode {
		return "code_length"
	}
	for _, r := range v {
		if !stored(r) {
			return "code_character"
		}
	}
	return ""
}

// BirthDate returns the birth date that a citizen's number holds, and false if
// the code is of another type or not valid.
func (c Code) BirthDate() (Date, bool) {
	if c.Type != Citizen || checkCitizen(c.Value) != "" {
		return Date{}, false
	}
	d, ok := birthDate(c.Value[6:14])
	return d, ok
}

// Mask returns the code as it may be shown to others, with a star for each hidden character:
//
//   - 001 is public by law and shown whole
//   - 111 keeps the first four and the last four: 1101**********002X
//   - others keep the first two and the last two, one and one if they have fewer
//     than eight characters, none if they have fewer than four
func (c Code) Mask() string {
	if c.Type == SocialCredit {
		return c.Value
	}
	rs := []rune(c.Value)
	keep := 2
	switch {
	case c.Type == Citizen && len(rs) == 18:
		keep = 4
	case len(rs) < 4:
		keep = 0
	case len(rs) < 8:
		keep = 1
	}
	for i := keep; i < len(rs)-keep; i++ {
		rs[i] = '*'
	}
	return string(rs)
}

// String returns the type and the masked code, so that printing a Code by
// accident tells nobody's number.
func (c Code) String() string { return string(c.Type) + " " + c.Mask() }

// LogValue implements [slog.LogValuer]: logs see what String shows.
func (c Code) LogValue() slog.Value { return slog.StringValue(c.String()) }

package credential

import (
	"fmt"
	"io"
	"strings"

	"yizheng.internal/license/party"
)

// TypeCode is a license type's code 证照类型代码 (GB/T 36904-2018): the USCC of the
// body that defines the type 证照定义机构, and three digits. [ParseTypeCode] makes
// valid ones.
type TypeCode string

// ParseTypeCode checks a type code: 21 characters, upper case, the first 18 a USCC. It does not fold the code,
// because a type has only one. Errors are [*IdentifierError].
func ParseTypeCode(s string) (TypeCode, error) {
	t := TypeCode(s)
	if !t.Valid() {
		return "", &IdentifierError{"identifier_type"}
	}
	return t, nil
}

// Valid reports whether the code has the form of one, and its definer's check character fits.
func (t TypeCode) Valid() bool {
	return len(t) == 21 && t.Definer().Valid() && digits(string(t[18:]))
}

// Definer returns the USCC of the body that defines the type, or "" if the code is too short.
func (t TypeCode) Definer() party.USCC {
	if len(t) < 18 {
		return ""
	}
	return party.USCC(t[:18])
}

// Identifier is an electronic license's identifier 电子证照标识 (GB/T 36904-2018),
// the whole dotted string:
//
//	1.2.156.3005.2 . TYPE . AUTHORITY . SERIAL . VERSION . CHECK
//
// [NewIdentifier] makes them strictly; [ParseIdentifier] also reads what others
// made.
type Identifier string

// IdentifierError says why an identifier or a part was refused. Reason is one
// of: identifier_form, identifier_length, identifier_root, identifier_type,
// identifier_authority, identifier_serial, identifier_version, identifier_check
// (not a check character at all), serial_citizen_number. The value isn't kept: a
// collected identifier may hold somebody's number.
type IdentifierError struct{ Reason string }

func (e *IdentifierError) Error() string { return "license identifier: " + e.Reason }

const (
	identifierRoot = "1.2.156.3005.2" // 电子证照根代码
	maxSerial      = 64               // characters; the longest seen in use has 32
	maxIdentifier  = len(identifierRoot) + 1 + 21 + 1 + 18 + 1 + maxSerial + 1 + 3 + 1 + 1
)

// IdentifierParts are an identifier's parts.
type IdentifierParts struct {
	Type      TypeCode
	Authority string // the issuing body's USCC, or in foreign ones a 6-digit area code
	Serial    string
	Version   int // from 1 to 999
	Check     byte
	// CheckMismatch says that Check is not what the standard asks for. A widely
	// copied routine computes it wrongly, and a license once issued keeps its
	// identifier.
	CheckMismatch bool
}

// Private reports whether the identifier must neither be shown nor stand in a URL, because its serial contains a
// citizen's number.
func (p IdentifierParts) Private() bool { return party.ContainsCitizenNumber(p.Serial) }

// NewIdentifier makes an identifier. The authority is a USCC, the serial has 1
// to 64 characters 0-9 and A-Z and holds no citizen's number, the version is 1
// to 999. Errors are [*IdentifierError].
func NewIdentifier(t TypeCode, authority party.USCC, serial string, version int) (Identifier, error) {
	switch {
	case !t.Valid():
		return "", &IdentifierError{"identifier_type"}
	case !authority.Valid():
		return "", &IdentifierError{"identifier_authority"}
	case !validSerial(serial):
		return "", &IdentifierError{"identifier_serial"}
	case version < 1 || version > 999:
		return "", &IdentifierError{"identifier_version"}
	case party.ContainsCitizenNumber(serial):
		return "", &IdentifierError{"serial_citizen_number"}
	}
	v := string([]byte{'0' + byte(version/100), '0' + byte(version/10%10), '0' + byte(version%10)})
	c := checkCharacter(string(t), string(authority), serial, v)
	return Identifier(identifierRoot + "." + string(t) + "." + string(authority) + "." + serial + "." + v + "." + string(c)), nil
}

// ParseIdentifier reads an identifier as people and other systems write it: it removes spaces and line breaks,
// and folds full-width and small letters to what they stand for. The six parts of the result are well-formed. It
// does not check the check character: [Identifier.Parse] tells whether that is right. Errors are
// [*IdentifierError].
func ParseIdentifier(s string) (Identifier, error) {
	if len(s) > 8*maxIdentifier { // full-width characters take three bytes each, and lines may be broken
		return "", &IdentifierError{"identifier_length"}
	}
	i := Identifier(party.FoldPrinted(s))
	if _, err := i.Parse(); err != nil {
		return "", err
	}
	return i, nil
}

// Parse splits an identifier. Unlike [NewIdentifier] it accepts what is in use elsewhere: an area code of six
// digits as authority, a serial that contains a citizen's number, a wrong check character. Errors are
// [*IdentifierError].
func (i Identifier) Parse() (IdentifierParts, error) {
	refuse := func(reason string) (IdentifierParts, error) { return IdentifierParts{}, &IdentifierError{reason} }
	if len(i) > maxIdentifier {
		return refuse("identifier_length")
	}
	rest, ok := strings.CutPrefix(string(i), identifierRoot+".")
	if !ok {
		return refuse("identifier_root")
	}
	var part [5]string
	for n := range 4 {
		if part[n], rest, ok = strings.Cut(rest, "."); !ok {
			return refuse("identifier_form")
		}
	}
	if part[4] = rest; strings.Contains(rest, ".") {
		return refuse("identifier_form")
	}
	t, authority, serial, version, check := TypeCode(part[0]), part[1], part[2], part[3], part[4]
	switch {
	case !t.Valid():
		return refuse("identifier_type")
	case !party.USCC(authority).Valid() && !(len(authority) == 6 && digits(authority)):
		return refuse("identifier_authority")
	case !validSerial(serial):
		return refuse("identifier_serial")
	case len(version) != 3 || !digits(version) || version == "000":
		return refuse("identifier_version")
	case len(check) != 1 || checkValue(check[0]) < 0:
		return refuse("identifier_check")
	}
	return IdentifierParts{
		Type: t, Authority: authority, Serial: serial,
		Version:       int(version[0]-'0')*100 + int(version[1]-'0')*10 + int(version[2]-'0'),
		Check:         check[0],
		CheckMismatch: check[0] != checkCharacter(part[:4]...),
	}, nil
}

// serialAlphabet has the characters of serials and check characters. A character's value is its place (GB/T
// 17710-2008).
const serialAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// checkValues is the inverse of serialAlphabet, with -1 for what isn't in it.
var checkValues = func() (vs [256]int8) {
	for i := range vs {
		vs[i] = int8(strings.IndexByte(serialAlphabet, byte(i)))
	}
	return vs
}()

func checkValue(c byte) int { return int(checkValues[c]) }

// checkCharacter computes the check of ISO/IEC 7064 MOD 37,36 (GB/T 17710-2008) over the parts between root and
// check, without the dots. The parts must have only characters of serialAlphabet.
func checkCharacter(parts ...string) byte {
	p := 36
	for _, part := range parts {
		for n := range len(part) {
			s := p + checkValue(part[n]) // from 1 to 71: modulo 36, and 36 for 0
			if s > 36 {
				s -= 36
			}
			if p = 2 * s; p >= 37 {
				p -= 37
			}
		}
	}
	return serialAlphabet[(37-p)%36]
}

func validSerial(s string) bool {
	if s == "" || len(s) > maxSerial {
		return false
	}
	for n := range len(s) {
		if checkValue(s[n]) < 0 {
			return false
		}
	}
	return true
}

// digits reports whether s has only digits.
func digits(s string) bool {
	for n := range len(s) {
		if s[n] < '0' || s[n] > '9' {
			return false
		}
	}
	return true
}

// serialLength is the length of a random serial: 103 bits, so that nobody finds a license by trying serials in
// turn.
const serialLength = 20

// RandomSerial returns a serial of 20 digits and upper-case letters, each equally likely, that contains no
// citizen's number. It reads 40 bytes from r, and very rarely 40 more.
func RandomSerial(r io.Reader) (string, error) {
	for range 8 { // if 8 tries fail, the source is broken
		var random [2 * serialLength]byte
		if _, err := io.ReadFull(r, random[:]); err != nil {
			return "", fmt.Errorf("reading random bytes for a serial: %w", err)
		}
		var serial [serialLength]byte
		n := 0
		for _, b := range random {
			// 252 is the largest multiple of 36 in a byte. Greater values are left out, because they would make
			// the first characters likelier.
			if b < 252 && n < len(serial) {
				serial[n] = serialAlphabet[b%36]
				n++
			}
		}
		if s := string(serial[:]); n == len(serial) && !party.ContainsCitizenNumber(s) {
			return s, nil
		}
	}
	return "", fmt.Errorf("making a serial: the random source yields no serials")
}

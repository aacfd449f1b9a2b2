package party

import (
	"time"
	"unicode/utf8"
)

// citizenWeights and citizenChecks are those of GB 11643, 公民身份号码.
var citizenWeights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

const citizenChecks = "10X98765432"

// firstBirthYear is the earliest year of birth that is believed. Numbers were
// given out from 1984 on, to people then alive.
const firstBirthYear = 1850

// checkCitizen returns the reason to refuse s, or "". It doesn't check whether the birth date lies in the future:
// callers that know the day do.
func checkCitizen(s string) string {
	if utf8.RuneCountInString(s) != 18 {
		return "code_length"
	}
	if len(s) != 18 {
		return "code_character"
	}
	sum := 0
	for i := range 17 {
		if s[i] < '0' || s[i] > '9' {
			return "code_character"
		}
		sum += citizenWeights[i] * int(s[i]-'0')
	}
	if (s[17] < '0' || s[17] > '9') && s[17] != 'X' {
		return "code_character"
	}
	if s[:2] == "00" {
		return "code_area"
	}
	if _, ok := birthDate(s[6:14]); !ok {
		return "code_birth_date"
	}
	if citizenChecks[sum%11] != s[17] {
		return "code_check_digit"
	}
	return ""
}

// birthDate reads eight digits yyyyMMdd.
func birthDate(digits string) (Date, bool) {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	d, err := NewDate(n/10000, time.Month(n/100%100), n%100)
	return d, err == nil && d.Year() >= firstBirthYear
}

// ContainsCitizenNumber reports whether a string holds a citizen's number
// anywhere, so that it can be kept out of what is public, such as a serial:
//
//   - 18 characters in a row with a right check digit and a birth date, whatever
//     stands before or behind them
//   - 15 digits in a row, and not more, that read as a number of the old form:
//     a province, six digits more, of which the date exists
//
// The old form has no check digit. Looking for it inside longer rows of digits
// would find it in several of a hundred ordinary serials, so it is sought alone.
// Full-width digits and a small x count too.
func ContainsCitizenNumber(s string) bool {
	if len(s) < 15 {
		return false
	}
	var window [18]byte // the last 17 digits of the row, and then the next character
	row := 0
	for _, r := range s {
		c := foldDigit(r)
		if row >= 17 && c != 0 {
			window[17] = c
			if checkCitizen(string(window[:])) == "" {
				return true
			}
		}
		if c >= '0' && c <= '9' {
			if row >= 17 {
				copy(window[:16], window[1:17])
				window[16] = c
			} else {
				window[row] = c
			}
			row++
			continue
		}
		if row == 15 && oldCitizenNumber(string(window[:15])) {
			return true
		}
		row = 0
	}
	return row == 15 && oldCitizenNumber(string(window[:15]))
}

// foldDigit returns the digit or X that r is, full-width or not, or 0.
func foldDigit(r rune) byte {
	if r >= '！' && r <= '～' { // the full-width forms of ASCII
		r -= '！' - '!'
	}
	switch {
	case r >= '0' && r <= '9':
		return byte(r)
	case r == 'x' || r == 'X':
		return 'X'
	}
	return 0
}

// oldCitizenNumber reports whether 15 digits may be a number from before 1999: area 6, birth date yyMMdd,
// sequence 3.
func oldCitizenNumber(digits string) bool {
	if !province(digits[:2]) {
		return false
	}
	_, ok := birthDate("19" + digits[6:12])
	return ok
}

// province reports whether two digits are the code of a province (GB/T 2260).
func province(code string) bool {
	switch second := code[1]; code[0] {
	case '1', '6':
		return second >= '1' && second <= '5'
	case '2':
		return second >= '1' && second <= '3'
	case '3':
		return second >= '1' && second <= '7'
	case '4':
		return second >= '1' && second <= '6'
	case '5':
		return second <= '4'
	case '7':
		return second == '1'
	case '8':
		return second == '1' || second == '2'
	}
	return false
}

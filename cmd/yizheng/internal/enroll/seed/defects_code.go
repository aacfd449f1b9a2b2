package seed

import (
	"fmt"
	"strings"
)

func checkDigitDefects() []defect {
	next := func(c string) string {
		const digits = "0123456789X"
		i := strings.IndexByte(digits, c[17])
		return c[:17] + string(digits[(i+1)%len(digits)])
	}
	q := outQuarantined
	return []defect{
		change("other_digit", q, inAll, colCode, next),
		change("two_digits_swapped", q, inAll, colCode,
			func(c string) string { return c[:1] + c[2:3] + c[1:2] + c[3:] }),
		change("one_digit_missing", q, inAll, colCode,
			func(c string) string { return c[:16] + c[17:] }),
		change("one_digit_more", q, inAll, colCode, func(c string) string { return c + "0" }),
		change("letter_o_for_zero", q, inAll, colCode,
			func(c string) string { return strings.Replace(c, "0", "O", 1) }),
		change("wrong_and_lower_case_x", q, inAll, colCode, func(c string) string {
			if c[17] == 'X' {
				return strings.ToLower(next(c))
			}
			return c[:17] + "x"
		}),
		change("fifteen_digits", outEither, inAll, colCode,
			func(c string) string { return c[:6] + c[8:17] }),
	}
}

func birthDefects() []defect {
	return []defect{
		birth("february_30", "19900230"),
		birth("month_13", "19851301"),
		birth("february_29_common_year", "19990229"),
		birth("february_29_of_1900", "19000229"),
		birth("day_00", "19780600"),
		birth("month_00", "19780012"),
		birth("april_31", "20010431"),
		birth("day_32", "19660132"),
		birth("all_zero", "00000000"),
	}
}

func futureDefects() []defect {
	q := outQuarantined
	return []defect{
		birth("birth_2088", "20880317"),
		set("proofed_at_dashes", q, inAll, colProofedAt, "2127-01-01"),
		birth("birth_9999", "99991231"),
		set("proofed_at_slashes", q, inAll, colProofedAt, "2099/1/2"),
		set("proofed_at_compact", q, inAll, colProofedAt, "20991231"),
		birth("birth_2199", "21991111"),
	}
}

func proofedDefects() []defect {
	q := outQuarantined
	return []defect{
		set("february_30", q, inAll, colProofedAt, "2024-02-30"),
		set("month_13", q, inAll, colProofedAt, "20241301"),
		set("day_first", q, inAll, colProofedAt, "31/12/2023"),
		set("words", q, inAll, colProofedAt, "去年"),
		set("serial_number", q, inAll, colProofedAt, "45231"),
		set("two_digit_year", q, inAll, colProofedAt, "24-03-01"),
		set("chinese_form", outEither, inAll, colProofedAt, "2024年3月1日"),
		set("with_time", outEither, inAll, colProofedAt, "2024-03-01 00:00:00"),
	}
}

// rounded keeps 15 digits, as a spreadsheet does, and sees to it that the check
// digit is right by chance, or not.
func rounded(c string, right bool) string {
	for n := range 100 { // other digits in two places, of which one will do
		body := fmt.Sprintf("%s%02d00", c[:13], n)
		if (checkDigit(body) == '0') == right {
			return body + "0"
		}
	}
	panic("no digits have such a check digit")
}

// numberRounded makes a rounded number of the code: a cell that isn't text.
func numberRounded(variant string, right bool) defect {
	return defect{variant, outQuarantined, inXLSX | inJSONL, func(_ *gen, r *row) {
		r.cells[colCode] = rounded(r.cells[colCode], right)
		r.mark(colCode, "number", r.cells[colCode])
	}}
}

func spoiledDefects() []defect {
	q := outQuarantined
	return []defect{
		set("code_exponent", q, inAll, colCode, "9.90100E+17"),
		change("code_rounded", q, inAll, colCode, func(c string) string { return rounded(c, false) }),
		numberRounded("code_number_rounded", false),
		numberRounded("code_number_rounded_right_by_chance", true),
		{"code_number_exponent", q, inXLSX | inJSONL, func(_ *gen, r *row) {
			r.cells[colCode] = "9.90100E+17"
			r.mark(colCode, "number", "9.90100E+17")
		}},
		set("phone_exponent", q, inAll, colPhone, "1.99001E+10"),
		set("code_error_value", q, inAll, colCode, "#VALUE!"),
		set("code_hash_signs", q, inAll, colCode, "########"),
		{"phone_with_decimals", outEither, inAll, func(g *gen, r *row) {
			r.cells[colPhone] = g.phone() + ".0"
		}},
		change("code_apostrophe", outEither, inAll, colCode,
			func(c string) string { return "'" + c }),
		change("code_as_formula_text", outEither, inAll, colCode,
			func(c string) string { return `="` + c + `"` }),
	}
}

// fullWidth turns digits into those of the width of a Chinese character.
func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '０'
		}
		return r
	}, s)
}

func fullWidthDefects() []defect {
	return []defect{
		change("code", outEither, inAll, colCode, fullWidth),
		{"phone", outEither, inAll, func(g *gen, r *row) {
			r.cells[colPhone] = fullWidth(g.phone())
		}},
		change("code_last_part", outEither, inAll, colCode,
			func(c string) string { return c[:14] + fullWidth(c[14:]) }),
		set("level", outEither, inAll, colLevel, "２"),
	}
}

func codeTypeDefects() []defect {
	q := outQuarantined
	return []defect{
		// 999 is in annex A, for documents of other kinds.
		set("letters", q, inAll, colCodeType, "ABC"),
		set("too_short", q, inAll, colCodeType, "1"),
		set("too_long", q, inAll, colCodeType, "1111"),
		set("zero", q, inAll, colCodeType, "000"),
		set("in_words", outEither, inAll, colCodeType, "居民身份证"),
	}
}

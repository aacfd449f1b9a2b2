package seed

import (
	"fmt"
	"strings"
)

func nameDefects() []defect {
	q := outQuarantined
	return []defect{
		set("empty", q, inAll, colName, ""),
		set("spaces", q, inAll, colName, "    "),
		set("wide_spaces", q, inAll, colName, "\u3000\u3000"),
		set("zero_width_only", q, inAll, colName, "\u200b\u200b"),
		set("control_character", q, inText, colName, "样\x01例甲"),
		set("escape_sequence", q, inText, colName, "样例\x1b[31m乙"),
		set("nul", q, inText, colName, "样例\x00丙"),
		set("line_break", q, inAll, colName, "样例\n丁"),
		set("delete_character", q, inAll, colName, "样例\x7f戊"),
		set("next_line_character", q, inAll, colName, "样例\u0085己"),
		set("bidi_override", q, inAll, colName, "样例\u202e庚"),
		set("201_characters", q, inAll, colName, "样例"+strings.Repeat("长", 199)),
		set("5000_characters", q, inAll, colName, strings.Repeat("样例", 2500)),
		set("replacement_character", q, inAll, colName, "样例\ufffd"),
		set("only_replacement", q, inAll, colName, "\ufffd\ufffd\ufffd"),
		set("mojibake_latin", outEither, inAll, colName, "æ\u00a0·ä¾‹ç”²"),
		set("mojibake_chinese", outEither, inAll, colName, "锟斤拷样例"),
		set("question_marks", outEither, inAll, colName, "样例??"),
		set("private_use", outEither, inAll, colName, "样例\ue863"),
	}
}

func recordIDDefects() []defect {
	q := outQuarantined
	pad := func(n int) func(string) string {
		return func(id string) string { return id + strings.Repeat("x", n-len(id)) }
	}
	return []defect{
		change("65_characters", q, inAll, colRecordID, pad(65)),
		change("1000_characters", q, inAll, colRecordID, pad(1000)),
		change("control_character", q, inText, colRecordID,
			func(id string) string { return id[:3] + "\x02" + id[3:] }),
		change("zero_width", q, inAll, colRecordID,
			func(id string) string { return id[:3] + "\u200b" + id[3:] }),
		change("inner_space", outEither, inAll, colRecordID,
			func(id string) string { return id[:3] + " " + id[3:] }),
		change("begins_with_equals", outEither, inAll, colRecordID,
			func(id string) string { return "=1+" + id }),
	}
}

func repeatedIDDefects() []defect {
	return []defect{
		{"other_person", outQuarantined, inAll, func(g *gen, r *row) {
			r.cells[colRecordID] = g.model()[colRecordID]
		}},
		{"other_person_bare", outQuarantined, inAll, func(g *gen, r *row) {
			r.cells[colRecordID] = g.model()[colRecordID]
			for _, c := range []int{colPhone, colLogin, colLevel, colProofedAt, colPassword} {
				r.cells[c] = ""
			}
		}},
		{"same_person_other_phone", outEither, inAll, func(g *gen, r *row) {
			r.cells = g.take()
			r.cells[colPhone] = g.phone()
		}},
	}
}

func repeatedCodeDefects() []defect {
	return []defect{
		{"other_name", outQuarantined, inAll, func(g *gen, r *row) {
			r.cells[colCode] = g.model()[colCode]
			r.cells[colName] += "另"
		}},
		{"other_name_same_phone", outQuarantined, inAll, func(g *gen, r *row) {
			m := g.model()
			r.cells[colCode], r.cells[colPhone] = m[colCode], m[colPhone]
			r.cells[colName] = "样例另" + m[colName]
		}},
		{"name_one_letter_off", outQuarantined, inAll, func(g *gen, r *row) {
			m := g.model()
			r.cells[colCode], r.cells[colName] = m[colCode], m[colName]+"儿"
		}},
	}
}

// withPhone gives an earlier good row that has a phone, or any if none is found.
func (g *gen) withPhone() []string {
	for range 200 {
		if m := g.model(); m[colPhone] != "" {
			return m
		}
	}
	m := g.model()
	m[colPhone] = "1990000"
	return m
}

func repeatedPhoneDefects() []defect {
	return []defect{
		{"same_form", outQuarantined, inAll, func(g *gen, r *row) {
			r.cells[colPhone] = g.withPhone()[colPhone]
		}},
		{"with_country_code", outEither, inAll, func(g *gen, r *row) {
			r.cells[colPhone] = "+86" + g.withPhone()[colPhone]
		}},
		{"same_name_other_code", outQuarantined, inAll, func(g *gen, r *row) {
			m := g.withPhone()
			r.cells[colPhone], r.cells[colName] = m[colPhone], m[colName]
		}},
	}
}

// sameAgain repeats people who came before: nothing is wrong, nothing is new.
func sameAgain() []defect {
	return []defect{
		{"same_row", outKnown, inAll, func(g *gen, r *row) { r.cells = g.model() }},
		{"other_record_same_person", outKnown, inAll, func(g *gen, r *row) {
			id := r.cells[colRecordID]
			r.cells = g.model()
			r.cells[colRecordID] = id
			r.cells[colLogin] = ""
		}},
		{"other_record_no_phone", outKnown, inAll, func(g *gen, r *row) {
			m := g.model()
			r.cells[colName], r.cells[colCode] = m[colName], m[colCode]
			for _, c := range []int{colPhone, colLogin, colLevel, colProofedAt, colPassword} {
				r.cells[c] = ""
			}
		}},
	}
}

func levelDefects() []defect {
	var ds []defect
	for _, v := range [][2]string{
		{"above_the_source", "3"}, {"four", "4"}, {"zero", "0"}, {"negative", "-1"},
		{"chinese_word", "二"}, {"word", "high"}, {"fraction", "2.5"},
		{"huge_number", "99999999999999999999"}, {"two_lines", "1\n2"}, {"with_letter", "L2"},
	} {
		ds = append(ds, set(v[0], outQuarantined, inAll, colLevel, v[1]))
	}
	return append(ds,
		defect{"three_as_number", outQuarantined, inXLSX | inJSONL, func(_ *gen, r *row) {
			r.cells[colLevel] = "3"
			r.mark(colLevel, "number", "3")
		}},
		set("with_decimals", outEither, inAll, colLevel, "2.0"))
}

func passwordDefects() []defect {
	q := outQuarantined
	made := func(variant string, f func(g *gen) string) defect {
		return defect{variant, q, inAll, func(g *gen, r *row) { r.cells[colPassword] = f(g) }}
	}
	return []defect{
		set("plain_text", q, inAll, colPassword, "样例Passw0rd!"),
		set("md5_hex", q, inAll, colPassword, "5f4dcc3b5aa765d61d8327deb882cf99"),
		made("bcrypt_cost_31", func(g *gen) string { return g.bcrypt("2b", 31) }),
		made("scrypt_ln_30", func(g *gen) string { return g.scrypt(30) }),
		made("bcrypt_cost_99", func(g *gen) string { return g.bcrypt("2b", 99) }),
		made("bcrypt_cut_short", func(g *gen) string { return g.bcrypt("2b", 12)[:50] }),
		made("bcrypt_wrong_letter", func(g *gen) string { return g.bcrypt("2b", 12)[:40] + "!!!!!!!!!!!!!!!!!!!!" }),
		made("argon2_4_tib", func(g *gen) string { return g.argon(4294967295, 3) }),
		made("argon2_rounds", func(g *gen) string { return g.argon(65536, 4000000) }),
		made("pbkdf2_rounds", func(g *gen) string {
			return "$pbkdf2-sha256$4000000000$" + g.base64(16) + "$" + g.base64(32)
		}),
		made("pbkdf2_rounds_negative", func(g *gen) string {
			return "pbkdf2_sha256$-1$" + g.letters(22) + "$" + g.base64(32) + "="
		}),
		made("md5_crypt", func(g *gen) string { return "$1$" + g.letters(8) + "$" + g.letters(22) }),
		made("sha512_crypt", func(g *gen) string { return "$6$" + g.letters(16) + "$" + g.letters(86) }),
		set("only_a_prefix", q, inAll, colPassword, "$2b$"),
		set("star", q, inAll, colPassword, "*"),
		{"bcrypt_cost_04", outEither, inAll, func(g *gen, r *row) { r.cells[colPassword] = g.bcrypt("2b", 4) }},
	}
}

func phoneDefects() []defect {
	q := outQuarantined
	made := func(variant, expect string, f func(p string) string) defect {
		return defect{variant, expect, inAll, func(g *gen, r *row) { r.cells[colPhone] = f(g.phone()) }}
	}
	return []defect{
		made("ten_digits", q, func(p string) string { return p[:10] }),
		made("twelve_digits", q, func(p string) string { return p + "1" }),
		made("letters", q, func(p string) string { return p[:3] + "ABCD" + p[7:] }),
		set("landline", q, inAll, colPhone, "010-66668888"),
		set("landline_11_digits", q, inAll, colPhone, "02166668888"),
		set("word", q, inAll, colPhone, "无"),
		set("only_country_code", q, inAll, colPhone, "+86"),
		made("two_phones", q, func(p string) string { return p + "/" + p[:10] + "0" }),
		made("letter_o", q, func(p string) string { return "199O" + p[4:] }),
		made("country_code_too_short", q, func(p string) string { return "+86" + p[:8] }),
		made("dashes", outEither, func(p string) string { return p[:3] + "-" + p[3:7] + "-" + p[7:] }),
		made("country_code_no_plus", outEither, func(p string) string { return "86" + p }),
		set("no_mobile_range", outEither, inAll, colPhone, "12345678901"),
	}
}

func emptyDefects() []defect {
	ds := []defect{
		set("record_id", outQuarantined, inAll, colRecordID, ""),
		set("name", outQuarantined, inAll, colName, ""),
		set("code", outQuarantined, inAll, colCode, ""),
		set("code_only_spaces", outQuarantined, inAll, colCode, "   "),
		set("record_id_only_spaces", outQuarantined, inAll, colRecordID, "  "),
		{"all_cells", outEither, inAll, func(_ *gen, r *row) { r.cells = make([]string, colCount) }},
	}
	for _, c := range []int{colRecordID, colName, colCode} {
		ds = append(ds, defect{fmt.Sprintf("%s_null", columns[c]), outQuarantined, inJSONL,
			func(_ *gen, r *row) {
				r.cells[c] = ""
				r.mark(c, "null", "")
			}})
	}
	return ds
}

package seed

import (
	"bytes"
	"slices"
	"strings"
)

// encodingDefects write bytes into a name that are not of the file's encoding.
func encodingDefects() []defect {
	raw := func(variant, expect string, formats int, b string) defect {
		return defect{variant, expect, formats, func(_ *gen, r *row) {
			r.cells[colName] = "样例" + rawMark
			r.rawBytes([]byte(b))
		}}
	}
	q, utf8 := outQuarantined, inUTF8|inJSONL
	return []defect{
		raw("gb18030_bytes", q, utf8, "\xd1\xf9\xc0\xfd"),
		raw("lone_continuation", q, utf8, "\x80\xbf"),
		raw("cut_short", q, utf8, "\xe6\xa0"),
		raw("overlong", q, utf8, "\xc0\xaf"),
		raw("surrogate", q, utf8, "\xed\xa0\x80"),
		raw("beyond_unicode", q, utf8, "\xf4\x90\x80\x80"),
		raw("byte_ff", q, utf8|inGB, "\xff"),
		raw("lone_lead_byte", q, inGB, "\x81\x20"),
		raw("utf8_bytes_odd", q, inGB, "样例甲"),
		raw("four_bytes_unassigned", q, inGB, "\xfe\x39\xfe\x39"),
		raw("four_bytes_cut_short", q, inGB, "\x81\x30"),
		raw("utf8_bytes_even", outEither, inGB, "样例"),
		raw("lone_surrogate_escape", q, inJSONL, `\ud842`),
		{"byte_ff_in_record_id", q, utf8 | inGB, func(_ *gen, r *row) {
			r.cells[colRecordID] += rawMark
			r.rawBytes([]byte{0xff})
		}},
	}
}

// shiftedDefects move values into the wrong columns.
func shiftedDefects() []defect {
	q := outQuarantined
	move := func(variant, expect string, formats int, f func(c []string) []string) defect {
		return defect{variant, expect, formats, func(_ *gen, r *row) {
			// Full cells, so that the shift shows in several of them.
			r.cells[colLevel], r.cells[colProofedAt] = "2", "2024-03-01"
			r.cells = f(r.cells)
		}}
	}
	swap := func(c []string) []string {
		c[colCode], c[colPhone] = c[colPhone], c[colCode]
		return c
	}
	return []defect{
		move("name_left_out", q, inGrid,
			func(c []string) []string { return slices.Delete(c, colName, colName+1) }),
		move("empty_cell_before_name", q, inGrid,
			func(c []string) []string { return slices.Insert(c, colName, "") }),
		move("moved_right", q, inAll,
			func(c []string) []string { return append([]string{c[len(c)-1]}, c[:len(c)-1]...) }),
		move("moved_left", q, inAll,
			func(c []string) []string { return append(slices.Clone(c[1:]), c[0]) }),
		move("code_and_phone_swapped", q, inAll, swap),
		move("remark_left_out", q, inGrid,
			func(c []string) []string { return slices.Delete(c, colRemark, colRemark+1) }),
		move("one_cell_more", q, inCSV, func(c []string) []string { return append(c, "多余") }),
		move("only_first_cell", q, inGrid, func(c []string) []string { return c[:1] }),
		move("name_cut_in_two", q, inGrid,
			func(c []string) []string { return slices.Insert(c, colName, "样例") }),
		move("one_cell_more_xlsx", outEither, inXLSX,
			func(c []string) []string { return append(c, "多余") }),
		move("one_empty_cell_more", outEither, inCSV,
			func(c []string) []string { return append(c, "") }),
		move("last_cell_left_out", outEither, inCSV,
			func(c []string) []string { return c[:len(c)-1] }),
		{"code_key_absent", q, inJSONL, func(_ *gen, r *row) { r.mark(colCode, "absent", "") }},
		{"name_key_absent", q, inJSONL, func(_ *gen, r *row) { r.mark(colName, "absent", "") }},
		{"unknown_key", outEither, inJSONL, func(_ *gen, r *row) {
			r.mangle = func(l []byte) []byte {
				return append(bytes.TrimSuffix(l, []byte("}")), `,"extra":"x"}`...)
			}
		}},
	}
}

// mergedDefects merge a cell with the one above, so that it has no value of its own.
func mergedDefects() []defect {
	merge := func(col int) func(*gen, *row) {
		return func(_ *gen, r *row) { r.cells[col], r.mergeUp = "", col }
	}
	return []defect{
		{"name", outQuarantined, inXLSX, merge(colName)},
		{"code", outQuarantined, inXLSX, merge(colCode)},
		{"phone", outEither, inXLSX, merge(colPhone)},
	}
}

func formulaDefects() []defect {
	q := outQuarantined
	formula := func(variant, expect string, f func(r *row)) defect {
		return defect{variant, expect, inXLSX, func(_ *gen, r *row) { f(r) }}
	}
	return []defect{
		set("text_equals", q, inAll, colName, "=1+1"),
		set("text_hyperlink", q, inAll, colName, `=HYPERLINK("http://example.invalid/","样例")`),
		set("text_command", q, inAll, colName, "=cmd|' /C calc'!A0"),
		set("text_equals_name", q, inAll, colName, "=样例"),
		set("text_plus", q, inAll, colName, "+1+1"),
		set("text_minus", q, inAll, colName, "-2+3"),
		set("text_at", q, inAll, colName, "@SUM(1+1)"),
		formula("name_from_a1", q, func(r *row) {
			r.cells[colName] = "record_id"
			r.mark(colName, "formula", "A1")
		}),
		formula("name_without_value", q, func(r *row) {
			r.cells[colName] = ""
			r.mark(colName, "formula", "A1")
		}),
		formula("name_error_value", q, func(r *row) {
			r.cells[colName] = "#REF!"
			r.mark(colName, "formula", "#REF!")
		}),
		formula("code_without_value", q, func(r *row) {
			r.cells[colCode] = ""
			r.mark(colCode, "formula", "D2")
		}),
		formula("name_joined", outEither, func(r *row) {
			f := `"样例"&"` + strings.TrimPrefix(r.cells[colName], "样例") + `"`
			r.mark(colName, "formula", f)
		}),
	}
}

// brokenJSONDefects are lines that no JSON reader can read as an object.
func brokenJSONDefects() []defect {
	broken := func(variant, expect string, f func(l []byte) []byte) defect {
		return defect{variant, expect, inJSONL, func(_ *gen, r *row) { r.mangle = f }}
	}
	cut := func(drop int) func([]byte) []byte {
		return func(l []byte) []byte { return l[:len(l)-drop] }
	}
	q := outQuarantined
	return []defect{
		broken("string_not_closed", q, cut(2)),
		broken("brace_missing", q, cut(1)),
		broken("half_a_line", q, func(l []byte) []byte { return l[:len(l)/2] }),
		broken("text_after_object", q, func(l []byte) []byte { return append(l, " xyz"...) }),
		broken("an_array", q, func(l []byte) []byte { return append(append([]byte("["), l...), ']') }),
		broken("comma_at_end", outEither, func(l []byte) []byte { return append(l, ',') }),
	}
}

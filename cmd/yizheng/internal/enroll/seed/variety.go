package seed

import "strings"

// spaced puts spaces around cells.
func spaced(r *row, space string) {
	for _, c := range []int{colName, colCode, colPhone, colLevel, colProofedAt} {
		if r.cells[c] != "" {
			r.cells[c] = space + r.cells[c] + space
		}
	}
}

// allVariety lists what looks unusual and is right: each such row has to be taken.
func allVariety() []kind {
	taken := func(variant string, formats int, f func(g *gen, r *row)) defect {
		return defect{variant, outTaken, formats, f}
	}
	name := func(variant, n string) defect {
		return taken(variant, inAll, func(g *gen, r *row) { r.cells[colName] = n + string(pick(g, given...)) })
	}
	day := func(variant, layout string) defect {
		return taken(variant, inAll, func(g *gen, r *row) { r.cells[colProofedAt] = g.day(layout) })
	}
	return []kind{{"harmless", append([]defect{
		taken("crlf", inText, func(_ *gen, r *row) { r.crlf = true }),
		taken("spaces_after_cells", inAll, func(_ *gen, r *row) { spacedAfter(r) }),
		taken("spaces_around_cells", inAll, func(_ *gen, r *row) { spaced(r, "  ") }),
		taken("all_quoted", inCSV, func(_ *gen, r *row) { r.quoteAll = true }),
		taken("comma_in_remark", inAll, func(_ *gen, r *row) { r.cells[colRemark] = "甲, 乙; 丙" }),
		taken("quotes_in_remark", inAll, func(_ *gen, r *row) { r.cells[colRemark] = `他说"样例",完` }),
		taken("line_break_in_remark", inAll, func(_ *gen, r *row) { r.cells[colRemark] = "第一行\n第二行" }),
		day("day_slashes", "2006/1/2"),
		day("day_slashes_padded", "2006/01/02"),
		day("day_compact", "20060102"),
		taken("only_required", inAll, func(_ *gen, r *row) {
			for c := range r.cells {
				if c != colRecordID && c != colName && c != colCode {
					r.cells[c] = ""
				}
			}
		}),
		taken("country_code", inAll, func(g *gen, r *row) { r.cells[colPhone] = "+86" + g.phone() }),
		taken("record_id_64", inAll, func(_ *gen, r *row) {
			id := r.cells[colRecordID]
			r.cells[colRecordID] = id + strings.Repeat("y", 64-len(id))
		}),
		taken("name_200", inAll, func(_ *gen, r *row) {
			r.cells[colName] = "样例" + strings.Repeat("长", 198)
		}),
		name("rare_u4dae", "样例䶮"), name("rare_u36c3", "样例㛃"),
		name("rare_u23c97", "样例𣲗"), name("rare_u2cc56", "样例𬱖"),
		taken("name_with_dot", inAll, func(_ *gen, r *row) { r.cells[colName] = "样例·买买提" }),
	}, cellVariety(taken)...)}}
}

// cellVariety is what XLSX and JSON Lines can do with the types of cells.
func cellVariety(taken func(string, int, func(*gen, *row)) defect) []defect {
	return []defect{
		taken("level_number", inXLSX|inJSONL, func(_ *gen, r *row) {
			r.cells[colLevel] = "2"
			r.mark(colLevel, "number", "2")
		}),
		taken("nulls", inJSONL, func(_ *gen, r *row) {
			for _, c := range []int{colCodeType, colLogin, colPassword} {
				r.cells[c] = ""
				r.mark(c, "null", "")
			}
		}),
		taken("keys_absent", inJSONL, func(_ *gen, r *row) {
			for _, c := range []int{colCodeType, colLogin, colRemark, colPassword} {
				r.cells[c] = ""
				r.mark(c, "absent", "")
			}
		}),
		taken("escapes", inJSONL, func(_ *gen, r *row) {
			r.escape = true
			r.cells[colName] = "样例𬱖䶮"
		}),
		{"date_cell", outEither, inXLSX, func(g *gen, r *row) {
			r.cells[colProofedAt] = g.day("2006-01-02")
			r.mark(colProofedAt, "date", r.cells[colProofedAt])
		}},
		{"phone_number", outEither, inXLSX | inJSONL, func(g *gen, r *row) {
			r.cells[colPhone] = g.phone()
			r.mark(colPhone, "number", r.cells[colPhone])
		}},
	}
}

// spacedAfter puts spaces after cells, as programs with fixed widths do.
func spacedAfter(r *row) {
	for _, c := range []int{colName, colCode, colPhone, colLevel, colProofedAt} {
		if r.cells[c] != "" {
			r.cells[c] += "   "
		}
	}
}

// lowerX is the variety that only a code with X at its end can have.
func lowerX(r *row) bool {
	c := r.cells[colCode]
	if !strings.HasSuffix(c, "X") {
		return false
	}
	r.cells[colCode] = strings.ToLower(c)
	r.kind, r.variant, r.expect = "harmless", "lower_case_x", outTaken
	return true
}

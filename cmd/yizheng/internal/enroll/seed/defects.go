package seed

// The formats for which a defect makes sense.
const (
	inUTF8 = 1 << iota
	inGB
	inXLSX
	inJSONL

	inCSV  = inUTF8 | inGB
	inText = inCSV | inJSONL
	inGrid = inCSV | inXLSX
	inAll  = inCSV | inXLSX | inJSONL
)

var formatBits = map[string]int{
	"csv": inUTF8, "csv-gb18030": inGB, "xlsx": inXLSX, "jsonl": inJSONL,
}

// defect is one variant of a kind: it spoils a good row.
type defect struct {
	variant string
	expect  string
	formats int
	spoil   func(g *gen, r *row)
}

// kind is a kind of defect, or of harmless variety, with its variants.
type kind struct {
	name     string
	variants []defect
}

// set is a defect that writes a fixed value into a cell.
func set(variant, expect string, formats, col int, value string) defect {
	return defect{variant, expect, formats, func(_ *gen, r *row) { r.cells[col] = value }}
}

// change is a defect that changes what is in a cell.
func change(variant, expect string, formats, col int, f func(string) string) defect {
	return defect{variant, expect, formats, func(_ *gen, r *row) { r.cells[col] = f(r.cells[col]) }}
}

// birth is a defect that puts another birth date into the code, check digit mended.
func birth(variant, date string) defect {
	return change(variant, outQuarantined, inAll, colCode,
		func(c string) string { return withBirth(c, date) })
}

// kindsFor gives the kinds that have a variant for the format.
func kindsFor(all []kind, format string) []kind {
	var kinds []kind
	for _, k := range all {
		var vs []defect
		for _, v := range k.variants {
			if v.formats&formatBits[format] != 0 {
				vs = append(vs, v)
			}
		}
		if len(vs) > 0 {
			kinds = append(kinds, kind{k.name, vs})
		}
	}
	return kinds
}

// wheel hands out the kinds in turn, and the variants of each in turn.
type wheel struct {
	kinds []kind
	turn  int
}

// spoil applies the next defect to a good row.
func (w *wheel) spoil(g *gen, r *row) {
	k := w.kinds[w.turn%len(w.kinds)]
	d := k.variants[w.turn/len(w.kinds)%len(k.variants)]
	w.turn++
	r.kind, r.variant, r.expect = k.name, d.variant, d.expect
	d.spoil(g, r)
}

// allDefects lists every kind that is spread over a file. The unterminated quote
// and the huge cell are not here, as each comes once and by option.
func allDefects() []kind {
	return []kind{
		{"check_digit", checkDigitDefects()},
		{"birth_impossible", birthDefects()},
		{"date_future", futureDefects()},
		{"proofed_at_form", proofedDefects()},
		{"name", nameDefects()},
		{"record_id_repeated", repeatedIDDefects()},
		{"record_id_form", recordIDDefects()},
		{"code_repeated", repeatedCodeDefects()},
		{"phone_repeated", repeatedPhoneDefects()},
		{"encoding", encodingDefects()},
		{"shifted", shiftedDefects()},
		{"merged", mergedDefects()},
		{"formula", formulaDefects()},
		{"level", levelDefects()},
		{"password", passwordDefects()},
		{"phone_form", phoneDefects()},
		{"full_width_digits", fullWidthDefects()},
		{"spreadsheet_spoiled", spoiledDefects()},
		{"required_empty", emptyDefects()},
		{"code_type", codeTypeDefects()},
		{"broken_json", brokenJSONDefects()},
		{"same_again", sameAgain()},
	}
}

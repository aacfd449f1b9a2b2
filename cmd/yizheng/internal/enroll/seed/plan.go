package seed

import "strings"

// plan decides what each row of a file is to be.
type plan struct {
	o       options
	g       *gen
	defects wheel
	variety wheel
	at      int // the row of this block that gets the defect
	hugeAt  int // the row with the huge cell, or -1
	quoteAt int // the row with the quote that is not closed, or -1
}

func newPlan(o options) *plan {
	p := &plan{
		o: o, g: newGen(o.seed, o.format),
		defects: wheel{kinds: kindsFor(allDefects(), o.format)},
		variety: wheel{kinds: kindsFor(allVariety(), o.format)},
		hugeAt:  -1, quoteAt: -1,
	}
	if o.huge {
		p.hugeAt = o.rows / 2
	}
	if o.quote && formatBits[o.format]&inCSV != 0 {
		p.quoteAt = o.rows - 1 - rowsAfterQuote
	}
	return p
}

// next makes the i-th row.
func (p *plan) next(i int) *row {
	if i%block == 0 {
		p.at = i + 1 + p.g.rng.IntN(block-1)
	}
	r := &row{cells: p.g.person()}
	switch {
	case p.quoteAt >= 0 && i >= p.quoteAt:
		p.quoted(i, r)
	case i == p.hugeAt:
		r.kind, r.variant, r.expect = "huge_cell", "name_of_30_mb", outQuarantined
		r.cells[colName] = strings.Repeat("样例长名", hugeSize/len("样例长名"))
	case i == p.at:
		p.defects.spoil(p.g, r)
	case i > 0 && p.g.rng.IntN(varietyEvery) == 0:
		if p.g.rng.IntN(2) > 0 || !lowerX(r) {
			p.variety.spoil(p.g, r)
		}
	default:
		p.g.remember(r.cells)
	}
	return r
}

// quoted opens a quote that nothing closes. The rows after it are good ones; an
// importer may take them or quarantine them, but has to account for them.
func (p *plan) quoted(i int, r *row) {
	if i > p.quoteAt {
		r.kind, r.variant, r.expect = "after_open_quote", "good_row", outEither
		return
	}
	r.kind, r.variant, r.expect = "open_quote", "name", outQuarantined
	r.cells[colName] = rawMark + r.cells[colName]
	r.rawBytes([]byte{'"'})
}

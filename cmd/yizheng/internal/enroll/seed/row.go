package seed

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// The columns of every file, in order. "remark" is not in the contract: it is a
// foreign column that an importer has to pass over.
const (
	colRecordID = iota
	colName
	colCodeType
	colCode
	colPhone
	colLogin
	colRemark
	colLevel
	colProofedAt
	colPassword
	colCount
)

var columns = []string{
	"record_id", "name", "code_type", "code", "phone",
	"login_name", "remark", "level", "proofed_at", "password",
}

// The outcomes that an answer can ask for. outEither stands where the contract
// leaves the choice open: the row must be counted, and that is all.
const (
	outTaken       = "taken"
	outKnown       = "known"
	outQuarantined = "quarantined"
	outEither      = "either"
)

// special says that one cell is written in another way than as text.
type special struct {
	what string // "number", "date", "formula", "null" or "absent"
	text string // the formula, or the number's text
}

// row is one line of the file to be written, with the answer to it.
type row struct {
	cells    []string
	special  map[int]special
	kind     string // empty for a plain good row
	variant  string
	expect   string
	quoteAll bool                // CSV: quotes around every cell
	crlf     bool                // CSV and JSONL: the line ends with CR LF
	escape   bool                // JSONL: everything beyond ASCII as \u escapes
	mergeUp  int                 // XLSX: column merged with the row above, or 0
	mangle   func([]byte) []byte // changes the line's bytes after encoding
}

// mark records that a cell is written in a special way.
func (r *row) mark(col int, what, text string) {
	if r.special == nil {
		r.special = map[int]special{}
	}
	r.special[col] = special{what, text}
}

// rawMark is put in a cell where bytes are to stand that no encoder would write.
const rawMark = "~~RAW~~"

// rawBytes puts bytes in the place of rawMark once the line is encoded.
func (r *row) rawBytes(b []byte) {
	r.mangle = func(line []byte) []byte {
		return bytes.Replace(line, []byte(rawMark), b, 1)
	}
}

// maxEarlier is how many earlier good rows are kept to make duplicates of.
const maxEarlier = 5000

// gen makes rows. The same seed and format give the same rows.
type gen struct {
	rng     *rand.Rand
	format  string
	count   int        // people made up so far
	goods   int        // plain good rows so far
	earlier [][]string // a sample of the plain good rows
	offset  int        // where this seed begins in the space of numbers
}

func newGen(seed uint64, format string) *gen {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	return &gen{rng: rng, format: format, offset: rng.IntN(90_000_000)}
}

// remember keeps a plain good row as a model for later duplicates.
func (g *gen) remember(cells []string) {
	g.goods++
	if len(g.earlier) < maxEarlier && g.goods <= maxEarlier {
		g.earlier = append(g.earlier, slices.Clone(cells))
		return
	}
	if i := g.rng.IntN(g.goods); i < len(g.earlier) {
		g.earlier[i] = slices.Clone(cells)
	}
}

// model gives an earlier good row. There is always one, since no defect comes first.
func (g *gen) model() []string {
	return slices.Clone(g.earlier[g.rng.IntN(len(g.earlier))])
}

// take gives an earlier good row and keeps it from being a model again: if the
// importer changes that person, nothing exact can be said of them any more.
func (g *gen) take() []string {
	i := g.rng.IntN(len(g.earlier))
	m := g.earlier[i]
	if len(g.earlier) > 1 {
		g.earlier = slices.Delete(g.earlier, i, i+1)
	}
	return slices.Clone(m)
}

// pick chooses one of several values.
func pick[T any](g *gen, values ...T) T { return values[g.rng.IntN(len(values))] }

package workbook

import (
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
)

// mostAreas is how many merged areas a sheet may have; each takes memory.
const mostAreas = 100_000

// strip is a rectangle of cells that are merged into another one, to the left or above, which has
// the value. A merged area is two strips: the rest of its first column, and its other columns.
type strip struct{ top, bottom, left, right int }

// merge notes a merged area such as A2:B3, and reports whether it is one. A single cell isn't
// merged with any other.
func (s *scanner) merge(ref string) bool {
	first, last, ok := strings.Cut(ref, ":")
	if !ok || first == last {
		return true
	}
	left, top, err := excelize.CellNameToCoordinates(first)
	right, bottom, more := excelize.CellNameToCoordinates(last)
	if err != nil || more != nil {
		return false
	}
	left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
	for _, one := range []strip{{top + 1, bottom, left, left}, {top, bottom, left + 1, right}} {
		if one.right = min(one.right, s.columns); one.top <= one.bottom && one.left <= one.right {
			s.merged = append(s.merged, one)
		}
	}
	return true
}

// Merges tells which cells of a row are merged into another one.
type Merges struct {
	strips []strip // that begin in rows to come
	until  []int   // by column: in which row its strips end
}

func newMerges(strips []strip) *Merges {
	strips = slices.SortedFunc(slices.Values(strips), func(a, b strip) int { return a.top - b.top })
	m := &Merges{strips: strips}
	for _, s := range strips {
		if more := s.right - len(m.until); more > 0 {
			m.until = append(m.until, make([]int, more)...)
		}
	}
	return m
}

// Columns returns those columns of a row, from 0. Rows are asked for in their order.
func (m *Merges) Columns(row int) (columns []int) {
	for len(m.strips) > 0 && m.strips[0].top <= row {
		for c := m.strips[0].left; c <= m.strips[0].right; c++ {
			m.until[c-1] = max(m.until[c-1], m.strips[0].bottom)
		}
		m.strips = m.strips[1:]
	}
	for c, last := range m.until {
		if last >= row {
			columns = append(columns, c)
		}
	}
	return columns
}

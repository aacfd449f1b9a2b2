package highwater

import (
	"encoding/binary"
	"iter"
)

const entrySize = 1 + 1 + 8 + 4 + 2 // of a mark

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendEntries(b []byte, all iter.Seq[entry], n int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	for e := range all {
		b = append(b, e.kind, e.table)
		switch e.kind {
		case entryMark:
			b = binary.BigEndian.AppendUint64(b, e.hash)
			b = binary.BigEndian.AppendUint32(b, uint32(e.value))
			b = binary.BigEndian.AppendUint16(b, uint16(e.until))
		case entryOver:
			b = appendText(b, e.id)
			b = binary.BigEndian.AppendUint64(b, uint64(e.value))
			b = binary.BigEndian.AppendUint64(b, uint64(e.until))
		case entrySpent:
			b = append(b, e.sum[:]...)
			b = binary.BigEndian.AppendUint64(b, uint64(e.until))
		}
	}
	return b
}

// reader reads a file. The first error stays.
type reader struct {
	b   []byte
	err error
}

func (r *reader) next(n int) []byte {
	if r.err != nil || len(r.b) < n {
		r.err = errMalformed
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte     { return r.next(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.next(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.next(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.next(8)) }
func (r *reader) text() string   { return string(r.next(int(r.uint16()))) }

// count reads how many entries follow. More than there are bytes is an error.
func (r *reader) count() int {
	n := int(r.uint32())
	if n > len(r.b) {
		r.err = errMalformed
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *reader) header() {
	if r.byte() != fileFormat {
		r.err = errMalformed
	}
}

// entries reads entries to the end of the file.
func (r *reader) entries(take func(entry)) {
	for range r.count() {
		e := entry{kind: r.byte(), table: r.byte()}
		switch e.kind {
		case entryMark:
			e.hash, e.value, e.until = r.uint64(), int64(r.uint32()), int64(r.uint16())
		case entryOver:
			e.id, e.value, e.until = r.text(), int64(r.uint64()), int64(r.uint64())
		case entrySpent:
			copy(e.sum[:], r.next(32))
			e.until = int64(r.uint64())
		}
		if e.kind == entryMark && int(e.table) >= len(tables) || e.kind == entryOver && int(e.table) >= len(overTables) ||
			e.kind != entryMark && e.kind != entryOver && e.kind != entrySpent {
			r.err = errMalformed
		}
		if r.err != nil {
			return
		}
		take(e)
	}
	if len(r.b) > 0 {
		r.err = errMalformed
	}
}

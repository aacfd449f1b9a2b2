package rows

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// line is a line of a file.
type line struct {
	number int // from 1
	text   []byte
	long   bool // it is longer than allowed, and text is its beginning
	odd    bool // all of it has an odd number of quotes
}

// lines reads a text line by line. Lines that are too long cost time, and no memory.
type lines struct {
	r      *bufio.Reader
	max    int
	number int
}

func newLines(r io.Reader, max int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), max: max}
}

// next returns the next line without its end, or io.EOF.
func (l *lines) next() (line, error) {
	one := line{number: l.number + 1}
	for began := false; ; began = true {
		part, err := l.r.ReadSlice('\n')
		one.odd = one.odd != (bytes.Count(part, []byte{'"'})%2 == 1)
		room := l.max + 2 - len(one.text) // with the line's end
		if len(part) > room {
			one.long = true
			part = part[:max(room, 0)]
		}
		one.text = append(one.text, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (began || len(part) > 0):
		case err != nil:
			return line{}, err
		}
		break
	}
	l.number++
	one.text = bytes.TrimSuffix(bytes.TrimSuffix(one.text, []byte("\n")), []byte("\r"))
	if len(one.text) > l.max {
		one.text, one.long = one.text[:l.max], true
	}
	return one, nil
}

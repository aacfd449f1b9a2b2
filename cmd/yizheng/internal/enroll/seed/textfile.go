package seed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// sink writes rows to a file. write returns the line on which the row begins, as
// a person counts: the first line of the file is 1.
type sink interface {
	write(r *row) (line int, err error)
	close() error
}

// textSink writes lines of text: CSV or JSON Lines.
type textSink struct {
	w      *bufio.Writer
	line   int // the line on which the next row begins
	format func(r *row) []byte
	enc    *encoding.Encoder // nil for UTF-8
}

func newCSV(w io.Writer, gb, bom bool) (*textSink, error) {
	s := &textSink{w: bufio.NewWriter(w), line: 1, format: csvLine}
	if gb {
		s.enc = simplifiedchinese.GB18030.NewEncoder()
	} else if bom {
		if _, err := s.w.WriteString("\ufeff"); err != nil {
			return nil, err
		}
	}
	_, err := s.write(&row{cells: columns})
	return s, err
}

func newJSONL(w io.Writer) *textSink {
	return &textSink{w: bufio.NewWriter(w), line: 1, format: jsonLine}
}

func (s *textSink) write(r *row) (int, error) {
	b := s.format(r)
	if s.enc != nil {
		var err error
		if b, err = s.enc.Bytes(b); err != nil {
			return 0, fmt.Errorf("line %d: %w", s.line, err)
		}
	}
	if r.mangle != nil {
		b = r.mangle(b)
	}
	if r.crlf {
		b = append(b, '\r')
	}
	b = append(b, '\n')
	at := s.line
	s.line += bytes.Count(b, []byte{'\n'})
	_, err := s.w.Write(b)
	return at, err
}

// close ends the file with an empty line.
func (s *textSink) close() error {
	if err := s.w.WriteByte('\n'); err != nil {
		return err
	}
	return s.w.Flush()
}

func csvLine(r *row) []byte {
	var b bytes.Buffer
	for i, c := range r.cells {
		if i > 0 {
			b.WriteByte(',')
		}
		if r.quoteAll || strings.ContainsAny(c, ",\"\r\n") {
			c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
		b.WriteString(c)
	}
	return b.Bytes()
}

func jsonLine(r *row) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range r.cells {
		value := jsonString(c, r.escape)
		switch sp := r.special[i]; sp.what {
		case "absent":
			continue
		case "null":
			value = "null"
		case "number":
			value = sp.text
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", columns[i], value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// jsonString writes a string with or without escapes for what is not ASCII.
func jsonString(s string, escape bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string can always be encoded
	}
	plain := strings.TrimSuffix(b.String(), "\n")
	if !escape {
		return plain
	}
	var out strings.Builder
	for _, c := range plain {
		if c < 0x80 {
			out.WriteRune(c)
			continue
		}
		for _, u := range utf16.Encode([]rune{c}) {
			fmt.Fprintf(&out, `\u%04x`, u)
		}
	}
	return out.String()
}

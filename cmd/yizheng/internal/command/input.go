package command

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"unicode/utf16"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// ReadInput reads a file, or standard input for "-", of at most max bytes.
func ReadInput(p *Process, path string, max int64) ([]byte, error) {
	in := p.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, texts.Usage("input.unreadable", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, max+1))
	if err != nil {
		return nil, texts.Usage("input.reading", path, err)
	}
	if int64(len(text)) > max {
		return nil, texts.Usage("input.large", path, max)
	}
	return withoutMark(text), nil
}

// withoutMark takes away the byte order mark that editors on Windows write before
// UTF-8, and turns their UTF-16 into UTF-8.
func withoutMark(text []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return text[3:]
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return text
	}
	units := make([]uint16, 0, len(text)/2)
	for text = text[2:]; len(text) >= 2; text = text[2:] {
		units = append(units, order.Uint16(text))
	}
	return []byte(string(utf16.Decode(units)))
}

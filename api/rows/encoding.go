package rows

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"
)

// Encoding is how a text file holds characters.
type Encoding string

// The encodings that are read. A byte order mark before the text is skipped.
const (
	UTF8    Encoding = "utf-8"
	GB18030 Encoding = "gb18030"
)

// The byte order marks of the encodings.
var (
	utf8Mark    = []byte("\xef\xbb\xbf")
	gb18030Mark = []byte("\x84\x31\x95\x33")
)

// detect reads the whole file and returns its encoding. A few bad bytes don't make a file of
// UTF-8 another one: they are defects of their rows.
func detect(f io.ReadSeeker) (Encoding, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	c, err := count(f)
	if err != nil {
		return "", err
	}
	switch {
	case c.wide || c.zeros > c.size/10: // UTF-16, or no text
		return "", refuse(EncodingUnknown)
	case c.chinese:
		return GB18030, nil
	case c.marked, c.bad == 0, c.good > 2*c.bad:
		return UTF8, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if c, err = count(transform.NewReader(f, simplifiedchinese.GB18030.NewDecoder())); err != nil {
		return "", err
	}
	if c.bad+c.lost > c.good/20 {
		return "", refuse(EncodingUnknown)
	}
	return GB18030, nil
}

// counts is what a text has of characters outside ASCII.
type counts struct {
	marked, chinese bool // it begins with the byte order mark of UTF-8, of GB18030
	good, bad, lost int  // characters; bytes that are none; U+FFFD, which stands for what wasn't read
	zeros, size     int
	wide            bool // it begins with the mark of UTF-16
}

// count reads a text to its end and counts.
func count(r io.Reader) (c counts, err error) {
	buffer := make([]byte, 64<<10)
	kept, first := 0, true
	for {
		n, err := r.Read(buffer[kept:])
		text := buffer[:kept+n]
		c.size += n
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return c, err
		}
		if first && len(text) < len(gb18030Mark) && !ended {
			kept = len(text)
			continue
		}
		if first {
			first = false
			c.marked, c.chinese = bytes.HasPrefix(text, utf8Mark), bytes.HasPrefix(text, gb18030Mark)
			c.wide = bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))
		}
		for len(text) > 0 {
			if text[0] < utf8.RuneSelf {
				if text[0] == 0 {
					c.zeros++
				}
				text = text[1:]
				continue
			}
			if !utf8.FullRune(text) && !ended {
				break
			}
			switch char, size := utf8.DecodeRune(text); {
			case char == utf8.RuneError && size == 1:
				c.bad++
				text = text[1:]
			case char == utf8.RuneError:
				c.lost++
				text = text[size:]
			default:
				c.good++
				text = text[size:]
			}
		}
		if ended {
			return c, nil
		}
		kept = copy(buffer, text)
	}
}

// counted counts the bytes that are read of a file.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// decoded returns the text of a file from its beginning, as UTF-8 and without a mark.
func decoded(f io.ReadSeeker, e Encoding) (io.Reader, *counted, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, nil, err
	}
	raw := &counted{r: f}
	text := io.Reader(raw)
	switch e {
	case GB18030:
		text = transform.NewReader(raw, simplifiedchinese.GB18030.NewDecoder())
	case UTF8:
	default:
		return nil, nil, refuse(EncodingUnknown)
	}
	mark := make([]byte, len(utf8Mark))
	n, err := io.ReadFull(text, mark)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	if n == len(mark) && bytes.Equal(mark, utf8Mark) {
		return text, raw, nil
	}
	return io.MultiReader(bytes.NewReader(mark[:n]), text), raw, nil
}

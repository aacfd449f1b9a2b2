// Package workbook scans workbooks of XLSX before anything reads them. It knows what a workbook may
// have, and where its parts are, and nothing of what its cells mean.
//
// Whoever reads a workbook after that, by excelize, does so in bounded memory, and misses no rows:
// what would take more, and what two parsers would read differently, was refused.
package workbook

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// InMemory is how many bytes a sheet or the shared strings may have for excelize to unpack them to
// memory: its option UnzipXMLSizeLimit. Larger ones go to files.
const InMemory = 1 << 20

// What excelize reads into memory is bounded by these. Except for large sheets and shared strings, it
// unpacks everything to memory: styles, drawings, pictures.
const (
	mostPacked    = 100 << 20 // the file, which it reads as a whole
	mostParts     = 10_000
	mostDirectory = 4 << 20  // of the file: the list of its parts
	mostOfPart    = 4 << 20  // any part but a sheet or the shared strings
	mostUnpacked  = 64 << 20 // all parts in memory
)

// Errors of a workbook that can't be read. Their causes, where there are some, are wrapped as well, and
// may quote the workbook.
var (
	// ErrLarge says that the workbook has more than it may have.
	ErrLarge = errors.New("the workbook is too large")
	// ErrInvalid says that the workbook is broken, or that its parts can be read in more than one way.
	ErrInvalid = errors.New("the workbook is invalid")
)

func invalid(cause error) error { return fmt.Errorf("%w: %w", ErrInvalid, cause) }

// Limits are those limits of a workbook that a caller chooses. The zero Limits refuse every workbook.
type Limits struct {
	Unpacked int64 // the largest workbook, in bytes once it is unpacked
	Columns  int   // of which merged areas are noted
}

// Parts are the parts of a workbook that was scanned. Only Scan makes them.
type Parts struct {
	zip     *zip.Reader
	layouts map[*zip.File]layout // of sheets
	strings layout               // of the shared strings
}

// Scan scans a workbook of that size. It returns ErrLarge or ErrInvalid if the workbook can't be read in
// the memory that there is for it. Parts that aren't read as rows, such as a picture of 5 MiB, are
// refused as well if they are large, because excelize would hold them. A part can't be longer than the
// directory says: archive/zip returns an error then.
func Scan(f io.ReaderAt, size int64, l Limits) (*Parts, error) {
	z, err := directory(f, size)
	if err != nil {
		return nil, err
	}
	if err := sizes(z, uint64(max(0, l.Unpacked))); err != nil {
		return nil, err
	}
	p := &Parts{zip: z, layouts: map[*zip.File]layout{}}
	most := 0
	for _, part := range z.File {
		switch name := nameOf(part); {
		case name == sharedStrings:
			if p.strings, err = scanPart(part, l.Columns); err != nil {
				return nil, err
			}
			if err := wellFormed(part); err != nil {
				return nil, invalid(err)
			}
		case strings.HasPrefix(name, "xl/worksheets/") && !strings.HasPrefix(name, "xl/worksheets/_rels/"):
			if p.layouts[part], err = scanPart(part, l.Columns); err != nil {
				return nil, err
			}
			if !p.layouts[part].rows {
				return nil, ErrInvalid
			}
			most = max(most, p.layouts[part].values)
		}
	}
	if p.strings.longest*most > mostOfText {
		return nil, ErrLarge
	}
	return p, nil
}

// Strings returns how many strings the cells share.
func (p *Parts) Strings() int { return p.strings.strings }

// directory reads the list of a workbook's parts.
func directory(f io.ReaderAt, size int64) (*zip.Reader, error) {
	if size > mostPacked {
		return nil, ErrLarge
	}
	begins := make([]byte, 4) // excelize decrypts what begins otherwise, whatever the directory says
	if _, err := f.ReadAt(begins, 0); err != nil {
		return nil, invalid(err)
	}
	if string(begins) != "PK\x03\x04" {
		return nil, ErrInvalid
	}
	bounded := &boundedAt{f, mostDirectory}
	z, err := zip.NewReader(bounded, size)
	if errors.Is(err, ErrLarge) {
		return nil, err
	}
	if err != nil {
		return nil, invalid(err)
	}
	bounded.left = math.MaxInt64
	return z, nil
}

// sharedStrings is where the strings are that cells share.
const sharedStrings = "xl/sharedstrings.xml"

// nameOf returns the name of a part, as excelize compares it.
func nameOf(part *zip.File) string { return strings.ToLower(strings.ReplaceAll(part.Name, `\`, "/")) }

// sizes holds that the parts aren't too large, and that no two have the same name.
func sizes(z *zip.Reader, most uint64) error {
	if len(z.File) > mostParts {
		return ErrLarge
	}
	var unpacked, kept uint64
	names := map[string]bool{}
	for _, part := range z.File {
		name, size := nameOf(part), part.UncompressedSize64
		if names[name] {
			return ErrInvalid
		}
		names[name] = true
		if unpacked += size; size > most || unpacked > most {
			return ErrLarge
		}
		rows := name == sharedStrings || strings.HasPrefix(name, "xl/worksheets/sheet")
		if rows && size > InMemory && !part.FileInfo().IsDir() {
			continue
		}
		if kept += size; size > mostOfPart || kept > mostUnpacked {
			return ErrLarge
		}
	}
	return nil
}

// scanPart scans a part to its end, so that it is also known to be what was packed.
func scanPart(part *zip.File, columns int) (layout, error) {
	r, err := part.Open()
	if err != nil {
		return layout{}, invalid(err)
	}
	defer r.Close()
	return layoutOf(r, columns)
}

// wellFormed holds that a part which was scanned is XML to its end: excelize takes the shared strings
// before an error for all of them.
func wellFormed(part *zip.File) error {
	r, err := part.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	for d := xml.NewDecoder(r); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// boundedAt reads up to so many bytes of a file, and then returns ErrLarge.
type boundedAt struct {
	f    io.ReaderAt
	left int64
}

func (b *boundedAt) ReadAt(p []byte, at int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, ErrLarge
	}
	return b.f.ReadAt(p, at)
}

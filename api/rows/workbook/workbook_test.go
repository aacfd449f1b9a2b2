package workbook_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/rows/workbook"
)

// The parts that say where a workbook's sheets are: A in sheet1.xml, B nowhere, C twice, and D in what is
// no sheet.
const (
	sheets = `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>` +
		`<sheet name="A" r:id="1"/><sheet name="B" r:id="2"/><sheet name="C" r:id="3"/><sheet name="D" r:id="4"/></sheets></workbook>`
	targets = `<Relationships><Relationship Id="1" Target="worksheets/sheet1.xml"/><Relationship Id="3" Target="worksheets/sheet1.xml"/>` +
		`<Relationship Id="3" Target="/xl/worksheets/sheet1.xml"/><Relationship Id="4" Target="/xl/workbook.xml"/></Relationships>`
)

// book returns a workbook with a sheet, shared strings, and what says where the sheet is.
func book(t testing.TB, sheet, shared string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range [][2]string{
		{"xl/workbook.xml", sheets}, {"xl/_rels/workbook.xml.rels", targets},
		{"xl/worksheets/sheet1.xml", sheet}, {"xl/sharedStrings.xml", shared},
	} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: part[0], Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(w, part[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func scan(text []byte) (*workbook.Parts, error) {
	return workbook.Scan(bytes.NewReader(text), int64(len(text)), workbook.Limits{Unpacked: 1 << 22, Columns: 20})
}

// rows returns the text of a sheet with those rows and merged areas.
func rows(data string, areas ...string) string {
	var b strings.Builder
	for _, a := range areas {
		fmt.Fprintf(&b, `<mergeCell ref="%s"/>`, a)
	}
	return `<worksheet><sheetData>` + data + `</sheetData>` + b.String() + `</worksheet>`
}

// TestScan holds that a scan tells where a sheet is, how many strings there are, and what is merged.
func TestScan(t *testing.T) {
	text := rows(`<row r="1"><c t="s"><v>1</v></c></row>`, "A2:C3", "T4:Z5", "U1:V1", "C9:B8", "D7", "D7:D7")
	p, err := scan(book(t, text, `<sst><si><t>x</t></si><si/></sst>`))
	if err != nil {
		t.Fatal(err)
	}
	if p.Strings() != 2 {
		t.Errorf("%d shared strings", p.Strings())
	}
	for _, name := range []string{"B", "C", "D", "E", ""} {
		if _, err := p.Sheet(name); !errors.Is(err, workbook.ErrInvalid) {
			t.Errorf("sheet %q: %v, want %v", name, err, workbook.ErrInvalid)
		}
	}
	s, err := p.Sheet("a")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != text || s.Size() != int64(len(text)) {
		t.Errorf("%d bytes: %q, %v", s.Size(), got, err)
	}
	m := s.Merges()
	for i, want := range [][]int{nil, {1, 2}, {0, 1, 2}, nil, {19}, nil, nil, {2}, {1, 2}, nil} {
		if got := m.Columns(i + 1); !slices.Equal(got, want) {
			t.Errorf("row %d: columns %v are merged, want %v", i+1, got, want)
		}
	}
}

// TestRefused holds that each refusal is one of two errors. The limits of what a workbook may have are
// tested beside the reading of them.
func TestRefused(t *testing.T) {
	good, enough := book(t, rows(""), "<sst/>"), workbook.Limits{Unpacked: 1 << 22}
	for name, test := range map[string]struct {
		text []byte
		l    workbook.Limits
		want error
	}{
		"good":          {good, enough, nil},
		"no limits":     {good, workbook.Limits{}, workbook.ErrLarge},
		"negative":      {good, workbook.Limits{Unpacked: -1}, workbook.ErrLarge},
		"empty":         {nil, enough, workbook.ErrInvalid},
		"truncated":     {good[:len(good)/2], enough, workbook.ErrInvalid},
		"encrypted":     {append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), good...), enough, workbook.ErrInvalid}, // excelize would decrypt it
		"no rows":       {book(t, "<worksheet/>", "<sst/>"), enough, workbook.ErrInvalid},
		"broken string": {book(t, rows(""), "<sst><si>&#0;</si></sst>"), enough, workbook.ErrInvalid},
		"a long string": {book(t, rows(""), "<sst><si>"+strings.Repeat("x", 2<<20)+"</si></sst>"), enough, workbook.ErrLarge},
	} {
		if _, err := workbook.Scan(bytes.NewReader(test.text), int64(len(test.text)), test.l); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	packed := bytes.NewReader(good)
	if _, err := workbook.Scan(packed, 100<<20+1, workbook.Limits{Unpacked: 1 << 30}); !errors.Is(err, workbook.ErrLarge) || packed.Len() != len(good) {
		t.Errorf("a file of more than 100 MiB: %v", err)
	}
}

// FuzzScan scans what a sheet and the shared strings may be. Nothing panics, the error is one of two, and
// merged cells stand in the columns that are of interest, in their order.
func FuzzScan(f *testing.F) {
	for _, sheet := range []string{
		rows(`<row r="1"><c t="s"><v>0</v></c></row><row><c r="A2"><v>1</v></c></row>`, "A1:B2", "B2:XFD9", "C3:A1"),
		rows(`<x:row r='3' a=">"><!-- > --><c><v><![CDATA[1>]]></v></c></x:row><row r="2"/>`),
		rows(`<row r="1048576"><c r="XFD1048576"/></row><row/>`, strings.Split(strings.Repeat("A1:XFD1048576,", 1_000), ",")...),
		rows(`<row>` + strings.Repeat(`<c/>`, 16_385) + `</row>`),
		rows(`<row><c><v>` + strings.Repeat("x", 256<<10) + `</v></c></row>`),
		`<?xml version="1.0" encoding="utf-7"?><worksheet><sheetData></sheetData><sheetData>`,
	} {
		f.Add(sheet, `<sst><si><r><t>x</t></r></si></sst>`)
	}
	f.Fuzz(func(t *testing.T, sheet, shared string) {
		p, err := scan(book(t, sheet, shared))
		if err != nil {
			if !errors.Is(err, workbook.ErrLarge) && !errors.Is(err, workbook.ErrInvalid) {
				t.Fatalf("neither large nor invalid: %v", err)
			}
			return
		}
		s, err := p.Sheet("A")
		if err != nil {
			t.Fatal(err)
		}
		m := s.Merges()
		for row := range 50 {
			columns := m.Columns(row + 1)
			if !slices.IsSorted(columns) || len(columns) > 0 && columns[len(columns)-1] >= 20 {
				t.Fatalf("row %d: columns %v are merged", row+1, columns)
			}
		}
	})
}

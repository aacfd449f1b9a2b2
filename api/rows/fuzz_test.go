package rows

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"yizheng.internal/api/rows/workbook"
)

// fuzzed reads a file to its end. Rows have as many cells as headings, lines that go on, and cells
// within the limit.
func fuzzed(t *testing.T, name string, format Format, text []byte) {
	r, err := Open(write(t, name, string(text)), Config{Format: format, MaxCell: 64, MaxRow: 256, MaxColumns: 20, MaxBook: 1 << 22})
	if err != nil {
		if _, ok := errors.AsType[*FileError](err); !ok {
			t.Fatalf("not a *FileError: %v", err)
		}
		return
	}
	defer r.Close()
	for last := 0; ; {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if _, ok := errors.AsType[*FileError](err); ok {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if row.Line <= last || len(row.Cells) != len(r.Headings()) {
			t.Fatalf("line %d after %d, with %d cells", row.Line, last, len(row.Cells))
		}
		last = row.Line
		for _, c := range row.Cells {
			if len(c) > 64+len("…")+2 {
				t.Fatalf("a cell of %d bytes", len(c))
			}
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{"a,b\n1,2\n", "a;b\r\n\"x\n\"\"y\";2\n", "a\tb\n\"x\t1\n2\t3\n", "\ufeffa,b\nx\xff,\"\n", "\xd0\xd5\xc3\xfb,b\n\xd1\xf9,2\n", "a\n=1\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { fuzzed(t, "a.csv", CSV, text) })
}

func FuzzJSONLines(f *testing.F) {
	for _, text := range []string{"{\"a\":\"1\"}\n", "{\"a\":1,\"b\":null}\n[]\n{\"a\":{}}", "{\"\":\"\\ud800\"}\n{"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { fuzzed(t, "a.jsonl", JSONLines, text) })
}

// FuzzXLSX reads what a workbook may be: nothing panics, and nothing but a *FileError is an error.
func FuzzXLSX(f *testing.F) {
	path := sheet(f, func(_ *excelize.File, set func(string, any)) {
		set("A1", "a")
		set("B1", "b")
		set("A2", 1)
		set("B2", "x")
	})
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add(bytes.Replace(text, []byte("sheet1"), []byte("sheet2"), 1))
	f.Add(append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), text...))
	f.Add(book(f, map[string]string{"xl/styles.xml": strings.Repeat("x", 4<<20+1)}))
	f.Add(book(f, map[string]string{"xl/worksheets/sheet1.xml": strings.Repeat("<a>", 1_000)}))
	f.Add(book(f, map[string]string{"XL/sharedStrings.xml": stringsOf(strings.Repeat("<si/>", 1_000)), "xl/worksheets/sheet1.xml": sheetOf(`<row r="2"><c t="s"><v>999</v></c></row>` + sheetEnd)}))
	for _, rows := range hostile {
		f.Add(bookOf(f, rows))
	}
	f.Fuzz(func(t *testing.T, text []byte) { fuzzed(t, "a.xlsx", XLSX, text) })
}

// FuzzSheet is FuzzXLSX inside of the zip: it reads what a sheet and the shared strings may be.
func FuzzSheet(f *testing.F) {
	for _, rows := range append(hostile, cell(2, "1", "2")+`<row><c t="s"><v>0</v></c></row>`+sheetEnd) {
		f.Add(sheetOf(rows), stringsOf(`<si><r><t>x</t></r></si>`))
	}
	f.Fuzz(func(t *testing.T, sheet, shared string) {
		fuzzed(t, "a.xlsx", XLSX, book(t, map[string]string{"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": shared}))
	})
}

// hostile are the rows of sheets that mean harm.
var hostile = []string{
	`<row r="2"><c r="A2"><v>` + strings.Repeat("x", 256<<10) + `</v></c></row>` + sheetEnd,
	`<row r="2">` + strings.Repeat(`<c t="n"><v>1e9</v></c>`, 16_385) + `</row>` + sheetEnd,
	`<row r="1048576"><c r="XFD1048576" s="9"><f>A1</f><v>1</v></c></row>` + sheetEnd,
	`<row r="3"><c r="A3"><v>1</v></c></row><row r="2"><c r="B2"/><c r="A2"/></row>` + sheetEnd,
	`</sheetData>` + strings.Repeat(`<mergeCell ref="A1:XFD1048576"/>`, 1_000) + `</worksheet>`,
	`<row r="2"><c t="inlineStr"><is><r><t>&#0;</t></r></is></c></row></sheetData><sheetData>`,
}

// FuzzMarks reads the marks of what a sheet may be. Where the scan passes the sheet, its rows follow one
// another, and they and their cells are as many as spreadsheets have.
func FuzzMarks(f *testing.F) {
	for _, rows := range append(hostile, cell(2, "1", "2")+sheetEnd) {
		f.Add(sheetOf(rows))
	}
	f.Fuzz(func(t *testing.T, text string) {
		b := book(t, map[string]string{"xl/worksheets/sheet1.xml": text})
		parts, err := workbook.Scan(bytes.NewReader(b), int64(len(b)), workbook.Limits{Unpacked: 1 << 22, Columns: 20})
		if err != nil {
			return
		}
		sheet, err := parts.Sheet("Sheet1")
		if err != nil {
			t.Fatal(err)
		}
		m, err := openMarks(sheet, parts.Strings())
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		for last := 0; m.next() == nil; last = m.number {
			if m.number <= last || m.number > 1_048_576 || len(m.cells) > 16_384 {
				t.Fatalf("row %d after %d, of %d cells", m.number, last, len(m.cells))
			}
		}
	})
}

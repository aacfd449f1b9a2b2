package rows

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/xuri/excelize/v2"

	"yizheng.internal/api/rows/workbook"
)

// sheetOf returns the text of a sheet with a heading of a and b, and what stands behind that.
func sheetOf(rows string) string {
	return `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>` +
		`<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>` + rows
}

// stringsOf returns the text of the shared strings with those elements.
func stringsOf(elements string) string {
	return `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">` + elements + `</sst>`
}

// sheetEnd ends a sheet whose data has no other end.
const sheetEnd = `</sheetData></worksheet>`

// padding are empty rows, so many that the sheet is unpacked to a file.
var padding = strings.Repeat(`<row x="`+strings.Repeat("x", 1_000)+`"/>`, 1_100)

// emptyBook returns the parts of a workbook in which nothing stands.
var emptyBook = sync.OnceValues(func() (*zip.Reader, error) {
	f := excelize.NewFile()
	defer f.Close()
	b, err := f.WriteToBuffer()
	if err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
})

// book returns a workbook with these parts, and otherwise the parts of an empty one.
func book(t testing.TB, parts map[string]string) []byte {
	t.Helper()
	old, err := emptyBook()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range old.File {
		if _, other := parts[p.Name]; other {
			continue
		}
		if err := z.Copy(p); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range parts {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if len(text) > 1<<20 {
			header.Method = zip.Store // packing it takes longer than the test
		}
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = io.WriteString(w, text)
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

// bookOf returns a workbook of one sheet, whose heading is a and b.
func bookOf(t testing.TB, rows string) []byte {
	return book(t, map[string]string{"xl/worksheets/sheet1.xml": sheetOf(rows)})
}

// read reads a workbook to its end or to an error.
func read(t testing.TB, text []byte, c Config) (rows []Row, err error) {
	t.Helper()
	r, err := Open(write(t, "a.xlsx", string(text)), c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func refused(t *testing.T, err error, want FileReason) {
	t.Helper()
	if e, ok := errors.AsType[*FileError](err); !ok || e.Reason != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// cell returns cells of a row, with a text in each.
func cell(row int, texts ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<row r="%d">`, row)
	for i, text := range texts {
		fmt.Fprintf(&b, `<c r="%c%d" t="str"><v>%s</v></c>`, 'A'+i, row, text)
	}
	return b.String() + "</row>"
}

// TestLargeBook holds that a workbook of which excelize would read too much into memory is refused
// before it does, and in little memory.
func TestLargeBook(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	sheet := func(rows string) map[string]string {
		return map[string]string{"xl/worksheets/sheet1.xml": sheetOf(rows)}
	}
	shared := func(elements string) map[string]string {
		return map[string]string{"xl/sharedStrings.xml": stringsOf(elements), "xl/worksheets/sheet1.xml": sheetOf(sheetEnd)}
	}
	many := map[string]string{}
	for i := range 22 {
		many[fmt.Sprintf("xl/media/image%d.png", i)] = x(3 << 20)
	}
	names, directory := map[string]string{}, map[string]string{}
	for i := range 10_000 {
		names[fmt.Sprintf("a%d", i)] = ""
	}
	for i := range 80 {
		directory[fmt.Sprint(i, x(60_000))] = ""
	}
	var row strings.Builder
	for i := range 500 {
		name, _ := excelize.CoordinatesToCellName(i+1, 2)
		fmt.Fprintf(&row, `<c r="%s" t="s"><v>0</v></c>`, name)
	}
	wide := sheet(`<row r="2">` + row.String() + `</row>` + sheetEnd)
	wide["xl/sharedStrings.xml"] = stringsOf(`<si><t>` + x(100_000) + `</t></si>`)
	for name, parts := range map[string]map[string]string{
		"styles":                {"xl/styles.xml": x(4<<20 + 1)},
		"a picture":             {"xl/media/image1.png": x(4<<20 + 1)},
		"many pictures":         many,
		"many parts":            names,
		"a sheet in memory":     {"xl/worksheets/other.xml": sheetOf(x(4<<20) + sheetEnd)},
		"a directory":           directory,
		"a value":               sheet(`<row r="2"><c r="A2"><v>` + x(20<<20) + `</v></c></row>` + sheetEnd),
		"a value in pieces":     sheet(`<row r="2"><c r="A2"><v>` + strings.Repeat("xx<!---->", 400_000) + `</v></c></row>` + sheetEnd),
		"an attribute":          sheet(`<row r="2"><c r="A2" x="` + x(2<<20) + `"/></row>` + sheetEnd),
		"a comment":             sheet(`<!--` + x(2<<20) + `-->` + sheetEnd),
		"a row":                 sheet(`<row r="2">` + strings.Repeat(`<c><v>`+x(1<<18-100)+`</v></c>`, 70) + `</row>` + sheetEnd),
		"cells of a row":        sheet(`<row r="2">` + strings.Repeat(`<c/>`, 16_385) + `</row>` + sheetEnd),
		"rows":                  sheet(`<row r="1048577"/>` + sheetEnd),
		"depth":                 sheet(strings.Repeat(`<a>`, 1_000_000)),
		"merged areas":          sheet(`</sheetData>` + strings.Repeat(`<mergeCell ref="A1:B2"/>`, 100_001) + `</worksheet>`),
		"a string":              shared(`<si><t>` + x(20<<20) + `</t></si>`),
		"a string in pieces":    shared(`<si>` + strings.Repeat(`<r><t>xx</t></r>`, 100_000) + `</si>`),
		"strings":               shared(strings.Repeat(`<si/>`, 2_500_001)),
		"a string in 500 cells": wide,
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "a.xlsx", string(book(t, parts)))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Open(path, Config{})
			runtime.ReadMemStats(&after)
			refused(t, err, WorkbookLarge)
			if took := after.TotalAlloc - before.TotalAlloc; took > 40<<20 {
				t.Errorf("took %d bytes", took)
			}
		})
	}
}

// TestLying holds that a part isn't longer, or shorter, than the directory says.
func TestLying(t *testing.T) {
	text := book(t, map[string]string{"xl/worksheets/sheet1.xml": sheetOf(padding + sheetEnd)})
	entry := bytes.Index(text[bytes.LastIndex(text, []byte("xl/worksheets/sheet1.xml"))-46:], []byte("PK\x01\x02"))
	entry += bytes.LastIndex(text, []byte("xl/worksheets/sheet1.xml")) - 46
	size := binary.LittleEndian.Uint32(text[entry+24:])
	for _, lie := range []uint32{0, 1000, size - 1, size + 1, 1 << 29} {
		binary.LittleEndian.PutUint32(text[entry+24:], lie)
		_, err := read(t, text, Config{})
		refused(t, err, WorkbookInvalid)
	}
	binary.LittleEndian.PutUint32(text[entry+24:], size)
	if _, err := read(t, text, Config{}); err != nil {
		t.Error(err)
	}
	twice := book(t, map[string]string{"xl/worksheets/sheet1.xml": sheetOf(sheetEnd), "XL/worksheets/sheet1.xml": sheetOf(sheetEnd)})
	_, err := read(t, twice, Config{})
	refused(t, err, WorkbookInvalid)
}

// TestBrokenBook holds that no row is lost in silence: a workbook whose sheet isn't XML to its end,
// or whose rows and cells don't follow one another, is refused.
func TestBrokenBook(t *testing.T) {
	good := cell(2, "1", "2")
	for name, rows := range map[string]string{
		"truncated":               good + `<row r="3"><c r="A3"`,
		"truncated between rows":  good,
		"no end of the data":      good + `</worksheet>`,
		"character reference":     good + cell(3, "&#0;", "x") + cell(4, "x", "y") + sheetEnd,
		"an illegal byte":         good + cell(3, "\x01", "x") + cell(4, "x", "y") + sheetEnd,
		"a stray end tag":         good + `</row>` + cell(3, "x", "y") + sheetEnd,
		"a stray end of a cell":   good + `<row r="3"></c></row>` + cell(4, "x", "y") + sheetEnd,
		"an entity":               good + cell(3, "&x;", "x") + sheetEnd,
		"two < together":          good + `<<row/>` + sheetEnd,
		"a hidden tag":            good + `<!-- <row r="3"> -->` + sheetEnd,
		"a doctype":               good + `<!DOCTYPE a>` + sheetEnd,
		"another encoding":        good + `<?xml version="1.0" encoding="utf-7"?>` + sheetEnd,
		"data twice":              good + `</sheetData><sheetData>` + cell(3, "x", "y") + sheetEnd,
		"a row in a row":          `<row r="2">` + cell(3, "x", "y") + `</row>` + sheetEnd,
		"a cell in no row":        good + `<c t="str"><v>x</v></c><row><c t="str"><v>x</v></c></row>` + sheetEnd,
		"rows out of order":       cell(3, "1", "2") + cell(2, "1", "2") + sheetEnd,
		"a row twice":             good + cell(2, "x", "y") + sheetEnd,
		"a row that goes back":    cell(5, "1", "2") + `<row><c/></row>` + cell(6, "1", "2") + sheetEnd,
		"row zero":                `<row r="0"/>` + sheetEnd,
		"a negative row":          good + `<row r="-3"><c/></row>` + sheetEnd,
		"a row of letters":        `<row r="x"/>` + sheetEnd,
		"two numbers of a row":    `<row r="2" a:r="3"><c/></row>` + sheetEnd,
		"a cell of another row":   `<row r="2"><c r="A3" t="str"><v>1</v></c></row>` + sheetEnd,
		"cells out of order":      `<row r="2"><c r="B2" t="str"><v>1</v></c><c r="A2" t="str"><v>1</v></c></row>` + sheetEnd,
		"a cell twice":            `<row r="2"><c r="A2" t="str"><v>1</v></c><c r="A2" t="str"><v>1</v></c></row>` + sheetEnd,
		"a cell without a column": `<row r="2"><c r="2" t="str"><v>1</v></c></row>` + sheetEnd,
		"a style of letters":      `<row r="2"><c r="A2" s="x" t="str"><v>1</v></c></row>` + sheetEnd,
		"an empty style":          `<row r="2"><c r="A2" s="" t="str"><v>1</v></c></row>` + sheetEnd,
		"a string not there":      `<row r="2"><c r="A2" t="s"><v>0</v></c></row>` + sheetEnd,
		"a string of letters":     `<row r="2"><c r="A2" t="s"><v>x</v></c></row>` + sheetEnd,
		"a merged area":           good + `</sheetData><mergeCell ref="A1:x"/></worksheet>`,
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := read(t, bookOf(t, rows), Config{})
			refused(t, err, WorkbookInvalid)
			for _, r := range rows {
				if len(r.Defects) == 0 && strings.Join(r.Cells, "") != "12" {
					t.Errorf("a row that isn't there: %v", r)
				}
			}
		})
	}
	for _, end := range []string{"", "<row"} { // it is known before the first row is given out
		_, err := Open(write(t, "a.xlsx", string(bookOf(t, good+end))), Config{})
		refused(t, err, WorkbookInvalid)
	}
	if err := (&marks{decoder: xml.NewDecoder(strings.NewReader("<worksheet/>"))}).next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a sheet without rows: %v", err)
	}
	for name, strings := range map[string]string{"in memory": "", "in a file": strings.Repeat("<si><t>"+strings.Repeat("x", 1_000)+"</t></si>", 1_100)} {
		parts := map[string]string{"xl/sharedStrings.xml": stringsOf(`<si><t>1</t></si><si><t>&#0;</t></si>` + strings), "xl/worksheets/sheet1.xml": sheetOf(sheetEnd)}
		t.Run("shared strings "+name, func(t *testing.T) {
			_, err := read(t, book(t, parts), Config{})
			refused(t, err, WorkbookInvalid)
		})
	}
}

// TestUnusualBook holds that what is unusual and clear is read right.
func TestUnusualBook(t *testing.T) {
	for name, test := range map[string]struct {
		rows string
		want []string
	}{
		"rows without numbers":   {`<row><c t="str"><v>1</v></c><c t="str"><v>2</v></c></row><row><c/><c t="str"><v>2</v></c></row>` + sheetEnd, []string{`2 ["1" "2"]`, `3 ["" "2"]`}},
		"a gap, then no number":  {cell(5, "1", "2") + `<row><c t="str"><v>3</v></c></row>` + sheetEnd, []string{`5 ["1" "2"]`, `6 ["3" ""]`}},
		"a prefix":               {`<x:row xmlns:x="x" r='2'><x:c t="str"><x:v>1</x:v></x:c></x:row>` + sheetEnd, []string{`2 ["1" ""]`}},
		"comments and CDATA":     {`<row r="2"><!-- > --><c t="str"><v><![CDATA[1>]]>2</v></c></row>` + sheetEnd, []string{`2 ["1>2" ""]`}},
		"a > in an attribute":    {`<row x="/>" r="2"><c t="str"><v>1</v></c></row>` + sheetEnd, []string{`2 ["1" ""]`}},
		"empty rows":             {`<row/><row r="4"></row>` + cell(9, "1", "2") + sheetEnd, []string{`9 ["1" "2"]`}},
		"rows behind the data":   {cell(2, "1", "2") + `</sheetData><anchor xmlns:x="x"><x:row>5</x:row><c/></anchor></worksheet>`, []string{`2 ["1" "2"]`}},
		"nothing behind the end": {cell(2, "1", "2") + `</sheetData>`, []string{`2 ["1" "2"]`}},
		"merged, single quotes":  {cell(2, "1", "2") + cell(3, "", "2") + `</sheetData><x:mergeCell xmlns:x="x" ref='A2:A3'/></worksheet>`, []string{`2 ["1" "2"]`, `3 ["" "2"] cells_merged@0`}},
		"areas over one another": {cell(2, "1", "2") + cell(3, "3", "4") + cell(4, "5", "6") + `</sheetData><mergeCell ref="B2:XFD3"/><mergeCell ref="A2:B2"/><mergeCell ref="C4:D9"/></worksheet>`, []string{
			`2 ["1" "2"] cells_merged@1`, `3 ["3" "4"] cells_merged@1`, `4 ["5" "6"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := read(t, bookOf(t, test.rows), Config{})
			if err != nil {
				t.Error(err)
			}
			same(t, "rows", told(rows), test.want...)
		})
	}
	_, err := read(t, book(t, map[string]string{"xl/worksheets/sheet1.xml": `<worksheet><sheetData/></worksheet>`}), Config{})
	refused(t, err, HeadingMissing)
}

// TestMergedQuickly holds that areas over one another, outside of the columns, cost nothing per cell.
func TestMergedQuickly(t *testing.T) {
	var b strings.Builder
	for i := range 3_000 {
		b.WriteString(cell(i+2, "1", "2"))
	}
	text := bookOf(t, b.String()+`</sheetData>`+strings.Repeat(`<mergeCell ref="C2:XFD1048576"/>`, 100_000)+`</worksheet>`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows, err := read(t, text, Config{})
	runtime.ReadMemStats(&after)
	if err != nil || len(rows) != 3_000 || len(rows[0].Defects) > 0 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
		t.Errorf("took %d bytes", took)
	}
}

// TestLargeRow holds that a row that is too large takes no more than its beginning.
func TestLargeRow(t *testing.T) {
	rows, err := read(t, bookOf(t, cell(2, strings.Repeat("样", 8_000), strings.Repeat("y", 30_000))+sheetEnd), Config{MaxRow: 30_000})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	length := 0
	for _, c := range rows[0].Cells {
		length += len(c)
	}
	if length > 30_010 || rows[0].Defects[0] != (Defect{TooLarge, -1}) {
		t.Errorf("%d bytes, %v", length, rows[0].Defects)
	}
	if c, err := (Config{}).complete("a.csv", nil); err != nil || c.MaxRow != 64<<10 || c.MaxCell != 32<<10 {
		t.Errorf("the largest row has %d bytes, the largest cell %d", c.MaxRow, c.MaxCell)
	}
}

// BenchmarkXLSX tells how long the scan of a workbook takes beside the reading of it.
func BenchmarkXLSX(b *testing.B) {
	var rows, shared strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&rows, `<row r="%d" spans="1:9">`, i+2)
		for c := range 9 {
			fmt.Fprintf(&rows, `<c r="%c%d" t="s"><v>%d</v></c>`, 'A'+c, i+2, i*4+c%4)
		}
		rows.WriteString(`</row>`)
		for c := range 4 {
			fmt.Fprintf(&shared, `<si><t>样例 %d of %d</t></si>`, c, i)
		}
	}
	path := write(b, "a.xlsx", string(book(b, map[string]string{"xl/worksheets/sheet1.xml": sheetOf(rows.String() + sheetEnd), "xl/sharedStrings.xml": stringsOf(shared.String())})))
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			info, err := f.Stat()
			if err == nil {
				_, err = workbook.Scan(f, info.Size(), workbook.Limits{Unpacked: 1 << 30, Columns: 200})
			}
			if err := errors.Join(err, f.Close()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			all(b, path, Config{})
		}
	})
}

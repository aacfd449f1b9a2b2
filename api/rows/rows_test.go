package rows

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// write writes a file of that name and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// all reads a file to its end.
func all(t testing.TB, path string, c Config) (headings []string, rows []Row) {
	t.Helper()
	r, err := Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Headings(), rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

// told writes rows as texts: line, cells, reasons with their columns.
func told(rows []Row) (texts []string) {
	for _, r := range rows {
		var text strings.Builder
		fmt.Fprintf(&text, "%d %q", r.Line, r.Cells)
		for _, d := range r.Defects {
			fmt.Fprintf(&text, " %s@%d", d.Reason, d.Column)
		}
		texts = append(texts, text.String())
	}
	return texts
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestCSV(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"plain":              {"a,b\n1,2\n\n3,4", []string{`2 ["1" "2"]`, `4 ["3" "4"]`}},
		"mark and CRLF":      {"\ufeffa,b\r\n1,2\r\n", []string{`2 ["1" "2"]`}},
		"semicolon":          {"a;b\n1,5;2\n", []string{`2 ["1,5" "2"]`}},
		"tab":                {"a\tb\n1\t2\n", []string{`2 ["1" "2"]`}},
		"quotes":             {"a,b\n\"x, \"\"y\"\"\",\"1\n2\"\n3,4\n", []string{`2 ["x, \"y\"" "1\n2"]`, `4 ["3" "4"]`}},
		"nothing in a row":   {"a,b\n,\n1,2\n", []string{`3 ["1" "2"]`}},
		"too few":            {"a,b\n1\n3,4\n", []string{`2 ["1" ""] row_malformed@-1`, `3 ["3" "4"]`}},
		"too many":           {"a,b\n1,2,3\n3,4\n", []string{`2 ["1" "2,3"] row_malformed@-1`, `3 ["3" "4"]`}},
		"one empty too many": {"a,b\n,1,\n3,4\n", []string{`2 ["" "1,"] row_malformed@-1`, `3 ["3" "4"]`}},
		"bare quote":         {"a,b\nx\"y,2\n3,4\n", []string{`2 ["x\"y" "2"] row_malformed@-1`, `3 ["3" "4"]`}},
		"text behind quote":  {"a,b\n\"x\"y,2\n3,4\n", []string{`2 ["\"x\"y" "2"] row_malformed@-1`, `3 ["3" "4"]`}},
		"bad bytes":          {"a,b\n样例,样例\nx\xff,2\n3,4\n", []string{`2 ["样例" "样例"]`, "3 [\"x\ufffd\" \"2\"] row_malformed@-1", `4 ["3" "4"]`}},
		"lost":               {"a,b\nx\ufffd,2\n", []string{"2 [\"x\ufffd\" \"2\"] row_malformed@-1"}},
		"formula":            {"a,b\n=1+1,2\n", []string{`2 ["=1+1" "2"] formula@0`}},
		"large cell":         {"a,b\n" + strings.Repeat("x", 50) + ",2\n3,4\n", []string{`2 ["` + strings.Repeat("x", 40) + `…" "2"] cell_too_large@0`, `3 ["3" "4"]`}},
		"large row":          {"a,b\n" + strings.Repeat("x,", 500) + "\n3,4\n", []string{`2 ["x" "` + strings.Repeat("x,", 19) + "x," + `…"] cell_too_large@-1 cell_too_large@1`, `3 ["3" "4"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			headings, rows := all(t, write(t, "a.csv", test.text), Config{MaxCell: 40, MaxRow: 400})
			same(t, "headings", headings, "a", "b")
			same(t, "rows", told(rows), test.want...)
		})
	}
}

// TestOpenQuote: of what stands behind an open quote nothing is read as a row, whatever somebody wrote
// into a cell.
func TestOpenQuote(t *testing.T) {
	const lines = "\n9,9\n9,9"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"to the end":               {"1,2\n\"x,2\n3,4\n5,6\n", []string{`2 ["1" "2"]`, "quote_open 3"}},
		"a cell of many lines":     {"1,\"" + strings.Repeat("z\n", 60) + "9,9\"\n3,4\n", []string{`2 ["1" "` + strings.Repeat(`z\n`, 60) + `9,9"]`, `63 ["3" "4"]`}},
		"longer than a row":        {"1,\"" + strings.Repeat("z", 300) + strings.Repeat(lines, 40) + "\"\n3,4\n", []string{"quote_open 2"}},
		"its first line is longer": {"1,\"" + strings.Repeat("z", 500) + lines + "\"\n3,4\n", []string{"quote_open 2"}},
		"its second line, too":     {"1,\"z\n" + strings.Repeat("z", 500) + lines + "\"\n3,4\n", []string{"quote_open 2"}},
		"closes inside of a cell":  {"\"x,2\n3,\"4\"\n5,6\n", []string{"quote_open 2"}},
		"quotes in a long line":    {"1,\"" + strings.Repeat("z", 500) + "\"\n3,4\n", []string{`2 ["1" "\"` + strings.Repeat("z", 239) + `…"] cell_too_large@-1 cell_too_large@1`, `3 ["3" "4"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(write(t, "a.csv", "a,b\n"+test.text), Config{MaxCell: 40 + 200, MaxRow: 400})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var got []string
			for {
				row, err := r.Next()
				if e, ok := errors.AsType[*FileError](err); ok {
					got = append(got, fmt.Sprint(e.Reason, " ", e.Line))
				}
				if err != nil {
					break
				}
				got = append(got, told([]Row{row})...)
			}
			same(t, "rows", got, test.want...)
		})
	}
}

func TestEncodings(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().String("姓名,b\n样例䶮,2\n样例𬱖,3\n")
	if err != nil {
		t.Fatal(err)
	}
	headings, rows := all(t, write(t, "gb.csv", gb), Config{})
	same(t, "headings", headings, "姓名", "b")
	same(t, "rows of GB18030", told(rows), `2 ["样例䶮" "2"]`, `3 ["样例𬱖" "3"]`)
	for _, c := range []Config{{}, {Encoding: GB18030}} {
		for text, want := range map[string]string{gb: "姓名", "a,b\n样例样例样例,1\n": "a"} { // the second is UTF-8 behind the mark
			headings, _ = all(t, write(t, "gb.csv", "\x84\x31\x95\x33"+text), c)
			same(t, "headings behind a mark", headings, want, "b")
		}
	}
	for name, text := range map[string]string{
		"UTF-16":        "\xff\xfea\x00,\x00b\x00\n\x00",
		"UTF-16 big":    "\xfe\xff\x00a\x00,\x00b",
		"no text":       strings.Repeat("\x00\x01\x02", 100),
		"random bytes":  strings.Repeat("\xff\x80\xfe", 100),
		"empty":         "",
		"only newlines": "\n\n",
	} {
		_, err := Open(write(t, "a.csv", text), Config{})
		if _, ok := errors.AsType[*FileError](err); !ok {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if _, err := Open(write(t, "a.doc", "a,b\n"), Config{}); err == nil {
		t.Error("a file of an unknown format was read")
	}
	if _, err := Open(write(t, "a.csv", strings.Repeat("a,", 300)+"b\n"), Config{}); err == nil {
		t.Error("a file of 301 columns was read")
	}
}

func TestJSONLines(t *testing.T) {
	text := "{\"a\":\"1\",\"b\":2}\n\n{\"a\":null,\"c\":\"样例\"}\n[1]\n{\"a\":\"1\",\"a\":\"2\"}\n{\"a\":{\"x\":1}}\n{\"a\":true,\"b\":\"x\"}\n{\"a\":\"1\"} {}\n" +
		"{\"a\":\"" + strings.Repeat("x", 500) + "\"}\n{\"a\":1.5e3}\n{\"a\":\"x\xff\"}\n{\"a\":\"\\u0041\"}"
	headings, rows := all(t, write(t, "a.jsonl", text), Config{MaxRow: 200})
	same(t, "headings", headings, "a", "b", "c")
	got := told(rows)
	if len(got) != 11 {
		t.Fatalf("%d rows: %q", len(got), got)
	}
	got = slices.Delete(got, 7, 8) // the long one
	same(t, "rows", got, `1 ["1" "2" ""]`, `3 ["" "" "样例"]`, `4 ["[1]" "" ""] row_malformed@-1`, `5 ["{\"a\":\"1\",\"a\":\"2\"}" "" ""] row_malformed@-1`,
		`6 ["{\"x\":1}" "" ""] row_malformed@0`, `7 ["true" "x" ""] row_malformed@0`, `8 ["{\"a\":\"1\"} {}" "" ""] row_malformed@-1`, `10 ["1500" "" ""]`,
		"11 [\"{\\\"a\\\":\\\"x\ufffd\\\"}\" \"\" \"\"] row_malformed@-1", `12 ["A" "" ""]`)
	if rows[7].Line != 9 || rows[7].Defects[0].Reason != TooLarge {
		t.Errorf("a long line: %+v", rows[7])
	}
}

// TestJSONNumbers holds that a number that may have been rounded isn't taken for what it was.
func TestJSONNumbers(t *testing.T) {
	text := "\ufeff{\"a\":110105194912310021}\n{\"a\":\"110105194912310021\"}\n{\"a\":123456789012345}\n{\"a\":1.10105194912310021e17}\n{\"a\":1e3}\n{\"a\":1e400}\n{\"a\":-0.5}\n"
	headings, rows := all(t, write(t, "a.jsonl", text), Config{})
	same(t, "headings", headings, "a") // without the byte order mark
	same(t, "rows", told(rows), `1 ["110105194912310021"] number_imprecise@0`, `2 ["110105194912310021"]`, `3 ["123456789012345"]`,
		`4 ["110105194912310020"] number_imprecise@0`, `5 ["1000"]`, `6 ["1e400"] number_imprecise@0`, `7 ["-0.5"]`)
}

// TestFormDefect holds that each reason that a row may have is known to be one.
func TestFormDefect(t *testing.T) {
	for _, r := range []Reason{Malformed, TooLarge, Formula, Merged, Rounded} {
		if !FormDefect(string(r)) {
			t.Errorf("%s isn't known", r)
		}
	}
	for _, r := range []string{"", "record_id_missing", string(WorkbookLarge)} {
		if FormDefect(r) {
			t.Errorf("%q is known", r)
		}
	}
}

// TestLargeCell holds that a cell of 30 MB is a defect of its row, and takes no memory.
func TestLargeCell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "a,b\n1,2\n\"")
	for range 300 {
		fmt.Fprint(f, strings.Repeat("x", 100<<10))
	}
	fmt.Fprint(f, "\",2\n3,4\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var reasons []string
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range row.Defects {
			reasons = append(reasons, fmt.Sprint(row.Line, " ", d.Reason))
		}
	}
	runtime.ReadMemStats(&after)
	if len(reasons) == 0 || reasons[0] != "3 cell_too_large" {
		t.Errorf("defects: %q", reasons)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("a cell of 30 MB took %d bytes", took)
	}
}

func TestSuggest(t *testing.T) {
	fields := []Field{
		{Name: "record_id", Required: true, Words: []string{"编号", "id"}}, {Name: "name", Required: true, Words: []string{"姓名"}},
		{Name: "code", Words: []string{"公民身份号码", "身份证号"}}, {Name: "phone", Words: []string{"手机号"}},
	}
	for _, test := range []struct{ headings, want string }{
		{"编号|姓名|公民身份号码|手机号", "record_id=编号 name=姓名 code=公民身份号码 phone=手机号"},
		{"用户 ID|联系人姓名|身份证号（必填）|手机号码", "record_id=用户 ID name=联系人姓名 code=身份证号（必填） phone=手机号码"},
		{"Record_ID|NAME|Code|PHONE", "record_id=Record_ID name=NAME code=Code phone=PHONE"},
		{"x|y", ""},
	} {
		headings := strings.Split(test.headings, "|")
		m := Suggest(headings, fields)
		var got []string
		for _, f := range fields {
			if h, ok := m[f.Name]; ok {
				got = append(got, f.Name+"="+h)
			}
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %s, want %s", test.headings, text, test.want)
		}
	}
	for want, m := range map[MappingReason]Mapping{FieldUnknown: {"x": "a"}, ColumnUnknown: {"record_id": "x"}, ColumnAmbiguous: {"record_id": "b"}, ColumnMissing: {}} {
		_, err := m.Columns([]string{"a", "b", "b"}, fields)
		if e, ok := errors.AsType[*MappingError](err); !ok || e.Reason != want {
			t.Errorf("%v: %v, want %s", m, err, want)
		}
	}
	columns, err := Mapping{"record_id": "x"}.Columns([]string{"name", "x"}, fields)
	if err != nil || !slices.Equal(columns, []int{1, 0, -1, -1}) {
		t.Errorf("columns %v, %v", columns, err)
	}
}

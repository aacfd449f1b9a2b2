package imports

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/rows"
)

// TestQuarantine: what is written comes back as it was, is for its owner alone, doesn't
// accumulate columns, and nothing in it is a formula to a spreadsheet.
func TestQuarantine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv.errors.csv")
	q, err := newQuarantine(path, append([]string{"record_id", "name"}, quarantineColumns...))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"-1", "=1+1"}, {"+86 138", "@x"}, {"'=x", "it's \"so\"\nin two lines"}, {"''", "样例"}}
	for i, cells := range want {
		if err := q.add(rows.Row{Line: i + 2, Cells: append(slices.Clone(cells), "1", "old", "an older sentence")}, "formula", "a sentence"); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, formula := range []string{",=", ",@", "\n=", "\n-", "\n@"} {
		if strings.Contains(string(text), formula) {
			t.Errorf("%q is in %s", formula, text)
		}
	}
	r, err := rows.Open(path, rows.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if h := r.Headings(); reasonColumn(h) != 3 || len(h) != 5 {
		t.Errorf("headings %q", h)
	}
	for _, cells := range want {
		row, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		unguard(row.Cells)
		if !slices.Equal(row.Cells[:2], cells) {
			t.Errorf("%q came back as %q", cells, row.Cells[:2])
		}
	}
	if _, err := newQuarantine(path, nil); err == nil {
		t.Error("a file that is there was taken")
	}
	none, err := newQuarantine(path+".none", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := none.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".none"); !os.IsNotExist(err) {
		t.Errorf("a file without rows was made: %v", err)
	}
}

func TestMasked(t *testing.T) {
	for _, test := range [][3]string{
		{"name", "张小䶮", "**䶮"}, {"code", "990101199001010035", "99**************5"}, {"phone", "138", "***"}, {"level", "2", "2"},
		{"password", "$2b$12$abcdefghijk", "2b…"}, {"password", "secret", "******"}, {"password", "P@ssw0rd$1", "********"}, {"record_id", "", ""},
	} {
		if got := masked(test[0], test[1]); got != test[2] {
			t.Errorf("%s %s is shown as %s, want %s", test[0], test[1], got, test[2])
		}
	}
}

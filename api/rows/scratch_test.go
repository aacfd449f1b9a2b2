//go:build unix

package rows

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scratches returns the directories for what is unpacked.
func scratches(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// large returns a workbook whose sheet and strings are unpacked to files.
func large(t *testing.T, rows string) []byte {
	t.Helper()
	return book(t, map[string]string{
		"xl/worksheets/sheet1.xml": sheetOf(`<row r="2"><c r="A2" t="s"><v>0</v></c></row>` + padding + rows),
		"xl/sharedStrings.xml":     stringsOf(`<si><t>x</t></si>` + strings.Repeat(`<si><t>`+strings.Repeat("x", 1_000)+`</t></si>`, 1_100)),
	})
}

// TestScratch holds that what is unpacked stands in a directory that nobody else can read, and is
// removed, also if the workbook can't be read.
func TestScratch(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r, err := Open(write(t, "a.xlsx", string(large(t, sheetEnd))), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if row, err := r.Next(); err != nil || row.Cells[0] != "x" {
		t.Errorf("%v, %v", row, err)
	}
	one := scratches(t)
	if len(one) != 1 {
		t.Fatalf("directories: %q", one)
	}
	info, err := os.Stat(one[0])
	if err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(one[0]); err != nil || len(files) < 3 { // the sheet, the strings, and what excelize makes of them
		t.Errorf("%d files, %v", len(files), err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(one[0], old, old); err != nil {
		t.Fatal(err)
	}
	if removeScratch(os.TempDir()); len(scratches(t)) != 1 {
		t.Error("a directory in use was removed")
	}
	if err := r.Close(); err != nil || len(scratches(t)) != 0 {
		t.Errorf("closed: %v, directories: %q", err, scratches(t))
	}
	for name, c := range map[string]Config{"an unknown sheet": {Sheet: "x"}, "few columns": {MaxColumns: 1}} {
		if _, err := Open(write(t, "a.xlsx", string(large(t, sheetEnd))), c); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, err := Open(write(t, "a.xlsx", string(book(t, map[string]string{"xl/styles.xml": "<"}))), Config{}); err == nil {
		t.Error("broken styles were read")
	}
	if entries, err := os.ReadDir(os.TempDir()); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestScratchPanic holds that a panic while a workbook is opened leaves nothing behind.
func TestScratchPanic(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	w := &xlsxFile{}
	err := w.opened(func() (err error) {
		if w.scratch, err = newScratch(); err != nil {
			return err
		}
		panic("a workbook may be anything")
	})
	if refused(t, err, WorkbookInvalid); len(scratches(t)) != 0 {
		t.Errorf("left behind: %q", scratches(t))
	}
}

// TestScratchLeft holds that what a killed process left behind is removed, and nothing else.
func TestScratchLeft(t *testing.T) {
	if path := os.Getenv("YIZHENG_TEST_KILLED"); path != "" {
		if _, err := Open(path, Config{}); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	path := write(t, "a.xlsx", string(large(t, sheetEnd)))
	t.Setenv("TMPDIR", t.TempDir())
	killed := exec.Command(os.Args[0], "-test.run=^TestScratchLeft$")
	killed.Env = append(os.Environ(), "YIZHENG_TEST_KILLED="+path)
	if text, err := killed.CombinedOutput(); err == nil {
		t.Fatalf("not killed: %s", text)
	}
	left := scratches(t)
	if len(left) != 1 {
		t.Fatalf("left behind: %q", left)
	}
	other := filepath.Join(t.TempDir(), "other")
	file, link, foreign := filepath.Join(os.TempDir(), scratchPrefix+"file"), filepath.Join(os.TempDir(), scratchPrefix+"link"), filepath.Join(os.TempDir(), "excelize-1")
	for _, err := range []error{os.Mkdir(other, 0o700), os.WriteFile(file, nil, 0o600), os.Symlink(other, link), os.Mkdir(foreign, 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	open := func() {
		t.Helper()
		r, err := Open(path, Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if open(); !slices.Contains(scratches(t), left[0]) {
		t.Error("a directory that may not be locked yet was removed")
	}
	old := time.Now().Add(-time.Hour)
	for _, path := range []string{left[0], other, file, foreign} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	open()
	if got := scratches(t); !slices.Equal(got, []string{file, link}) {
		t.Errorf("left behind: %q", got)
	}
	for _, path := range []string{other, foreign} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

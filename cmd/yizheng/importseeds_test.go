package main_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/cmd/yizheng/internal/enroll/seed"
)

// TestImportSeeds has person import read files with defects of all kinds, which were written
// by somebody who knew its contract and not its code: it finds every defect, and takes every
// row that is unusual and right. In a dry run all variants of all kinds fit; then some rows are
// taken indeed, and again, which takes none.
func TestImportSeeds(t *testing.T) {
	t.Parallel()
	path := program(t, "")
	from, err := demoDirectory(t)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := copyTree(dir, from); err != nil {
		t.Fatal(err)
	}
	yizheng := func(args ...string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := yizheng("person", "source", "put", "qinghe", "--level", "2", "--data", "d"); code != 0 {
		t.Fatal(out)
	}
	for _, format := range []string{"csv", "csv-gb18030", "xlsx", "jsonl"} {
		t.Run(format, func(t *testing.T) {
			to := filepath.Join(dir, format)
			people := writeSeeds(t, seed.Options{Rows: 14_000, Seed: 1, Format: format, Dir: to, Huge: format != "xlsx", Mark: true})
			left := filepath.Join(to, "errors.csv")
			out, code := yizheng("person", "import", people, "--source", "qinghe", "--data", "d", "--dry-run", "--errors", left, "--json")
			if code != 3 {
				t.Fatalf("exit code %d: %s", code, out)
			}
			compareSeeds(t, to, left)
			// The error file, given again behind the file as it is: none of it is let in.
			once := seedCounts(t, out)
			out, _ = yizheng("person", "import", people, left, "--source", "qinghe", "--data", "d", "--dry-run", "--json")
			if twice := seedCounts(t, out); twice.Taken != once.Taken || twice.Known != once.Known || twice.Quarantined != 2*once.Quarantined {
				t.Errorf("with the error file %+v, and without %+v", twice, once)
			}
		})
	}
	to := filepath.Join(dir, "taken")
	people := writeSeeds(t, seed.Options{Rows: 500, Seed: 2, Format: "csv", Dir: to})
	out, _ := yizheng("person", "import", people, "--source", "qinghe", "--data", "d", "--json")
	first := seedCounts(t, out)
	compareSeeds(t, to, people+".errors.csv")
	out, _ = yizheng("person", "import", people, "--source", "qinghe", "--data", "d", "--json", "--errors", filepath.Join(to, "again.csv"))
	again := seedCounts(t, out)
	if first.Taken == 0 || again.Taken != 0 || again.Known != first.Taken+first.Known || again.Quarantined != first.Quarantined {
		t.Errorf("first %+v, and again %+v", first, again)
	}
}

// seedCount is of what person import prints with --json.
type seedCount struct {
	Taken, Known, Quarantined int
	Result                    string
}

func seedCounts(t *testing.T, out string) (c seedCount) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return c
}

// writeSeeds writes a file of people and returns its path.
func writeSeeds(t *testing.T, o seed.Options) string {
	t.Helper()
	if err := seed.Write(o, io.Discard); err != nil {
		t.Fatal(err)
	}
	ext, _, _ := strings.Cut(o.Format, "-")
	return filepath.Join(o.Dir, "people."+ext)
}

// seedReasons are the reasons for which rows with each kind of defect may be refused. What moves
// cells aside, or spoils them, shows in whichever cell is looked at first.
var seedReasons = map[string][]string{
	"check_digit":         {"code_invalid"},
	"birth_impossible":    {"code_invalid"},
	"date_future":         {"code_invalid", "date_invalid"},
	"proofed_at_form":     {"date_invalid"},
	"name":                {"name_invalid", "row_malformed"},
	"record_id_repeated":  {"duplicate_record"},
	"record_id_form":      {"record_id_invalid", "formula"},
	"code_repeated":       {"duplicate_code"},
	"phone_repeated":      {"duplicate_phone"},
	"encoding":            {"row_malformed", "name_invalid"},
	"shifted":             {"row_malformed", "record_id_invalid", "name_invalid", "code_invalid", "level_invalid", "date_invalid", "code_type_unknown"},
	"merged":              {"cells_merged"},
	"formula":             {"formula"},
	"level":               {"level_invalid", "level_too_high"},
	"password":            {"password_unknown"},
	"phone_form":          {"phone_invalid"},
	"full_width_digits":   {"level_invalid"},
	"spreadsheet_spoiled": {"number_imprecise", "code_invalid", "phone_invalid", "formula"},
	"required_empty":      {"record_id_invalid", "name_invalid", "code_invalid"},
	"code_type":           {"code_invalid", "code_type_unknown"},
	"broken_json":         {"row_malformed"},
	"huge_cell":           {"cell_too_large"},
	"open_quote":          {"row_malformed"},
}

// compareSeeds compares the rows that weren't taken with what was expected.
func compareSeeds(t *testing.T, dir, left string) {
	t.Helper()
	refused := map[int]string{}
	for _, r := range readTable(t, left) {
		n := len(r)
		line, err := strconv.Atoi(r[n-3])
		if err != nil {
			t.Fatal(err)
		}
		refused[line] = r[n-2]
	}
	kinds, odd := map[string]bool{}, map[string]int{}
	for _, r := range readTable(t, filepath.Join(dir, "answers.csv")) {
		line, err := strconv.Atoi(r[0])
		if err != nil {
			t.Fatal(err)
		}
		reason, found := refused[line]
		delete(refused, line)
		what := fmt.Sprintf("line %d, %s, %s", line, r[2], r[4])
		kinds[r[2]] = true
		switch expected := r[3]; {
		case expected == "quarantined" && !found:
			t.Errorf("%s: let in", what)
		case (expected == "taken" || expected == "known") && found:
			t.Errorf("%s: refused as %s", what, reason)
		case found && !slices.Contains(seedReasons[r[2]], reason):
			odd[r[2]+" "+r[4]+" "+reason]++
		}
	}
	for line, reason := range refused {
		t.Errorf("line %d has no defect, and is refused as %s", line, reason)
	}
	for what, n := range odd {
		t.Errorf("%d: refused for another reason than what is wrong: %s", n, what)
	}
	if len(kinds) < 10 {
		t.Errorf("only %d kinds of defects", len(kinds))
	}
}

// readTable returns the rows of a CSV file without its heading.
func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

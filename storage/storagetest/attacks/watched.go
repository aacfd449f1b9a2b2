package attacks

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/storage/storagetest/suite"
)

// registersIn finds in a driver's source which tables' records it writes registers of.
var registersIn = regexp.MustCompile("SaveMark\\(\\w+, \"(\\w+)\"|`, \"(\\w+)\", \\d+\\)|SELECT '(\\w+)', id, mark FROM")

// belongs are tables whose rows have authenticators and no revision of their own: what
// they belong to says which of them is the newest.
var belongs = map[string]string{
	"license_versions": "licenses", // its state must fit the license's
	"use_codes":        "grants",   // see access.Used.PutBack
	"status_entries":   "licenses", // its serial is the license's revision; lists are compared as such, too
}

// Watched tests that each table whose records carry authenticators or registers is
// compared with what a node saw. Columns are those of the schema's tables; it reads the
// driver's source in and below the test's directory.
func Watched(t *testing.T, d *Attacked, columns map[string][]string) {
	read, ended := highwater.Tables()
	watched := slices.Concat(read, ended)
	authenticated := 0
	for table, names := range columns {
		if !slices.Contains(names, "auth") {
			continue
		}
		authenticated++
		name := table
		switch table {
		case d.KeyTable:
			name = "keys"
		case d.TypeTable:
			name = "license_types"
		}
		if parent := belongs[name]; parent != "" && !slices.Contains(names, "revision") {
			name = parent
		}
		if !slices.Contains(watched, name) {
			t.Errorf("%s has authenticators and is not compared with what was seen", table)
		}
	}
	if authenticated < 14 {
		t.Errorf("the schema has %d tables with authenticators", authenticated)
	}
	registered := map[string]bool{}
	suite.Must(t, "reading the driver's source", filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range registersIn.FindAllStringSubmatch(string(source), -1) {
			registered[found[1]+found[2]+found[3]] = true
		}
		return err
	}))
	for table := range registered {
		if !slices.Contains(watched, table) {
			t.Errorf("%s has registers and is not compared with what was seen", table)
		}
	}
	for _, table := range watched {
		if !registered[table] && !slices.Contains(entry.Kinds, entry.Kind(table)) { // whose versions have none
			t.Errorf("nothing writes registers of %s", table)
		}
	}
}

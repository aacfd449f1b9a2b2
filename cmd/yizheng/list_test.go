package main_test

import (
	"strings"
	"testing"
)

// TestLists looks at every list: names stand beside codes, columns stand below one
// another on a terminal that shows ideographs in two, and programs get JSON.
func TestLists(t *testing.T) {
	t.Parallel()
	c := cli{t, demoCopy(t)}
	for _, list := range []struct {
		command string
		aligned string // a column that stands behind names
		members []string
		names   []string // of what the records refer to
	}{
		{"client list", "STATE", []string{"id", "name", "participant", "participant_uscc", "participant_name", "scopes", "revision"}, []string{"青禾市公安局（样例）", "婚姻登记系统"}},
		{"participant list", "", []string{"id", "uscc", "name", "class", "area_code", "revision"}, []string{"青禾市公安局（样例）"}},
		{"person list", "", []string{"account", "name", "login_name", "phone", "proofing_level", "password"}, nil},
		{"type list", "NAME", []string{"code", "name", "version", "state", "owner", "owner_uscc", "owner_name"}, []string{"不动产权证书（样例）"}},
		{"item list", "MATERIALS", []string{"code", "name", "version", "state", "owner", "owner_uscc", "owner_name", "materials"}, []string{"居住证签注（样例）"}},
		{"key list", "REVOKED", []string{"id", "purpose", "state", "created"}, []string{"青禾市公安局（样例）"}},
		{"crl show", "", []string{"root", "number", "from", "until", "revoked"}, nil},
		{"event list", "", nil, nil},
	} {
		text := c.run(0, strings.Fields(list.command)...)
		rows := strings.Split(strings.TrimSpace(text), "\n")
		if len(rows) < 2 {
			t.Errorf("%s: %s", list.command, text)
			continue
		}
		for _, name := range list.names {
			if !strings.Contains(text, name) {
				t.Errorf("%s lacks %s:\n%s", list.command, name, text)
			}
		}
		if list.aligned != "" {
			// The last header of that name: OWNER'S NAME stands before NAME.
			at := shown(rows[0][:strings.LastIndex(rows[0], list.aligned)])
			for _, row := range rows[1:] {
				if before, begins := cut(row, at); !strings.HasSuffix(before, "  ") || strings.HasPrefix(begins, " ") {
					t.Errorf("%s: the column %s doesn't begin at %d in %q", list.command, list.aligned, at, row)
				}
			}
		}
		objects := c.lines(append(strings.Fields(list.command), "--json")...)
		if list.command != "event list" && list.command != "crl show" && len(objects) != len(rows)-1 {
			t.Errorf("%s: %d rows, and %d in JSON", list.command, len(rows)-1, len(objects))
		}
		for _, member := range list.members {
			if objects[0][member] == nil {
				t.Errorf("%s --json lacks %s: %v", list.command, member, objects[0])
			}
		}
	}
}

// shown is how many columns of a terminal a text takes, for what samples have.
func shown(s string) (n int) {
	for _, r := range s {
		if n++; r >= 0x2e80 {
			n++
		}
	}
	return n
}

// cut cuts a row at a column of the terminal.
func cut(row string, at int) (before, after string) {
	for i := range row {
		if shown(row[:i]) >= at {
			return row[:i], row[i:]
		}
	}
	return row, ""
}

package events_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing/journal"
)

// rowOf is a row of the guides' tables of actions.
var rowOf = regexp.MustCompile("(?m)^\\| `([a-z_]+\\.[a-z_]+)` \\| ([^|]+) \\| ([^|]+) \\|$")

// TestActionsInGuides compares the tables of actions in the operators' guides with the one
// in the program: what they say in English, and in Chinese that there is a row.
func TestActionsInGuides(t *testing.T) {
	var want, names []string
	for _, k := range journal.Actions() {
		if k.Log != "" {
			subject := k.Subject
			if subject == "" {
				subject = "–"
			}
			names = append(names, string(k.Action))
			want = append(want, fmt.Sprintf("| `%s` | %s | %s |", k.Action, subject, k.Meaning))
		}
	}
	for _, guide := range []string{"operating.md", "zh/operating.md"} {
		text, err := os.ReadFile("../../../../docs/" + guide)
		if err != nil {
			t.Fatal(err)
		}
		var rows, actions []string
		_, table, _ := strings.Cut(string(text), "`yizheng event list --help`")
		table, _, _ = strings.Cut(table, "\n## ") // other tables come later
		for _, m := range rowOf.FindAllStringSubmatch(table, -1) {
			rows, actions = append(rows, m[0]), append(actions, m[1])
		}
		if !slices.Equal(actions, names) {
			t.Errorf("%s has the actions %q, want %q", guide, actions, names)
		}
		if guide == "operating.md" && !slices.Equal(rows, want) {
			t.Errorf("%s: the table should be\n%s", guide, strings.Join(want, "\n"))
		}
	}
	if help := strings.Fields(texts.Actions()); !slices.Equal(help, names) {
		t.Errorf("the help has %q", help)
	}
}

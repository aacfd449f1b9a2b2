package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the documentation has people paste is tried here as they do: in the order
// of the document, beside a demo. examplesrun_test.go runs it.

// documents are those whose commands are run, in this order: what revokes keys
// and disables people comes last.
var documents = []string{"docs/snippets/README.md", "docs/integrating.md", "docs/verifying.md", "README.md", "docs/operating.md"}

// translated are documents that exist in both languages, with the same commands.
var translated = map[string]string{
	"README.md":           "docs/zh/README.md",
	"docs/integrating.md": "docs/zh/integrating.md",
	"docs/verifying.md":   "docs/zh/verifying.md",
	"docs/operating.md":   "docs/zh/operating.md",
}

// notRun are the commands that aren't run, by their beginning, and why.
var notRun = map[string]string{
	"go run ./cmd/yizheng demo": "it runs until it is stopped; make fresh tries it as it stands",
	"make test":                 "this is part of it",
	"yizheng demo --data demo":  "the demo beside which all of this runs, on free ports, stands for it",
	"go build -o yizheng ":      "the program that this test built stands for it",
	"./yizheng participant add --name 青禾市市场监督管理局 ": "the demo has this participant already",
	"yizheng archive verify /archive":              "no month of a new demo is complete, so nothing was archived",
	"yizheng archive show /archive":                "nor can it be shown",
}

// example is a fenced block of a document.
type example struct {
	file     string // from the module's root
	line     int    // of the first line in it
	heading  string // under which it stands
	language string
	lines    []string
}

func (e example) String() string { return fmt.Sprintf("%s:%d", e.file, e.line) }

// text returns what stands in the block.
func (e example) text() string { return strings.Join(e.lines, "\n") }

// readExamples returns the fenced blocks of a document.
func readExamples(t *testing.T, file string) []example {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	var heading string
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		fence, fenced := strings.CutPrefix(line, "```")
		switch {
		case fenced && !inside:
			all = append(all, example{file: file, line: i + 2, heading: heading, language: fence})
			inside = true
		case fenced:
			inside = false
		case inside:
			last := &all[len(all)-1]
			last.lines = append(last.lines, line)
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		}
	}
	if inside || len(all) == 0 {
		t.Fatalf("%s: no examples, or the last one doesn't end", file)
	}
	return all
}

// remark is a comment of a shell's.
var remark = regexp.MustCompile(`(^|\s+)#\s.*$`)

// commands returns an example's lines without comments, and the line of each.
func (e example) commands() (lines []string, at []int) {
	for i, line := range e.lines {
		if e.language == "sh" {
			line = remark.ReplaceAllString(line, "")
		}
		if line != "" {
			lines, at = append(lines, line), append(at, e.line+i)
		}
	}
	return lines, at
}

// TestExamplesAlike holds the documents of both languages to the same examples,
// but for their comments.
func TestExamplesAlike(t *testing.T) {
	t.Parallel()
	for english, chinese := range translated {
		ours, theirs := readExamples(t, english), readExamples(t, chinese)
		for i := range max(len(ours), len(theirs)) {
			if i >= len(ours) || i >= len(theirs) {
				t.Errorf("%s has %d examples, %s %d", english, len(ours), chinese, len(theirs))
				break
			}
			a, atA := ours[i].commands()
			b, atB := theirs[i].commands()
			if ours[i].language != theirs[i].language {
				t.Errorf("%s and %s are of different kinds: %q, %q", ours[i], theirs[i], ours[i].language, theirs[i].language)
			} else if n := firstDifference(a, b); n >= 0 {
				t.Errorf("%s:%d and %s:%d differ:\n%s\n%s", english, lineAt(atA, n, ours[i]), chinese, lineAt(atB, n, theirs[i]), textAt(a, n), textAt(b, n))
			}
		}
	}
}

// firstDifference returns the first index at which two lists differ, or -1.
func firstDifference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

func lineAt(at []int, i int, e example) int {
	if i < len(at) {
		return at[i]
	}
	return e.line + len(e.lines)
}

func textAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// TestExamplesTagged finds commands that no test runs because their block says
// not that it is a shell's, and placeholders that can't be pasted.
func TestExamplesTagged(t *testing.T) {
	t.Parallel()
	for _, file := range documents {
		for _, e := range readExamples(t, file) {
			lines, at := e.commands()
			for i, line := range lines {
				switch first, _, _ := strings.Cut(strings.TrimPrefix(line, "./"), " "); {
				case e.language != "sh" && (first == "curl" || first == "yizheng"):
					t.Errorf("%s:%d: a command in a block that is not marked as sh", file, at[i])
				case e.language == "sh" && strings.Contains(line, "…"):
					t.Errorf("%s:%d: this can't be pasted: %s", file, at[i], line)
				}
			}
		}
	}
}

// expectedExit is what a comment says of a command's exit code.
var expectedExit = regexp.MustCompile(`#.*exit code ([0-9]+)`)

// statedStatus is a comment that says how the command before is answered.
var statedStatus = regexp.MustCompile(`^# ([1-5][0-9][0-9])( |$)`)

// script returns an example as bash is to run it, with its lines where they were,
// and which of the commands that aren't run are in it.
func (e example) script() (script string, left []string) {
	lines := slices.Clone(e.lines)
	for i := 0; i < len(lines); i++ {
		if m := statedStatus.FindStringSubmatch(lines[i]); m != nil {
			lines[i] = "answered " + m[1]
		} else if m := expectedExit.FindStringSubmatch(lines[i]); m != nil && m[1] != "0" {
			lines[i] = "exits " + m[1] + " " + lines[i]
		} else if strings.HasPrefix(lines[i], "./yizheng serve ") {
			lines[i] = "serves " + lines[i]
		}
		for beginning := range notRun {
			if !strings.HasPrefix(lines[i], beginning) {
				continue
			}
			left = append(left, beginning)
			for strings.HasSuffix(lines[i], `\`) {
				lines[i] = ":"
				i++
			}
			lines[i] = ":"
			break
		}
	}
	return strings.Repeat("\n", e.line-1) + strings.Join(lines, "\n") + "\n", left
}

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"yizheng.internal/cmd/yizheng/internal/toolcheck"
)

// axeVersion is the version of npm's axe-core that judges the pages.
const axeVersion = "4.14.1"

// axeSource returns the script of axe-core, which npm installs once.
var axeSource = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(workDir, "axe")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // npm itself would wait for longer
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, "axe-core@"+axeVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("installing axe-core: %w\n%s", err, out)
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(source), err
})

// violation is a rule that a page breaks.
type violation struct {
	ID    string   `json:"id"`
	Help  string   `json:"help"`
	Nodes []string `json:"nodes"`
}

// accessible fails the test if the page breaks a rule of axe-core: WCAG 2.2 AA
// and good practice. The content must have been asserted before: an empty page
// breaks none.
func (b *browser) accessible() {
	b.t.Helper()
	toolcheck.Need(b.t, "npm")
	source, err := axeSource()
	if err != nil {
		b.t.Fatal(err)
	}
	// Evaluated by the debugger, which no content security policy binds.
	b.do("load axe-core", chromedp.Evaluate[chromedp.Void](source))
	found := eval[[]violation](b, `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v =>
		({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html.slice(0, 200) + ' | ' + n.failureSummary)})))`)
	for _, v := range found {
		b.t.Errorf("%s (%s): %s: %s\n  %s", b.at().Path, b.size.name, v.ID, v.Help, strings.Join(v.Nodes, "\n  "))
	}
}

// fits fails the test if the page is wider than the screen: nobody scrolls to the side.
func (b *browser) fits() {
	b.t.Helper()
	if over := eval[int](b, `document.documentElement.scrollWidth - window.innerWidth`); over > 0 {
		b.t.Errorf("%s is %d pixels wider than the %s", b.at().Path, over, b.size.name)
		b.shoot("too-wide")
	}
}

// good does all that is asked of every page, whose texts come first.
func (b *browser) good(name string, texts ...string) {
	b.t.Helper()
	b.says(texts...)
	b.fits()
	b.shoot(name)
	b.accessible()
}

// TestAxe shows that axe-core finds what is wrong.
func TestAxe(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, pc)
	b.open(`data:text/html,<title>x</title><main><h1>x</h1><input><img src="x"></main>`)
	toolcheck.Need(t, "npm")
	source, err := axeSource()
	if err != nil {
		t.Fatal(err)
	}
	b.do("load axe-core", chromedp.Evaluate[chromedp.Void](source))
	broken := eval[[]string](b, `axe.run().then(r => r.violations.map(v => v.id))`)
	for _, id := range []string{"label", "image-alt", "html-has-lang"} {
		if !strings.Contains(strings.Join(broken, " "), id) {
			t.Errorf("axe-core doesn't find %s: %v", id, broken)
		}
	}
}

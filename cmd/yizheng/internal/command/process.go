// Package command is what a command has of the process that it runs in: streams, the
// operator's name and language, tables and JSON to print, input to read, progress to show.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/template"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// Process is what a command has of the process that it runs in.
type Process struct {
	Ctx      context.Context // ends with SIGINT or SIGTERM
	In       io.Reader
	Out, Err io.Writer
	Actor    string      // who acts, for the events
	Words    texts.Words // what is said, in the operator's language
	Unknown  []string    // variables of the environment that no setting has
}

// Report prints an error, once, and returns the exit code for it.
func (p *Process) Report(err error) int {
	if err == nil {
		return texts.ExitOK
	}
	code := texts.ExitFailed
	if e, ok := errors.AsType[*texts.Exit](err); ok {
		if code = e.Code; e.Err == nil {
			return code
		}
	}
	p.Complain(p.Words.Explain(err))
	return code
}

// Complain prints what is wrong, on standard error.
func (p *Process) Complain(text string) { fmt.Fprintf(p.Err, "%s: %s\n", ProgramName, text) }

// Print prints a text of the catalogue as a line.
func (p *Process) Print(key string, args ...any) { fmt.Fprintln(p.Out, p.Words.Say(key, args...)) }

// ProgramName is what the program calls itself.
const ProgramName = "yizheng"

// Page prints a text that fills a page, with the facts in it: name.LANGUAGE.txt of the files.
func (p *Process) Page(files fs.FS, name string, facts any) error {
	t, err := template.ParseFS(files, name+"."+p.Words[texts.LanguageKey]+".txt")
	if err != nil {
		return err
	}
	return t.Execute(p.Out, facts)
}

// Progress returns a counter on standard error, where that is a terminal.
func (p *Process) Progress(what string) *progressbar.ProgressBar {
	f, ok := p.Err.(*os.File)
	return progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(p.Err), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

// Bytes returns what shows how many of how many bytes are done, on standard error,
// where that is a terminal, and what ends that.
func (p *Process) Bytes(what string) (progress func(done, total int64), finish func()) {
	f, ok := p.Err.(*os.File)
	bar := progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(p.Err), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
		progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	return func(done, total int64) {
		bar.ChangeMax64(max(total, 1))
		_ = bar.Set64(min(done, total))
	}, func() { _ = bar.Finish() }
}

// Rows returns what shows how many rows are done and how much of the files was read: a bar with
// the rate and the time left where standard error is a terminal, else a line every 10 seconds.
func (p *Process) Rows(what string) (progress func(rows int, done, total int64), finish func()) {
	f, ok := p.Err.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	bar := progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(p.Err), progressbar.OptionSetVisibility(terminal), progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	began := time.Now()
	shown := began
	return func(rows int, done, total int64) {
		every := 10 * time.Second
		if terminal {
			every = 200 * time.Millisecond
		}
		if time.Since(shown) < every {
			return
		}
		shown = time.Now()
		took := shown.Sub(began)
		rate := float64(rows) / took.Seconds()
		if terminal {
			bar.Describe(p.Words.Say("import.rate", what, rows, rate))
			bar.ChangeMax64(max(total, 1))
			_ = bar.Set64(min(done, total)) // it can't be shown, which stops nothing
			return
		}
		left := time.Duration(float64(took) * float64(total-done) / float64(max(done, 1)))
		fmt.Fprintln(p.Err, p.Words.Say("import.progress", what, rows, rate, left.Round(time.Second)))
	}, func() { _ = bar.Finish() }
}

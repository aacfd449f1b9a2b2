package imports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"yizheng.internal/api/rows"
	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license"
	"yizheng.internal/oidc/identity/intake"
)

// file is a file that is taken in.
type file struct {
	path       string
	reader     *rows.Reader
	columns    []int
	number     int // among the files that are given
	reason     int // the column of the reason in a quarantine that is given again; else -1
	quarantine *quarantine
}

// run is a run of person import: one goroutine reads and checks rows in their order, several
// take them, and one notes the outcomes in the rows' order again.
type run struct {
	p           *command.Process
	of          *intake.Import
	workers     int
	files       []*file
	began       time.Time
	counts      intake.Counts
	reasons     map[string]int
	lines       map[string][]string // the first lines of each reason
	quarantines []string
	progress    func(rows int, done, total int64)
}

func newRun(p *command.Process, of *intake.Import, workers int) *run {
	return &run{p: p, of: of, workers: workers, began: time.Now(), reasons: map[string]int{}, lines: map[string][]string{}}
}

// job is a row on its way.
type job struct {
	number      int // counts rows, from 0
	row         rows.Row
	checked     intake.Checked
	outcome     intake.Outcome // empty: the import was ended before it was taken
	err         error          // a *intake.Refusal, or what ends the run
	done, total int64          // how far the file was read
}

// all takes all files in. The error is what broke it off; that the operator did is none.
func (r *run) all(files []*file) error {
	progress, finish := r.p.Rows(r.p.Words.Say("import.importing"))
	defer finish()
	defer context.AfterFunc(r.p.Ctx, func() { fmt.Fprintln(r.p.Err, r.p.Words.Say("import.stopping")) })()
	r.progress, r.files = progress, files
	for _, f := range files {
		if r.p.Ctx.Err() != nil {
			return nil
		}
		err := r.file(f)
		if q := f.quarantine; q != nil {
			if q.file != nil {
				r.quarantines = append(r.quarantines, q.path)
			}
			err = errors.Join(err, q.close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file takes one file in.
func (r *run) file(f *file) error {
	ctx, stop := context.WithCancelCause(r.p.Ctx)
	defer stop(nil)
	jobs, done := make([]chan job, r.workers), make(chan job, r.workers)
	for i := range jobs {
		jobs[i] = make(chan job, 4)
	}
	var reading error
	var working sync.WaitGroup
	working.Go(func() {
		defer func() {
			for _, of := range jobs {
				close(of)
			}
		}()
		reading = r.read(ctx, f, jobs, done)
	})
	for _, of := range jobs {
		working.Go(func() {
			for j := range of {
				if ctx.Err() == nil {
					j.outcome, j.err = patiently(ctx, func(ctx context.Context) (intake.Outcome, error) { return r.of.Take(ctx, j.checked) })
				}
				done <- j.lighter()
			}
		})
	}
	go func() {
		working.Wait()
		close(done)
	}()
	failure := r.note(f, done, stop)
	return errors.Join(failure, reading) // reading was written before done was closed
}

// read reads and checks rows until the file or the context ends.
func (r *run) read(ctx context.Context, f *file, jobs []chan job, done chan<- job) error {
	for number := 0; ctx.Err() == nil; number++ {
		row, err := f.reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(f.path, err)
		}
		if f.reason >= 0 {
			unguard(row.Cells)
		}
		j := job{number: number, row: row}
		j.done, j.total = f.reader.Position()
		if defect, ok := f.defect(row); ok {
			j.err = &intake.Refusal{Reason: intake.Reason(defect.Reason)}
		} else {
			j.checked, j.err = r.of.Check(rowOf(row, f))
		}
		to := done
		if j.err == nil {
			to = jobs[j.checked.Shard(r.workers)]
		} else {
			j.outcome = intake.Quarantined
		}
		to <- j // whoever reads it goes on until this ends
	}
	return nil
}

// away is how long the database may be away before an import breaks off.
const away = time.Minute

// patiently takes a row in, to its end, so that its outcome is known. It tries again for a while if
// the database is away, as while another one takes its place.
func patiently(ctx context.Context, take func(context.Context) (intake.Outcome, error)) (intake.Outcome, error) {
	for wait := 500 * time.Millisecond; ; wait *= 2 {
		outcome, err := take(context.WithoutCancel(ctx))
		if !errors.Is(err, license.ErrUnavailable) || wait > away/2 {
			return outcome, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return outcome, err
		}
	}
}

// lighter returns the job without its row if nobody needs it any more: many outcomes may wait for
// one before them.
func (j job) lighter() job {
	if _, refused := errors.AsType[*intake.Refusal](j.err); !refused {
		j.row, j.checked = rows.Row{Line: j.row.Line}, intake.Checked{}
	}
	return j
}

// defect returns the first defect of a row that is in a column which is read. A row of a quarantine
// keeps a defect of its form until somebody empties the cell that tells of it: what is written
// there is the best guess at its cells, and may well pass.
func (f *file) defect(row rows.Row) (rows.Defect, bool) {
	for _, d := range row.Defects {
		if d.Column < 0 || slices.Contains(f.columns, d.Column) {
			return d, true
		}
	}
	if f.reason < 0 {
		return rows.Defect{}, false
	}
	for _, column := range f.columns { // the reader saw the apostrophe before it
		if column >= 0 && strings.HasPrefix(strings.TrimSpace(row.Cells[column]), "=") {
			return rows.Defect{Reason: rows.Formula, Column: column}, true
		}
	}
	told := strings.TrimSpace(row.Cells[f.reason])
	return rows.Defect{Reason: rows.Reason(told), Column: -1}, rows.FormDefect(told)
}

// note counts outcomes and writes the quarantine, in the rows' order. The first error that isn't a
// row's stops the reading, and is returned when all that was begun is done.
func (r *run) note(f *file, done <-chan job, stop context.CancelCauseFunc) (failure error) {
	waiting := map[int]job{} // outcomes of rows behind one that isn't done yet
	next := 0
	for j := range done {
		waiting[j.number] = j
		for {
			j, ok := waiting[next]
			if !ok {
				break
			}
			delete(waiting, next)
			next++
			if err := r.one(f, j); err != nil && failure == nil {
				failure = err
				stop(err)
			}
		}
	}
	return failure
}

// maxLines is how many lines of a reason a dry run names.
const maxLines = 10

// one notes the outcome of a row.
func (r *run) one(f *file, j job) error {
	refusal, refused := errors.AsType[*intake.Refusal](j.err)
	if j.err != nil && !refused {
		return texts.Refuse("import.broken", j.row.Line, f.path, j.err)
	}
	switch j.outcome {
	case "":
		return nil
	case intake.Taken:
		r.counts.Taken++
	case intake.Known:
		r.counts.Known++
	default:
		r.counts.Quarantined++
	}
	defer func() { r.progress(r.counts.Taken+r.counts.Known+r.counts.Quarantined, j.done, j.total) }()
	if !refused {
		return nil
	}
	r.reasons[string(refusal.Reason)]++
	if of := r.lines[string(refusal.Reason)]; len(of) < maxLines {
		r.lines[string(refusal.Reason)] = append(of, strconv.Itoa(j.row.Line))
	}
	if f.quarantine == nil {
		return nil
	}
	sentence := r.p.Words.Word(texts.WordOf("quarantine", string(refusal.Reason)))
	if rows.FormDefect(string(refusal.Reason)) { // see file.defect
		sentence = r.p.Words.Say("import.then_empty", sentence)
	}
	switch first := refusal.First; {
	case first.Line > 0 && first.File == f.number:
		sentence = r.p.Words.Say("import.first", sentence, first.Line)
	case first.Line > 0:
		sentence = r.p.Words.Say("import.first_elsewhere", sentence, first.Line, r.files[first.File].path)
	}
	return f.quarantine.add(j.row, string(refusal.Reason), sentence)
}

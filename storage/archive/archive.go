// Package archive writes months of the service's logs into files, and reads them
// back: a JSON object a line, with a manifest beside it that has the file's SM3.
// What is sealed in the database is sealed in the file.
package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/storage/retention"
)

// Format names the form of the files; it changes with them.
const Format = "yizheng-archive-1"

// Manifest says what a file has.
type Manifest struct {
	Format  string          `json:"format"`
	Log     retention.Table `json:"log"`
	Month   string          `json:"month"`
	Part    int             `json:"part"` // from 1; further ones have rows that came later
	File    string          `json:"file"`
	Rows    int64           `json:"rows"`
	Last    int64           `json:"last"` // the highest seq
	Bytes   int64           `json:"bytes"`
	SM3     string          `json:"sm3"` // of the file, in hexadecimal
	Made    time.Time       `json:"made"`
	Program string          `json:"program"`
}

const (
	pageRows    = 500
	maxLine     = 16 << 20 // bytes of a row in JSON
	unfinished  = ".unfinished"
	suffix      = ".jsonl"
	manifest    = ".json"
	maxManifest = 64 << 10
)

// name returns the name of a part's file, without its suffix.
func name(table retention.Table, m retention.Month, part int) string {
	if part == 1 {
		return fmt.Sprintf("%s-%s", table, m)
	}
	return fmt.Sprintf("%s-%s-%d", table, m, part)
}

// Month archives the rows of a month that aren't archived yet, and has the database remember
// it. It continues what an earlier call left unfinished, and doesn't write again what that
// finished. If there is nothing new it returns nil. progress, if not nil, is called for each
// row.
func Month(ctx context.Context, db retention.Months, dir string, table retention.Table, s retention.State, now time.Time, program string, progress func(rows int)) (*Manifest, error) {
	part := s.Archive.Parts + 1
	m := &Manifest{Format: Format, Log: table, Month: s.Month.String(), Part: part, File: name(table, s.Month, part) + suffix, Made: now.UTC().Truncate(time.Second), Program: program}
	path := filepath.Join(dir, m.File)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		w, err := begin(path + unfinished)
		if err != nil {
			return nil, err
		}
		err = w.fill(ctx, db, table, s, progress)
		if err = errors.Join(err, w.f.Sync(), w.f.Close()); err != nil {
			return nil, err
		}
		if w.rows == 0 {
			return nil, os.Remove(path + unfinished)
		}
		if err := os.Rename(path+unfinished, path); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	// Read back, whether it was written now or before: what is remembered is what the
	// disk has.
	if err := m.read(path, nil); err != nil {
		return nil, err
	}
	if err := m.compare(ctx, db, table, s); err != nil {
		return nil, err
	}
	if err := m.write(dir, name(table, s.Month, part)+manifest); err != nil {
		return nil, err
	}
	a := retention.Archive{Parts: part, Rows: s.Archive.Rows + m.Rows, Last: max(s.Archive.Last, m.Last), At: m.Made}
	if _, err := hex.Decode(a.Digest[:], []byte(m.SM3)); err != nil {
		return nil, err
	}
	return m, db.MarkArchived(ctx, table, s.Month, a)
}

// writer is an unfinished file.
type writer struct {
	f     *os.File
	rows  int64
	after retention.Place
}

// begin opens a file, and reads what an interrupted call left in it: the whole lines.
func begin(path string) (*writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writer{f: f}
	whole := int64(0)
	err = lines(f, nil, func(line []byte) error {
		at, seq, err := place(line)
		if err != nil {
			return err
		}
		w.rows, w.after, whole = w.rows+1, retention.Place{At: at, Seq: seq}, whole+int64(len(line))
		return nil
	})
	if errors.Is(err, io.ErrUnexpectedEOF) { // the last line is no whole one
		err = nil
	}
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s, which an earlier call left: %w; remove it to begin anew", path, err), f.Close())
	}
	return w, nil
}

// fill writes the rows that are missing.
func (w *writer) fill(ctx context.Context, db retention.Months, table retention.Table, s retention.State, progress func(int)) error {
	out := bufio.NewWriterSize(w.f, 1<<20)
	for {
		rows, err := db.MonthRows(ctx, table, s.Month, s.Archive.Last, w.after, pageRows)
		if err != nil {
			return err
		}
		for _, r := range rows {
			line, err := encode(table, r)
			if err != nil {
				return err
			}
			if _, err := out.Write(line); err != nil {
				return err
			}
			w.rows, w.after = w.rows+1, r.Place()
		}
		if progress != nil {
			progress(len(rows))
		}
		if len(rows) < pageRows {
			return out.Flush()
		}
		// So that an interrupted call has something to go on from.
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// encode writes a row as a line.
func encode(table retention.Table, r retention.Row) ([]byte, error) {
	var b bytes.Buffer
	for i, c := range table.Columns() {
		v := r[i]
		if c.Kind == retention.Form && v == retention.FirstForm {
			continue
		}
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&b, "%q:", c.Name)
		switch value := v.(type) {
		case time.Time:
			v = value.UTC().Format(time.RFC3339Nano)
		case []byte:
			if v = nil; value != nil {
				v = base64.StdEncoding.EncodeToString(value)
			}
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encoding %s of a row: %w", c.Name, err)
		}
		b.Write(text)
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// place returns the place of a line's row.
func place(line []byte) (at time.Time, seq int64, err error) {
	var r struct {
		Seq int64     `json:"seq"`
		At  time.Time `json:"at"`
	}
	if err := json.Unmarshal(line, &r); err != nil || r.Seq <= 0 || r.At.IsZero() {
		return at, 0, errors.New("a line is no row in JSON")
	}
	return r.At.UTC(), r.Seq, nil
}

// lines calls f for each line, with its end; a last one without is io.ErrUnexpectedEOF.
func lines(r io.Reader, h hash.Hash, f func(line []byte) error) error {
	if h != nil {
		r = io.TeeReader(r, h)
	}
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		var line []byte
		for {
			piece, err := in.ReadSlice('\n')
			line = append(line, piece...)
			if len(line) > maxLine {
				return errors.New("a line is too long")
			}
			if err == nil {
				break
			}
			if err == io.EOF && len(line) == 0 {
				return nil
			}
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return err
			}
		}
		if err := f(line); err != nil {
			return err
		}
	}
}

// read fills in what a file has, and calls f, if there is one, for each line.
func (m *Manifest) read(path string, f func(line []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	month, err := retention.ParseMonth(m.Month)
	if err != nil {
		return err
	}
	h := sm3.New()
	m.Rows, m.Last, m.Bytes = 0, 0, 0
	err = lines(file, h, func(line []byte) error {
		at, seq, err := place(line)
		if err != nil {
			return fmt.Errorf("line %d is not as it was written: %w", m.Rows+1, err)
		}
		if retention.MonthOf(at) != month {
			return fmt.Errorf("the row with seq %d is not of %s", seq, m.Month)
		}
		m.Rows, m.Last, m.Bytes = m.Rows+1, max(m.Last, seq), m.Bytes+int64(len(line))
		if f != nil {
			return f(line)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	m.SM3 = hex.EncodeToString(h.Sum(nil))
	return nil
}

// compare reads the rows once more, and compares them with the file. It may be another
// installation's, or an interrupted call left it and rows came in between since then: rows that
// aren't in the file must not be deleted.
func (m *Manifest) compare(ctx context.Context, db retention.Months, table retention.Table, s retention.State) error {
	h := sm3.New()
	after := retention.Place{}
	for {
		rows, err := db.MonthRows(ctx, table, s.Month, s.Archive.Last, after, pageRows)
		if err != nil {
			return err
		}
		for _, r := range rows {
			after = r.Place()
			if after.Seq > m.Last {
				continue // it came meanwhile: the next part has it
			}
			line, err := encode(table, r)
			if err != nil {
				return err
			}
			h.Write(line)
		}
		if len(rows) < pageRows {
			break
		}
	}
	if hex.EncodeToString(h.Sum(nil)) != m.SM3 {
		return fmt.Errorf("%s is not what the database has of %s: it is another installation's, or rows came while an interrupted export was not gone on with; move it away, and export again", m.File, m.Month)
	}
	return nil
}

// write writes the manifest, whole or not at all.
func (m *Manifest) write(dir, name string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Verify reads a manifest and its file, and returns an error unless the file is as
// the manifest says. f, if not nil, gets each line.
func Verify(path string, f func(line []byte) error) (Manifest, error) {
	var said Manifest
	file, err := os.Open(path)
	if err != nil {
		return said, err
	}
	defer file.Close()
	d := json.NewDecoder(io.LimitReader(file, maxManifest))
	d.DisallowUnknownFields()
	if err := d.Decode(&said); err != nil || said.Format != Format || !said.Log.Valid() {
		return said, fmt.Errorf("%s is no manifest of the form %s", path, Format)
	}
	if !said.named() {
		return said, fmt.Errorf("%s doesn't name the file of its month", path)
	}
	has := said
	err = has.read(filepath.Join(filepath.Dir(path), said.File), f)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return said, fmt.Errorf("%s is truncated: its last line has no end, of %d bytes that its manifest says there are", said.File, said.Bytes)
	case err != nil:
		return said, err
	case has.Bytes < said.Bytes:
		return said, fmt.Errorf("%s is truncated: it has %d of the %d bytes that its manifest says there are", said.File, has.Bytes, said.Bytes)
	case has != said:
		return said, fmt.Errorf("%s is not as its manifest says: it has %d rows and SM3 %s", said.File, has.Rows, has.SM3)
	}
	return said, nil
}

// Remembered returns an error unless a file is what this installation archived, by
// what its database remembers of the month: whoever alters a file can alter its
// manifest as well. Of several parts the database knows the sum of the last one.
func (m Manifest) Remembered(s retention.State) error {
	switch {
	case m.Part < 1 || m.Part > s.Archive.Parts:
		return fmt.Errorf("this installation never archived %s: the file is another installation's, or the database is older than the file; then yizheng archive export has it remembered", m.File)
	case m.Part == s.Archive.Parts && m.SM3 != hex.EncodeToString(s.Archive.Digest[:]):
		return fmt.Errorf("%s is not what this installation archived of %s: its SM3 is %s, and the database remembers %x; it is another installation's, or file and manifest were altered", m.File, m.Month, m.SM3, s.Archive.Digest)
	}
	return nil
}

// named reports whether a manifest names its file as this package does: the file lies
// beside it, and the name may stand in events.
func (m Manifest) named() bool {
	month, err := retention.ParseMonth(m.Month)
	return err == nil && m.Part >= 1 && m.File == name(m.Log, month, m.Part)+suffix
}

// ManifestOf returns the path of a file's manifest; that of a manifest is itself.
func ManifestOf(path string) string {
	if file, ok := strings.CutSuffix(path, suffix); ok {
		return file + manifest
	}
	return path
}

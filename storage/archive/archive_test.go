package archive

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/sqlite"
)

var (
	march = retention.MonthOf(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	now   = time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)
)

func openDB(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// login appends events of logins, the nth in the nth second of a month.
func logins(t *testing.T, db *sqlite.DB, m retention.Month, from, n int) {
	t.Helper()
	var es []journal.Event
	for i := from; i < from+n; i++ {
		es = append(es, journal.Event{Log: journal.Provider, ID: fmt.Sprint("e", i), At: m.Begin().Add(time.Duration(i) * time.Second), Action: "login.password",
			Actor: journal.Actor{ID: "<a&\"\\\u2028>"}, Result: "ok", Hash: [32]byte{byte(i)}})
	}
	if err := db.Journal().AppendEvents(t.Context(), es...); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, db *sqlite.DB, table retention.Table) retention.State {
	t.Helper()
	all, err := db.ListMonths(t.Context(), table, march)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

// TestMonth archives a month, reads it back, and lets it go.
func TestMonth(t *testing.T) {
	db, dir := openDB(t), t.TempDir()
	logins(t, db, march, 0, 1234)
	logins(t, db, march+1, 0, 1)
	seen := 0
	m, err := Month(t.Context(), db, dir, retention.ProviderEvents, state(t, db, retention.ProviderEvents), now, "test", func(n int) { seen += n })
	if err != nil || m.Rows != 1234 || m.Last != 1234 || m.File != "provider_events-2026-03.jsonl" || seen != 1234 {
		t.Fatalf("%+v, %v, %d rows of progress", m, err, seen)
	}
	text, err := os.ReadFile(filepath.Join(dir, m.File))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sm3.Sum(text); hex.EncodeToString(sum[:]) != m.SM3 || int64(len(text)) != m.Bytes || state(t, db, retention.ProviderEvents).Archive.Digest != sum {
		t.Errorf("the file's SM3 is %x, %d bytes; the manifest has %s, %d, and the database %x", sum, len(text), m.SM3, m.Bytes, state(t, db, retention.ProviderEvents).Archive.Digest)
	}
	n := 0
	read, err := Verify(filepath.Join(dir, "provider_events-2026-03.json"), func(line []byte) error {
		var row struct {
			ID, Actor, Hash, Result string
			At                      time.Time
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return err
		}
		hash := [32]byte{byte(n)}
		if row.ID != fmt.Sprint("e", n) || row.Actor != "<a&\"\\\u2028>" || row.Hash != base64.StdEncoding.EncodeToString(hash[:]) ||
			!row.At.Equal(march.Begin().Add(time.Duration(n)*time.Second)) {
			t.Errorf("row %d is %s", n, line)
		}
		n++
		return nil
	})
	if err != nil || read != *m || n != 1234 {
		t.Errorf("read back %+v with %d rows, %v", read, n, err)
	}

	// Again: nothing is new. A later row makes a second part.
	if again, err := Month(t.Context(), db, dir, retention.ProviderEvents, state(t, db, retention.ProviderEvents), now, "test", nil); err != nil || again != nil {
		t.Errorf("archived again: %+v, %v", again, err)
	}
	logins(t, db, march, 5000, 1)
	logins(t, db, march+1, 5000, 1)
	second, err := Month(t.Context(), db, dir, retention.ProviderEvents, state(t, db, retention.ProviderEvents), now, "test", nil)
	if err != nil || second.Rows != 1 || second.File != "provider_events-2026-03-2.jsonl" {
		t.Errorf("a later row: %+v, %v", second, err)
	}
	if s := state(t, db, retention.ProviderEvents); s.Archive.Parts != 2 || s.Archive.Rows != 1235 {
		t.Errorf("the database remembers %+v", s.Archive)
	}
	terms := retention.Terms{EventMonths: 12}
	var c retention.Counters
	if err := retention.Drop(t.Context(), db, terms, (march + 13).Begin(), 100, &c, func(_ retention.Table, _ retention.Month, err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil || state(t, db, retention.ProviderEvents).Rows || c.Rows.Load() != 1235 {
		t.Errorf("after the archive %d rows went, %+v, %v", c.Rows.Load(), state(t, db, retention.ProviderEvents), err)
	}

	for spoilt, change := range map[string]func([]byte) []byte{
		"a changed row":  func(b []byte) []byte { return []byte(strings.Replace(string(b), `"e7"`, `"e8"`, 1)) },
		"a missing row":  func(b []byte) []byte { return b[:strings.LastIndex(string(b[:len(b)-1]), "\n")+1] },
		"half a row":     func(b []byte) []byte { return b[:len(b)-9] },
		"another format": func(b []byte) []byte { return []byte("[1]\n") },
	} {
		if err := os.WriteFile(filepath.Join(dir, m.File), change([]byte(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(filepath.Join(dir, "provider_events-2026-03.json"), nil); err == nil {
			t.Errorf("%s is not noticed", spoilt)
		}
	}
}

// TestInterrupted stops in the middle of a page, of a row, and before the database
// knows: the next call goes on, and the file is the same.
func TestInterrupted(t *testing.T) {
	db, dir, whole := openDB(t), t.TempDir(), t.TempDir()
	logins(t, db, march, 0, 1700)
	s := state(t, db, retention.ProviderEvents)
	want, err := Month(t.Context(), forgetful{db}, whole, retention.ProviderEvents, s, now, "test", nil)
	if !errors.Is(err, errForgotten) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Month(ctx, db, dir, retention.ProviderEvents, s, now, "test", func(int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	path := filepath.Join(dir, want.File+unfinished)
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		t.Fatalf("nothing is left to go on from: %v", err)
	}
	if err := os.WriteFile(path, append(text, `{"seq":501,"at":"20`...), 0o600); err != nil {
		t.Fatal(err)
	}
	read := 0
	got, err := Month(t.Context(), db, dir, retention.ProviderEvents, s, now, "test", func(n int) { read += n })
	if err != nil || *got != *want || read >= 1700 {
		t.Errorf("gone on with %d rows, %v\n got %+v\nwant %+v", read, err, got, want)
	}
	// Written, and the database didn't hear of it: it is read back and remembered.
	got, err = Month(t.Context(), db, whole, retention.ProviderEvents, s, now, "test", func(int) { t.Error("rows are read again") })
	if err != nil || *got != *want || state(t, db, retention.ProviderEvents).Archive.Rows != 1700 {
		t.Errorf("remembered %+v, %v", got, err)
	}
}

var errForgotten = errors.New("forgotten")

type forgetful struct{ *sqlite.DB }

func (forgetful) MarkArchived(context.Context, retention.Table, retention.Month, retention.Archive) error {
	return errForgotten
}

// TestSealed leaves sealed what is sealed, and none what is none.
func TestSealed(t *testing.T) {
	db, dir := openDB(t), t.TempDir()
	for i, detail := range [][]byte{[]byte("sealed"), nil, {}} {
		e := journal.Event{Log: journal.Registry, ID: fmt.Sprint(i), At: march.Begin().Add(time.Duration(i) * time.Microsecond), Action: journal.ActionLicenseSearch, Result: "ok", Sealed: detail}
		if err := db.Journal().AppendEvents(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Month(t.Context(), db, dir, retention.Events, state(t, db, retention.Events), now, "test", nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	if _, err := Verify(filepath.Join(dir, "events-2026-03.json"), func(line []byte) error {
		var row map[string]any
		err := json.Unmarshal(line, &row)
		got = append(got, fmt.Sprint(row["at"], " ", row["detail"]))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := "[2026-03-01T00:00:00Z c2VhbGVk 2026-03-01T00:00:00.000001Z <nil> 2026-03-01T00:00:00.000002Z ]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"format":"yizheng-archive-1","log":"events","month":"2026-03","part":1,"file":"events-2026-03.jsonl","rows":0,"last":0,"bytes":0,"sm3":"","made":"2026-03-01T00:00:00Z","program":""}`), []byte("{\"seq\":1,\"at\":\"2026-03-01T00:00:00Z\"}\n"))
	f.Add([]byte(`{"file":"../x"}`), []byte{})
	f.Fuzz(func(t *testing.T, manifest, file []byte) {
		dir := t.TempDir()
		for name, text := range map[string][]byte{"x.json": manifest, "events-2026-03.jsonl": file} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Verify(filepath.Join(dir, "x.json"), nil)
		if sum := sm3.Sum(file); err == nil && (m.SM3 != hex.EncodeToString(sum[:]) || m.Bytes != int64(len(file))) {
			t.Errorf("%+v passes for %q", m, file)
		}
	})
}

// TestAnothersFile finds a file of the month's name that another installation wrote:
// it isn't taken for this one's archive, or rows that nobody has would go.
func TestAnothersFile(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{1234, 1000, 2000} { // the first is the other one's
		db := openDB(t)
		logins(t, db, march, n, n)
		logins(t, db, march+1, 0, 1)
		_, err := Month(t.Context(), db, dir, retention.ProviderEvents, state(t, db, retention.ProviderEvents), now, "test", nil)
		if (n == 1234) != (err == nil) {
			t.Errorf("%d rows: %v", n, err)
		}
		if s := state(t, db, retention.ProviderEvents); (n == 1234) != (s.Archive.Parts == 1) {
			t.Errorf("%d rows: the database remembers %+v", n, s.Archive)
		}
	}
}

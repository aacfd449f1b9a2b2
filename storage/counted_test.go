package storage

import (
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/signing/journal"
)

// An event that is of many requests counts as many.
func TestCountedMerged(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "yizheng.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Admin().Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	counted := Counted(db, func(h Happened) { counts[h.Action+" "+h.Result]++ })
	now := time.Now()
	err = counted.Journal().AppendEvents(t.Context(),
		journal.Event{Log: journal.Provider, ID: "a", At: now, Action: "token.refuse", Result: "x", RequestID: journal.MergedRequest(7)},
		journal.Event{Log: journal.Provider, ID: "b", At: now, Action: "token.refuse", Result: "x", RequestID: "r"})
	if err == nil {
		err = counted.Journal().AppendEvents(t.Context(), journal.Event{Log: journal.Registry, ID: "c", At: now, Action: journal.ActionLicenseRead, Result: "y", RequestID: journal.MergedRequest(5)})
	}
	if err != nil || counts["token.refuse x"] != 8 || counts["license.read y"] != 5 {
		t.Errorf("%v, %v", counts, err)
	}
}

// TestCountedStoresAll sees that no method that stores an event goes uncounted.
func TestCountedStoresAll(t *testing.T) {
	carries := func(in reflect.Type) bool {
		for _, e := range []any{journal.Event{}, journal.Event{}, license.SaveRequest{}, access.Reading{}} {
			if of := reflect.TypeOf(e); in == of || in == reflect.SliceOf(of) {
				return true
			}
		}
		return false
	}
	n := 0
	for _, wrapped := range []any{countedLicenses{}, countedProvider{}, countedJournal{}} {
		of := reflect.TypeOf(wrapped)
		inner := of.Field(0).Type
		for m := range inner.Methods() {
			takes := false
			for in := range m.Type.Ins() {
				takes = takes || carries(in)
			}
			if !takes {
				continue
			}
			n++
			// What is promoted from the embedded interface calls that, and a method of
			// the wrapper's own calls count: both nil here, which tells them apart.
			own, _ := of.MethodByName(m.Name)
			if file := methodFile(own); !strings.HasSuffix(file, "counted.go") {
				t.Errorf("%s.%s stores events that nobody counts (it is defined in %s)", of, m.Name, file)
			}
		}
	}
	if n < 12 {
		t.Errorf("only %d methods store events", n)
	}
}

// methodFile returns where a method's code is.
func methodFile(m reflect.Method) string {
	file, _ := runtime.FuncForPC(m.Func.Pointer()).FileLine(m.Func.Pointer())
	return file
}

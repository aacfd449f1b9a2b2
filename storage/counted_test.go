package storage

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
)

// TestCountedStoresAll sees that no method that stores an event goes uncounted.
func TestCountedStoresAll(t *testing.T) {
	carries := func(in reflect.Type) bool {
		for _, e := range []any{license.EventRecord{}, oidc.EventRecord{}, license.SaveRequest{}, license.Reading{}} {
			if of := reflect.TypeOf(e); in == of || in == reflect.SliceOf(of) {
				return true
			}
		}
		return false
	}
	n := 0
	for _, wrapped := range []any{countedLicenses{}, countedProvider{}} {
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

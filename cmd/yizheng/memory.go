package main

import (
	"os"
	"runtime/debug"
)

// gcPercent trades a little processor time for memory: a registry idles most
// of the day, beside a database on the same machine.
const gcPercent = 50

// sparing makes the process keep little memory, unless the operator set the Go
// runtime's own variables.
func sparing() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

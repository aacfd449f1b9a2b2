package texts

import (
	"fmt"
)

// Exit codes. Those of verify are part of its contract.
const (
	ExitOK            = 0
	ExitFailed        = 1 // verify: invalid; doctor: something fails
	ExitUsage         = 2 // the command line or the configuration is wrong
	ExitIndeterminate = 3 // verify: nothing failed, something is unknown
	ExitQuarantined   = 3 // person import: all is done, and some rows were not taken
)

// Exit is an error that decides the exit code.
type Exit struct {
	Code int
	Err  error // nil: everything was said already
}

// Error returns what is wrong, or the exit code if that was said already.
func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *Exit) Unwrap() error { return e.Err }

// Usage returns an error of whoever wrote the command line or the configuration. Its
// text is a key of the catalogue.
func Usage(key string, args ...any) error { return &Exit{ExitUsage, Refuse(key, args...)} }

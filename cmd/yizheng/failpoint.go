//go:build failpoints

package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// failpoint returns what is called with the name of each step of a request, of
// the registry and of a commit. Where YIZHENG_FAILPOINT is NAME or NAME:N, the
// N-th passing of the step NAME (default: the first) kills the process, as a
// power failure would: no deferred call runs. Tests alone are built so.
func failpoint() func(name string) {
	name, count, _ := strings.Cut(os.Getenv("YIZHENG_FAILPOINT"), ":")
	if name == "" {
		return nil
	}
	n := int64(1)
	if count != "" {
		var err error
		if n, err = strconv.ParseInt(count, 10, 64); err != nil || n < 1 {
			panic("YIZHENG_FAILPOINT: not NAME or NAME:N")
		}
	}
	var passed atomic.Int64
	return func(step string) {
		if step != name || passed.Add(1) != n {
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing happens after the step, also not in the time the signal takes
	}
}

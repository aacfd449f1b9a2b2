//go:build failpoints

package serve

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// failpoint returns what is called with the name of each step of a request, of
// the registry and of a commit. Where YIZHENG_FAILPOINT is NAME[:N][@FILE], the
// N-th passing of the step NAME (default: the first) kills the process, as a
// power failure would: no deferred call runs. With a FILE steps count only while
// that exists, so that a test can let the process get ready first. Each step
// that counts is named on standard error; without a NAME that is all. Tests
// alone are built so.
func failpoint() func(name string) {
	setting, set := os.LookupEnv("YIZHENG_FAILPOINT")
	if !set {
		return nil
	}
	setting, file, _ := strings.Cut(setting, "@")
	name, count, _ := strings.Cut(setting, ":")
	left := 1
	if count != "" {
		var err error
		if left, err = strconv.Atoi(count); err != nil || left < 1 {
			panic("YIZHENG_FAILPOINT: not NAME[:N][@FILE]")
		}
	}
	var mu sync.Mutex
	return func(step string) {
		mu.Lock()
		defer mu.Unlock()
		if file != "" {
			if _, err := os.Stat(file); err != nil {
				return
			}
		}
		fmt.Fprintf(os.Stderr, "step %s\n", step)
		if step != name {
			return
		}
		if left--; left > 0 {
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing happens after the step, also not in the time the signal takes
	}
}

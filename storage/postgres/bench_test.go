//go:build linux

package postgres

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"yizheng.internal/storage/storagetest"
)

func BenchmarkLogins(b *testing.B) {
	db := openDB(b, Config{URL: newDatabase(b)})
	var backend int
	if err := db.engine.Conns.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server, _ := process(b, fmt.Sprint("/proc/", backend))
	storagetest.BenchmarkLogins(b, storesOf(db), func() time.Duration { return serverTime(b, server) })
}

// process returns a process's parent, and the processor time that it and its
// children that ended have used: see proc_pid_stat(5).
func process(b *testing.B, dir string) (parent int, used time.Duration) {
	b.Helper()
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return 0, 0 // it has ended
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third one
	number := func(i int) int {
		n, err := strconv.Atoi(string(fields[i-3]))
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	ticks := number(14) + number(15) + number(16) + number(17)
	return number(4), time.Duration(ticks) * 10 * time.Millisecond
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// clockTick is the unit of CPU times in /proc: 1/100 s on every Linux that Go
// runs on (USER_HZ).
const clockTick = 10 * time.Millisecond

// cpuTimes returns the CPU time that processes have used so far, with all that
// descend from them, for a database has a process for each connection: of all of
// them, and then of each.
func cpuTimes(pids []int) ([]time.Duration, error) {
	sums := make([]time.Duration, 1+len(pids))
	if len(pids) == 0 {
		return sums, nil
	}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return sums, err
	}
	used, parent := map[int]time.Duration{}, map[int]int{}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid, above, cpu, ok := parseStat(text)
		if !ok {
			return sums, fmt.Errorf("%s is not as proc(5) has it", name)
		}
		used[pid], parent[pid] = cpu, above
	}
	for _, pid := range pids {
		if _, ok := used[pid]; !ok {
			return sums, fmt.Errorf("there is no process %d", pid)
		}
	}
	for pid, cpu := range used {
		if descends(pid, parent, pids) {
			sums[0] += cpu
		}
		for i := range pids {
			if descends(pid, parent, pids[i:i+1]) {
				sums[i+1] += cpu
			}
		}
	}
	return sums, nil
}

// descends reports whether a process is one of those, or below one.
func descends(pid int, parent map[int]int, those []int) bool {
	for ; pid > 1; pid = parent[pid] {
		if slices.Contains(those, pid) {
			return true
		}
	}
	return false
}

// parseStat reads /proc/PID/stat: the fields pid, ppid, utime and stime. The
// program's name, in parentheses, may have anything in it.
func parseStat(text []byte) (pid, parent int, cpu time.Duration, ok bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return 0, 0, 0, false
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text[:open])))
	fields := bytes.Fields(text[end+1:]) // from the third one, state, on
	if err != nil || len(fields) < 13 {
		return 0, 0, 0, false
	}
	parent, err1 := strconv.Atoi(string(fields[1]))
	user, err2 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err3 := strconv.ParseInt(string(fields[12]), 10, 64)
	return pid, parent, time.Duration(user+system) * clockTick, err1 == nil && err2 == nil && err3 == nil
}

//go:build unix

package rows

import (
	"os"
	"syscall"
)

// hold locks a directory, and reports whether no other process had. The kernel drops the lock when
// the process dies.
func hold(dir *os.File) bool {
	return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// ours reports whether a file belongs to the user of this process.
func ours(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

//go:build linux || darwin

package main

import (
	"fmt"
	"syscall"
)

// freeSpace returns how many bytes an ordinary user may still write where the
// directory lies.
func freeSpace(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}

//go:build linux || darwin

package main

import (
	"fmt"
	"os"
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

// ownData refuses root where the data directory is another user's: the service
// couldn't read what it would leave there.
func ownData(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil // whoever opens it says so
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && owner.Uid != 0 {
		return fmt.Errorf("%s belongs to the user %d: run this as that user (sudo -u '#%d' …), or else the service can't read what it leaves there", dir, owner.Uid, owner.Uid)
	}
	return nil
}

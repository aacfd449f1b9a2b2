//go:build linux || darwin

package main

import (
	"os"
	"syscall"
)

// freeSpace returns how many bytes an ordinary user may still write where the
// directory lies.
func freeSpace(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, refuse("disk.free", dir, err)
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
		return refuse("disk.owner", dir, owner.Uid, owner.Uid)
	}
	return nil
}

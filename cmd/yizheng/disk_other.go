//go:build !linux && !darwin

package main

// freeSpace isn't known on this system.
func freeSpace(string) (uint64, error) {
	return 0, refuse("disk.unknown")
}

// ownData knows nothing of owners here.
func ownData(string) error { return nil }

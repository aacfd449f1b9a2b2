//go:build linux || darwin

package doctor

import (
	"syscall"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// freeSpace returns how many bytes an ordinary user may still write where the
// directory lies.
func freeSpace(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, texts.Refuse("disk.free", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}

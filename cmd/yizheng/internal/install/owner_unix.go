//go:build linux || darwin

package install

import (
	"os"
	"syscall"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// ownData refuses root where the data directory is another user's: the service
// couldn't read what it would leave there.
func ownData(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil // whoever opens it says so
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && owner.Uid != 0 {
		return texts.Refuse("disk.owner", dir, owner.Uid, owner.Uid)
	}
	return nil
}

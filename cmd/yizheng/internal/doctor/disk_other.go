//go:build !linux && !darwin

package doctor

import "yizheng.internal/cmd/yizheng/internal/texts"

// freeSpace isn't known on this system.
func freeSpace(string) (uint64, error) {
	return 0, texts.Refuse("disk.unknown")
}

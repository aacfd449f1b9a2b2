//go:build unix

package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Lock takes a lock. It waits as long as ctx allows while another process, or another call in
// this one, holds it. The kernel drops the lock when its holder dies, so none is left behind.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		// It polls: a blocking flock would not notice that ctx ended.
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			err := fmt.Errorf("waiting for another process to release %s: %w", path, context.Cause(ctx))
			return nil, errors.Join(err, f.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

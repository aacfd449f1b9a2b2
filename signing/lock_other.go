//go:build !unix

package signing

import (
	"context"
	"errors"
)

// lockFile says that this system is not one the registry runs on: without a
// lock, two processes started at once could each make keys.
func lockFile(context.Context, string) (func(), error) {
	return nil, errors.New("this operating system has no file locks that the registry knows; run it on Linux")
}

//go:build !unix

package durable

import (
	"context"
	"errors"
)

// Lock returns an error: the registry doesn't run on this system. Without a lock, two
// processes that start at once could each make keys.
func Lock(context.Context, string) (func(), error) {
	return nil, errors.New("this operating system has no file locks that the registry knows; run it on Linux")
}

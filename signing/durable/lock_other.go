//go:build !unix

package durable

import (
	"context"
	"errors"
)

// Lock says that this system is not one the registry runs on: without a
// lock, two processes started at once could each make keys.
func Lock(context.Context, string) (func(), error) {
	return nil, errors.New("this operating system has no file locks that the registry knows; run it on Linux")
}

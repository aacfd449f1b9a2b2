//go:build !failpoints

package serve

// failpoint returns nil: only programs built with the tag failpoints have any.
func failpoint() func(name string) { return nil }

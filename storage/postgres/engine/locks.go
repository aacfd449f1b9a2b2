package engine

import "hash/fnv"

// LockKey names an advisory lock. Two names that share a key only wait for each
// other without need.
func LockKey(class, name string) int64 {
	h := fnv.New64a()
	h.Write([]byte(class))
	h.Write([]byte{0})
	h.Write([]byte(name))
	return int64(h.Sum64())
}

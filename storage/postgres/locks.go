package postgres

import "hash/fnv"

// lockKey names an advisory lock. Two names that share a key only wait for each
// other without need.
func lockKey(class, name string) int64 {
	h := fnv.New64a()
	h.Write([]byte(class))
	h.Write([]byte{0})
	h.Write([]byte(name))
	return int64(h.Sum64())
}

package engine

import "time"

// Pool returns how many connections are in use, idle, and open at most, how many
// callers have waited for one, and how long together.
func (db *DB) Pool() (inUse, idle, most int, waits int64, waited time.Duration) {
	s := db.Conns.Stat()
	return int(s.AcquiredConns()), int(s.IdleConns()), int(s.MaxConns()), s.EmptyAcquireCount(), s.EmptyAcquireWaitTime()
}

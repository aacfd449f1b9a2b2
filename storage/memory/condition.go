package memory

import (
	"context"
	"time"

	"yizheng.internal/oidc/ephemeral"
)

// Condition implements storage.Ephemeral: the process's own memory is always there.
func (s *Ephemeral) Condition() (up bool, failures uint64) { return true, 0 }

// Probe implements storage.Ephemeral.
func (s *Ephemeral) Probe(ctx context.Context) error { return s.Ping(ctx) }

// Evicted implements storage.Ephemeral.
func (s *Ephemeral) Evicted() [ephemeral.PartReserved]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evicted
}

// Pool implements storage.Ephemeral: there are no connections.
func (s *Ephemeral) Pool() (inUse, idle, most int, waits int64, waited time.Duration) { return }

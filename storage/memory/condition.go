package memory

import "context"

// Condition implements storage.Ephemeral: the process's own memory is always there.
func (s *Ephemeral) Condition() (up bool, failures uint64) { return true, 0 }

// Probe implements storage.Ephemeral.
func (s *Ephemeral) Probe(ctx context.Context) error { return s.Ping(ctx) }

// Package client manages participants and their clients: it registers and changes them, checks
// redirect URIs, and authenticates clients by their secrets.
package client

import (
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Config says what a Service works with.
type Config struct {
	Clients      Store                 // as Authentic returns them
	Participants identity.Participants // as identity.AuthenticParticipants returns them
	Grants       []oidc.GrantRule      // rules of the grant types for which clients can be registered
	Journal      *journal.Recorder
}

// Service registers and changes clients and participants, and authenticates clients. Safe
// for concurrent use.
//
// It caches what it read for at most 2 seconds. If another process disables a client or a
// participant, it is refused 2 seconds later at the latest; if this process does, at once.
type Service struct {
	c         Config
	standings *fresh.Cache[Standing]
}

// New returns the service.
func New(c Config) *Service {
	s := &Service{c: c}
	s.standings = fresh.NewCache(maxCachedClients, s.readStanding)
	return s
}

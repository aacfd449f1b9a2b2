// Package client keeps participants and their clients: it registers and changes them, says
// which redirect URIs are a client's, and authenticates clients by their secrets.
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
	Grants       []oidc.GrantRule      // of the grant types for which clients are registered
	Journal      *journal.Recorder
}

// Service keeps clients and participants: it registers them, changes them, and says
// whose credentials are a client's. Safe for concurrent use.
//
// It keeps what it read for at most 2 seconds, so that a client or participant that
// another process disables is refused 2 seconds later at the latest; one that this process
// disables, at once.
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

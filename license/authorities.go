package license

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
)

// Authorities caches the names of authorities for a short time.
type Authorities struct {
	load  func(ctx context.Context, code party.USCC) (string, error)
	mu    sync.Mutex
	known map[party.USCC]knownName
}

// NewAuthorities returns an Authorities that reads names by load, which returns ErrNotFound for a code that is no
// participant's.
func NewAuthorities(load func(ctx context.Context, code party.USCC) (string, error)) *Authorities {
	return &Authorities{load: load, known: map[party.USCC]knownName{}}
}

type knownName struct {
	name string
	read time.Time
}

// namesFresh is how long an authority's name is cached before it is read again.
const namesFresh = 2 * time.Second

// Name returns an authority's name, or ErrNotFound. Only names that exist are cached.
func (n *Authorities) Name(ctx context.Context, code party.USCC) (string, error) {
	n.mu.Lock()
	k, ok := n.known[code]
	n.mu.Unlock()
	if ok && time.Since(k.read) < namesFresh {
		return k.name, nil
	}
	now := time.Now()
	name, err := n.load(ctx, code)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[code] = knownName{name, now}
	return name, nil
}

// Caller returns the caller's participant as credentials name it.
func (n *Authorities) Caller(ctx context.Context, a audit.Actor) (credential.PresentedBy, error) {
	code := party.USCC(a.USCC)
	name, err := n.Name(ctx, code)
	if errors.Is(err, ErrNotFound) {
		return credential.PresentedBy{}, refusal.Forbidden("participant_unknown", "The caller's participant is not registered.")
	}
	if err != nil {
		return credential.PresentedBy{}, fmt.Errorf("finding the name of authority %s: %w", code, err)
	}
	return credential.PresentedBy{Code: code, Name: name}, nil
}

package license

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

const (
	// statusMost is how many entries of a list are ever taken.
	statusMost = credential.StatusListSize / 2
	// statusResign is the age at which an unchanged list is signed anew.
	statusResign = time.Hour
	// statusFresh is how long a list serves without asking the store for changes.
	statusFresh = time.Second
)

// slot is an entry of a status list that a version is to have.
type slot struct {
	list  int64
	index int
}

// slots hands out entries of status lists. They are reserved in blocks, ahead
// of the signature that names them, and come back if nothing that names them was
// stored; those unused at the end of the process stay reserved, and valid, for good.
type slots struct {
	store StatusStore
	mu    sync.Mutex
	ready []slot
	block int
}

// Blocks grow as they are used up, so that a short run wastes little.
const (
	firstBlock = 32
	lastBlock  = 1024
)

// take returns an entry that nobody else has.
func (s *slots) take(ctx context.Context) (slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 {
		s.block = min(max(firstBlock, 2*s.block), lastBlock)
		list, taken, err := s.store.Reserve(ctx, distinct(s.block, credential.StatusListSize), statusMost, time.Now())
		if err != nil {
			return slot{}, fmt.Errorf("reserving entries of a status list: %w", err)
		}
		// In whatever order the store took them: an index must not tell when it was given.
		rand.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
		for _, index := range taken {
			s.ready = append(s.ready, slot{list, index})
		}
	}
	last := len(s.ready) - 1
	taken := s.ready[last]
	s.ready = s.ready[:last]
	return taken, nil
}

// give takes an entry back. What was signed with it was neither stored nor shown.
func (s *slots) give(unused slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, unused)
	last := len(s.ready) - 1
	i := rand.IntN(len(s.ready)) // an index must not tell that it was given back
	s.ready[i], s.ready[last] = s.ready[last], s.ready[i]
}

// distinct returns n different random numbers below limit. (math/rand/v2's
// global source is ChaCha8, seeded by the system.)
func distinct(n, limit int) []int {
	seen := make(map[int]bool, n)
	out := make([]int, 0, n)
	for len(out) < n {
		if i := rand.IntN(limit); !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}

// lists keeps the signed status lists.
type lists struct {
	mu     sync.Mutex
	sealed map[int64]*publishedList
}

type publishedList struct {
	mu       sync.Mutex
	revision int64
	token    string
	made     time.Time
	looked   time.Time
}

// get returns the place of list n; it holds nothing yet if the list is new here.
func (l *lists) get(n int64) (p *publishedList, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known = l.sealed[n]
	if !known {
		p = &publishedList{revision: -1}
	}
	return p, known
}

func (l *lists) keep(n int64, p *publishedList) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sealed[n] = p
}

// StatusList returns status list n, signed (a JWT, typ statuslist+jwt). A
// change of a license's state is in it a second later at most.
func (r *Registry) StatusList(ctx context.Context, n int64) (string, error) {
	p, known := r.lists.get(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.token != "" && now.Sub(p.looked) < statusFresh {
		return p.token, nil
	}
	seen := p.revision
	if now.Sub(p.made) >= statusResign {
		seen = -1
	}
	list, err := r.lookAt(ctx, n, seen)
	if errors.Is(err, ErrNotFound) {
		return "", refusal.Missing("status_list_unknown", "There is no status list with this number.")
	} else if err != nil {
		return "", err
	}
	if list != nil {
		if p.token, err = r.signStatusList(ctx, n, list, now); err != nil {
			return "", err
		}
		p.revision, p.made = list.revision, now
	}
	p.looked = now
	if !known {
		r.lists.keep(n, p)
	}
	return p.token, nil
}

func (r *Registry) signStatusList(ctx context.Context, n int64, list *seenList, now time.Time) (string, error) {
	key, err := r.c.Keyrings.Active(ctx, signing.PurposeStatus, "")
	if err != nil {
		return "", fmt.Errorf("finding the status key: %w", err)
	}
	token, err := list.values.Sign(key.Signer, jose.Header{
		Typ: jose.TypStatusList, Algorithm: jose.SM2, KeyID: key.KID(), X5C: key.Chain,
	}, credential.StatusListURI(r.c.PublicURL, n), now)
	if err != nil {
		return "", fmt.Errorf("signing status list %d: %w", n, err)
	}
	return token, nil
}

// status is the registry's own StatusSource: what the store says now.
func (r *Registry) status(ctx context.Context, uri string, index int) (credential.StatusValue, error) {
	list, ours := credential.ParseStatusListURI(r.c.PublicURL, uri)
	if !ours {
		return 0, errors.New("the status list is not one of this registry")
	}
	if index >= credential.StatusListSize {
		return 0, credential.ErrStatusIndex
	}
	return r.lookAtOne(ctx, list, index)
}

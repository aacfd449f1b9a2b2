package limit

import (
	"context"
	"slices"
	"sync"
)

// turnstiles has a [Turnstile] for each key. One is there as long as somebody uses it.
type turnstiles struct {
	inside, waiting int // of each
	mu              sync.Mutex
	crowds          map[string]*crowd
}

type crowd struct {
	*Turnstile
	n int // how many use it; guarded by the mutex of turnstiles
}

func newTurnstiles(inside, waiting int) *turnstiles {
	return &turnstiles{inside: inside, waiting: waiting, crowds: map[string]*crowd{}}
}

// enter waits for a turn at the turnstile of the key.
func (t *turnstiles) enter(ctx context.Context, key string) (leave func(), err error) {
	t.mu.Lock()
	c := t.crowds[key]
	if c == nil {
		c = &crowd{Turnstile: NewTurnstile(t.inside, t.waiting)}
		t.crowds[key] = c
	}
	c.n++
	t.mu.Unlock()
	gone := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if c.n--; c.n == 0 {
			delete(t.crowds, key)
		}
	}
	out, err := c.Turnstile.Enter(ctx, 0)
	if err != nil {
		gone()
		return nil, err
	}
	return func() { out(); gone() }, nil
}

// Holders bounds how many look for people's licenses at a time: for one person, for
// one client, and in all. It waits for the person's turn first, then for the client's, and
// last for the common one. So a client with many people, or a person in a loop, takes no room
// from others while it waits.
type Holders struct {
	person, client *turnstiles
	all            *Turnstile
}

// maxHolders is how many are inside in all, on however many processors: each may have
// some 20 MiB of licenses open.
const maxHolders = 64

// NewHolders returns turns for so many processors, each of which has several that wait
// for the database. A client has half of them.
func NewHolders(processors int) *Holders {
	all := min(8*processors, maxHolders)
	return &Holders{person: newTurnstiles(1, 64), client: newTurnstiles(all/2, 128), all: NewTurnstile(all, 512)}
}

// Enter waits for a turn, and returns the function that ends it. Its error is ErrBusy, or the
// context's. client is empty for pages of ours.
func (t *Holders) Enter(ctx context.Context, person, client string) (leave func(), err error) {
	var entered []func()
	leave = func() {
		for i := len(entered) - 1; i >= 0; i-- {
			entered[i]()
		}
	}
	enters := []func() (func(), error){
		func() (func(), error) { return t.person.enter(ctx, person) },
		func() (func(), error) { return t.client.enter(ctx, client) },
		func() (func(), error) { return t.all.Enter(ctx, 0) },
	}
	if client == "" {
		enters = slices.Delete(enters, 1, 2)
	}
	for _, enter := range enters {
		out, err := enter()
		if err != nil {
			leave()
			return nil, err
		}
		entered = append(entered, out)
	}
	return leave, nil
}

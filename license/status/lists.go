// Package status keeps an installation's own status lists, which tell everybody what became of a license version.
// Entries are reserved before the signature that names them, and change together with the license. Lists are
// signed and published. Each node compares them with what it saw of them, so that what was written past the
// registry is refused, and can be mended from the records of the licenses.
//
// Package credential reads lists that somebody published.
package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// Config says what [Lists] work with.
type Config struct {
	Store     Stores
	Keyrings  *signing.Keyrings // has the status key
	Auth      *signing.Authenticator
	PublicURL string // absolute, without a slash at the end
	// Standing returns what the records of a license say of a version, or ErrNotFound.
	Standing func(ctx context.Context, v Version) (Standing, error)
	Memory   Memory       // what was seen, beside the keys; default: it is remembered until the process ends
	Log      *slog.Logger // default: discards
}

// Standing is what the records of a license say of a version, and what the version's entry must say.
type Standing struct {
	Version
	List     int64
	Index    int
	Value    credential.StatusValue
	State    string // the version's state, in a word
	Revision int64  // the license's
}

// Lists keeps status lists. It is safe for concurrent use.
type Lists struct {
	c         Config
	store     Stores // authentic
	slots     slots
	seen      seenLists
	published published
}

// New checks c and returns the lists. It reads nothing yet.
func New(c Config) (*Lists, error) {
	if c.Store == nil || c.Keyrings == nil || c.Auth == nil || c.Standing == nil || c.PublicURL == "" {
		return nil, errors.New("status: Config needs Store, Keyrings, Auth, PublicURL and Standing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Lists{
		c: c, store: AuthenticStores(c.Store, c.Auth), slots: slots{store: c.Store},
		seen:      newSeenLists(c.Memory, c.Auth),
		published: published{tokens: map[int64]*publishedList{}},
	}, nil
}

const (
	// resignAfter is the age at which an unchanged list is signed anew.
	resignAfter = time.Hour
	// fresh is how long a list is cached before the store is asked for changes.
	fresh = time.Second
)

// published are the signed status lists.
type published struct {
	mu     sync.Mutex
	tokens map[int64]*publishedList
}

type publishedList struct {
	mu       sync.Mutex
	revision int64
	token    string
	made     time.Time
	looked   time.Time
}

// get returns the place of list n; it holds nothing yet if the list is new here.
func (p *published) get(n int64) (list *publishedList, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list, known = p.tokens[n]
	if !known {
		list = &publishedList{revision: -1}
	}
	return list, known
}

func (p *published) keep(n int64, list *publishedList) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens[n] = list
}

// StatusList returns status list n, signed (a JWT, typ statuslist+jwt), or a *[refusal.Error]. A change of a
// license's state is in it after a second at most.
func (l *Lists) StatusList(ctx context.Context, n int64) (string, error) {
	p, known := l.published.get(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.token != "" && now.Sub(p.looked) < fresh {
		return p.token, nil
	}
	seen := p.revision
	if now.Sub(p.made) >= resignAfter {
		seen = -1
	}
	list, err := l.lookAt(ctx, n, seen)
	if errors.Is(err, ErrNotFound) {
		return "", refusal.Missing("status_list_unknown", "There is no status list with this number.")
	} else if err != nil {
		return "", err
	}
	if list != nil {
		if p.token, err = l.sign(ctx, n, list, now); err != nil {
			return "", err
		}
		p.revision, p.made = list.revision, now
	}
	p.looked = now
	if !known {
		l.published.keep(n, p)
	}
	return p.token, nil
}

func (l *Lists) sign(ctx context.Context, n int64, list *seenList, now time.Time) (string, error) {
	key, err := l.c.Keyrings.Active(ctx, signing.PurposeStatus, "")
	if err != nil {
		return "", fmt.Errorf("finding the status key: %w", err)
	}
	token, err := list.values.Sign(key.Signer, jose.Header{
		Typ: jose.TypStatusList, Algorithm: jose.SM2, KeyID: key.KID(), X5C: key.Chain,
	}, credential.StatusListURI(l.c.PublicURL, n), now)
	if err != nil {
		return "", fmt.Errorf("signing status list %d: %w", n, err)
	}
	return token, nil
}

// Value is a [credential.StatusSource]: what the store says now.
func (l *Lists) Value(ctx context.Context, uri string, index int) (credential.StatusValue, error) {
	list, ours := credential.ParseStatusListURI(l.c.PublicURL, uri)
	if !ours {
		return 0, errors.New("the status list is not one of this registry")
	}
	if index >= credential.StatusListSize {
		return 0, credential.ErrStatusIndex
	}
	return l.lookAtOne(ctx, list, index)
}

// Note remembers what this node itself wrote to status lists with a change of a license. serial is the license's
// revision after the change.
func (l *Lists) Note(changes []Change, serial int64) { l.seen.note(changes, serial) }

package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/signing"
)

const (
	// ListFresh is how long a revocation list is served before the store is asked again.
	ListFresh = 5 * time.Second
	// listAge is how long others may cache a list. A list that is out of date is still served
	// if there is no newer one, but then it may not be cached.
	listAge = time.Hour
)

// revocationLists keeps the lists that were read and verified lately, by root.
type revocationLists struct {
	mu   sync.Mutex
	read map[signing.KeyID]readList
}

type readList struct {
	der  []byte
	next time.Time // its nextUpdate
	at   time.Time
}

// revocationList serves the newest revocation list of a root, as RFC 5280 section
// 4.2.1.13 has it.
func (x *trust) revocationList(c *call.Call) error {
	id, ok := strings.CutSuffix(c.Request.PathValue("file"), ".crl")
	if !ok || x.lists == nil {
		return errListUnknown()
	}
	k, err := x.keyrings.ByID(c.Context(), signing.KeyID(id))
	if errors.Is(err, signing.ErrNoKey) || err == nil && k.Purpose != signing.PurposeRoot {
		return errListUnknown()
	} else if err != nil {
		return err
	}
	now := time.Now()
	list, err := x.load(c.Context(), k.ID, now)
	if errors.Is(err, signing.ErrNoList) {
		return errListUnknown()
	} else if err != nil {
		return err
	}
	keep := max(0, min(listAge, list.next.Sub(now).Truncate(time.Second)))
	return c.Public(list.der, fmt.Sprintf("public, max-age=%d", int(keep/time.Second)))
}

func errListUnknown() error {
	return problem.Refuse(http.StatusNotFound, "revocation_list_unknown", "There is no root with this id, or it has published no revocation list.")
}

// load returns a list that was read and verified within the last few seconds. A list that the
// root did not sign is never returned.
func (x *trust) load(ctx context.Context, root signing.KeyID, now time.Time) (readList, error) {
	l := &x.read
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.read[root]; ok && now.Sub(known.at) < ListFresh {
		return known, nil
	}
	der, err := x.lists.LoadRevocationList(ctx, root)
	if err != nil {
		return readList{}, err
	}
	list, err := x.roots.RevocationList(ctx, x.verifier, der)
	if err != nil {
		return readList{}, fmt.Errorf("the stored revocation list of %s: %w", root, err)
	}
	if l.read == nil {
		l.read = map[signing.KeyID]readList{}
	}
	l.read[root] = readList{der, list.NextUpdate, now}
	return l.read[root], nil
}

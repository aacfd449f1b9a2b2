package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc"
)

// actsFor says for whom a session's person acts at a client.
type actsFor struct {
	Client string `json:"client"` // id; empty: pages of our own
	By     string `json:"by"`     // id of a representation, or BySelf
}

// BySelf stands in place of a representation's id for somebody who acts for themself.
const BySelf = "self"

// maxActing is at how many clients a session remembers for whom its person acts. At others they are asked again.
const maxActing = 32

// ActsBy returns by which representation the person said that they act at a client, or [BySelf]; "" if they said
// nothing in this session, or logged in anew since. An empty client means pages of our own. Whether the
// representation still holds, the caller checks.
func (l *Login) ActsBy(client string) string {
	for _, a := range l.About.Acting {
		if a.Client == client {
			return a.By
		}
	}
	return ""
}

// actsHere returns the representation by which the person acts on pages of our own, or "".
func (l *Login) actsHere() string {
	if by := l.ActsBy(""); by != BySelf {
		return by
	}
	return ""
}

// Act remembers for this session by which representation its person acts at a client, or [BySelf]. It returns the
// session as it is then, or ErrNoSession if the browser has none with that id any more.
func Act(ctx context.Context, p *Service, b oidc.Browser, session, client, by string) (*Login, error) {
	for try := 1; ; try++ {
		l, err := p.Find(ctx, b)
		if err != nil {
			return nil, err
		}
		if l == nil || l.ID != session { // somebody else logged in meanwhile
			return nil, oidc.ErrNoSession
		}
		l.About.Acting = slices.DeleteFunc(l.About.Acting, func(a actsFor) bool { return a.Client == client })
		l.About.Acting = append(l.About.Acting, actsFor{client, by})
		l.About.Acting = l.About.Acting[max(len(l.About.Acting)-maxActing, 0):]
		l.Seen = time.Now().UTC()
		if err := p.seal(ctx, l); err != nil {
			return nil, err
		}
		err = p.c.Store.UpdateSession(ctx, l.Record)
		if errors.Is(err, oidc.ErrConflict) && try < oidc.ChangeTries {
			continue
		}
		if err != nil {
			return nil, oidc.Unavailable(fmt.Errorf("session %s: %w", l.ID, err))
		}
		l.Revision++
		p.records.Drop(l.ID)
		return l, nil
	}
}

package acting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
)

// heads are who represents an organization by law now.
type heads struct {
	known    bool             // the registry knows who does, or that nobody does any longer
	disputed bool             // its licenses contradict each other
	codes    []party.Code     // by the registry
	evident  []Representation // by evidence that a clerk checked, as long as the registry names nobody and isn't of two minds
	former   []Representation // by such evidence, once
	since    time.Time        // since when the registry has it so
}

// heads asks registry and store. What the registry's licenses say of codes goes before what a clerk found in
// papers: that counts while no license names anybody, or from when the last one that did was ended.
func (s *rules) heads(ctx context.Context, n *now, org *identity.Party) (h heads, err error) {
	codes := representation.Held(org, n.today)
	if s.c.Registry != nil && len(codes) > 0 {
		head, err := s.c.Registry.Head(ctx, codes)
		if err != nil {
			return heads{}, fmt.Errorf("%w who represents an organization: %w", errRegistry, err)
		}
		h.known, h.codes, h.since, h.disputed = head.Known, head.Codes, head.Since, head.Disputed
		if h.known && len(h.codes) > 0 {
			return h, nil
		}
	}
	all, err := s.shelf.Of(ctx, org.ID)
	for _, r := range all {
		if r.Kind != LegalRepresentative || r.Proof.License != "" {
			continue
		}
		if r.State == Accepted {
			who, err := s.roster.SomeoneOf(ctx, r.Representative.ID)
			if err != nil && !errors.Is(err, identity.ErrNotFound) {
				return heads{}, err
			}
			if err == nil && who.Account.Disabled { // closed accounts are, too
				r.State, r.Updated = Ended, who.Account.Barred
			}
		}
		if r.State == Accepted && !r.Over(n.at) && !r.From.After(n.today) && !h.disputed && (!h.known || r.Created.After(h.since)) {
			h.evident = append(h.evident, r)
		} else {
			h.former = append(h.former, r)
		}
	}
	return h, err
}

// has returns the first of some parties who is a head, or "".
func (s *rules) has(ctx context.Context, n *now, h *heads, parties []string) (string, error) {
	for _, id := range parties {
		if slices.ContainsFunc(h.evident, func(r Representation) bool { return r.Representative.ID == id }) {
			return id, nil
		}
		if len(h.codes) == 0 {
			continue
		}
		p, err := s.c.People.Party(ctx, id)
		if errors.Is(err, identity.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		if meet(h.codes, representation.Held(&p, n.today)) {
			return id, nil
		}
	}
	return "", nil
}

// lapse finds out when an administrator or agent lapses, and refuses one who has.
func (s *rules) lapse(ctx context.Context, n *now, h heads, u *use) (err error) {
	names := slices.Clone(u.Proof.Confirmed)
	if u.Proof.Head != "" {
		names = append(names, u.Proof.Head)
	}
	if u.head, err = s.has(ctx, n, &h, names); err != nil || u.head != "" {
		return err
	}
	since := h.since
	if !h.known {
		since = gone(h, names)
	}
	// Whom a clerk entered was appointed in the name of who was the head then.
	if u.Proof.Head == "" && !since.After(u.Created) {
		return nil
	}
	u.lapses = since.Add(Lapse)
	if !n.at.Before(u.lapses) {
		return refused(ReasonLapsed, "there is another legal representative, who didn't confirm the representation in time")
	}
	return nil
}

// gone returns since when none of some parties is a head by evidence, as far as the store knows; if there
// are no parties, when the last change was.
func gone(h heads, parties []string) (since time.Time) {
	for _, r := range h.former {
		end := r.Updated
		if r.State != Ended {
			end = r.Until.End()
		}
		if (len(parties) == 0 || slices.Contains(parties, r.Representative.ID)) && end.After(since) {
			since = end
		}
	}
	if len(parties) == 0 {
		for _, r := range h.evident {
			if r.Created.After(since) {
				since = r.Created
			}
		}
	}
	return since
}

// lastDay returns the last day before a moment, as text; empty for none.
func lastDay(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return party.DateOf(at.Add(-time.Nanosecond)).String()
}

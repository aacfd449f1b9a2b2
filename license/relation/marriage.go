package relation

import (
	"context"
	"slices"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
)

// Spouse returns the one who is married to somebody with one of the codes; nil if that isn't proved. It is proved
// by a marriage certificate in force that is the latest of both: neither has a divorce certificate of that day or
// later, nor a marriage of that day or later with somebody else, whether or not those are still in force. And all
// authorities' marriages and divorces must be here, or one that nobody knows of might have ended it.
func (r *Service) Spouse(ctx context.Context, codes []party.Code) (*Fact, error) {
	if covered, err := r.covered(ctx); !covered || err != nil {
		return nil, err
	}
	g := r.look()
	own, err := g.events(ctx, codes)
	if err != nil || g.lost {
		return nil, err
	}
	m := latest(own)
	if m == nil || m.why != "" || !m.believed() {
		return nil, nil
	}
	day, ok := m.happened()
	spouse, name := others(m.Holders, m.by.Representatives, codes)
	if !ok || len(spouse) != 1 || spouse[0].Value == "" || spouse[0].Type.Class() != party.Person || count(m) != 2 {
		return nil, nil
	}
	theirs, err := g.events(ctx, spouse)
	if err != nil || g.lost {
		return nil, err
	}
	couple := slices.Concat(codes, spouse)
	for _, e := range slices.Concat(own, theirs) {
		when, known := e.happened()
		if known && when.Before(day) {
			continue
		}
		elsewhere, _ := others(e.Holders, e.by.Representatives, couple)
		if e.by.Proves == Divorce || len(elsewhere) > 0 {
			return nil, nil
		}
	}
	fact := m.fact(name, spouse...)
	return &fact, nil
}

// events returns the marriages and divorces of somebody, in whatever state, but those that were rescinded: these
// never were.
func (g *looking) events(ctx context.Context, codes []party.Code) ([]*found, error) {
	all, err := g.licenses(ctx, codes, "", representatives, Marriage, Divorce)
	return slices.DeleteFunc(all, func(f *found) bool { return f.Ending != nil && f.Ending.Kind == license.Rescinded }), err
}

// latest returns the latest marriage, of several of one day one that is in force. Nil if there is none, or if the
// day of one isn't known.
func latest(events []*found) (m *found) {
	var day party.Date
	for _, e := range events {
		if e.by.Proves != Marriage {
			continue
		}
		when, ok := e.happened()
		if !ok {
			return nil
		}
		if m == nil || when.After(day) || when == day && m.why != "" {
			m, day = e, when
		}
	}
	return m
}

// happened returns the day of a marriage or divorce.
func (f *found) happened() (party.Date, bool) {
	if f.by.Date == "" {
		return f.ValidFrom, true
	}
	return f.day(f.by.Date)
}

// count returns how many holders a marriage has as spouses.
func count(f *found) (n int) {
	for _, h := range f.Holders {
		if slices.Contains(f.by.Representatives, h.Role) {
			n++
		}
	}
	return n
}

// covered reports whether all marriages and divorces are here.
func (r *Service) covered(ctx context.Context) (bool, error) {
	known := false
	for i := range r.c.Believed {
		b := &r.c.Believed[i]
		if b.Proves != Marriage && b.Proves != Divorce {
			continue
		}
		h, err := r.c.Types.Heads(ctx, b.Type)
		if err != nil {
			return false, err
		}
		if typ := h.Published(); typ == nil || !typ.Covered() {
			return false, nil
		}
		known = true
	}
	return known, nil
}

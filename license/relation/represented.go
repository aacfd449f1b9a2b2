package relation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// Represented returns the organizations whose legal representative somebody with one of the codes is, and the
// children whose parent. Any error means that nothing is proved.
func (r *Service) Represented(ctx context.Context, codes []party.Code) ([]Fact, error) {
	g := r.look()
	named, err := g.licenses(ctx, codes, license.Active, representatives, LegalRepresentative, Guardian)
	if err != nil {
		return nil, err
	}
	type whom struct {
		kind Kind
		code party.Code
	}
	seen := map[whom]bool{}
	facts := []Fact{}
	for _, f := range named {
		s := f.read()
		key := whom{f.by.Proves, codeOf(s.principal)}
		if !s.ok || f.why != "" || !f.believed() || seen[key] {
			continue
		}
		seen[key] = true
		g.lost = false // what can't be opened of the one principal proves nothing against another
		a, err := g.agreed(ctx, key.kind, []party.Code{key.code})
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(codes, func(c party.Code) bool { return slices.Contains(a.representatives, c) }) {
			continue
		}
		fact := f.fact(s.principal.Name, key.code)
		if fact.Kind == Guardian {
			var ok bool
			if fact.Born, ok = f.born(key.code); !ok {
				r.say(ctx, "born "+string(f.ID), "a license has another date of birth than the child's number, so it proves nothing", "license", f.ID)
				continue
			}
		}
		facts = append(facts, fact)
	}
	return facts, nil
}

// fact returns what a license proves.
func (f *found) fact(name string, codes ...party.Code) Fact {
	return Fact{
		Kind: f.by.Proves, Codes: codes, Name: name, License: f.ID, Version: f.Version.Version, Type: f.TypeCode, TypeName: f.TypeName,
		Since: f.IssuedAt,
	}
}

// agreement is what all licenses in force say of one organization or child.
type agreement struct {
	inForce         []*found
	representatives []party.Code // sorted; empty: they prove nothing
	disputed        bool         // they contradict each other, and one of them names somebody by a code
}

// agreed reads all believed licenses in force of an organization or a child. They must all name the same people by
// the same codes, as originals and duplicates 正本/副本 do. One that names nobody by a code contradicts the others: it
// may be the newer one, of somebody whose number the authority doesn't have.
func (g *looking) agreed(ctx context.Context, kind Kind, codes []party.Code) (agreement, error) {
	all, err := g.licenses(ctx, codes, license.Active, principals, kind)
	if err != nil {
		return agreement{}, err
	}
	var a agreement
	for _, f := range all {
		if f.why == "" && f.believed() {
			a.inForce = append(a.inForce, f)
		}
	}
	if g.lost || len(a.inForce) == 0 {
		return a, nil
	}
	first := a.inForce[0].read()
	for _, f := range a.inForce {
		s := f.read()
		if !s.ok && len(a.inForce) == 1 {
			return a, nil // a clerk can see it
		}
		if !s.ok || !slices.Equal(s.representatives, first.representatives) {
			a.disputed = slices.ContainsFunc(a.inForce, func(f *found) bool { return f.read().ok })
			names := ids(a.inForce)
			g.r.say(ctx, strings.Join(names, " "), "licenses in force name different people, so they prove nothing", "kind", kind, "licenses", names)
			return a, nil
		}
	}
	a.representatives = first.representatives
	return a, nil
}

// born returns a child's date of birth, as its license and its code have it; not ok if they differ.
func (f *found) born(code party.Code) (party.Date, bool) {
	byCode, _ := code.BirthDate()
	by, ok := party.Date{}, false
	if f.by.Date != "" {
		by, ok = f.day(f.by.Date)
	}
	switch {
	case !ok:
		return byCode, true
	case byCode.IsZero() || byCode == by:
		return by, true
	}
	return party.Date{}, false
}

// day returns the day that a face field has.
func (f *found) day(field string) (party.Date, bool) {
	var fields map[string]json.RawMessage
	var text string
	if json.Unmarshal(f.Version.Fields, &fields) != nil || json.Unmarshal(fields[field], &text) != nil {
		return party.Date{}, false
	}
	if d, err := party.ParseDate(text); err == nil {
		return d, true
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return party.Date{}, false
	}
	return party.DateOf(at), true
}

// Head returns who represents an organization with one of the codes.
func (r *Service) Head(ctx context.Context, codes []party.Code) (Head, error) {
	g := r.look()
	a, err := g.agreed(ctx, LegalRepresentative, codes)
	if err != nil {
		return Head{}, err
	}
	if g.lost {
		return Head{}, errLost
	}
	if len(a.representatives) > 0 {
		h := Head{Known: true, Codes: a.representatives}
		for _, f := range a.inForce {
			since, err := g.since(ctx, f)
			if err != nil {
				return Head{}, err
			}
			if h.Since.IsZero() || since.Before(h.Since) {
				h.Since = since
			}
		}
		return h, nil
	}
	h, err := g.nobody(ctx, codes)
	h.Disputed = a.disputed
	return h, err
}

// nobody returns since when no license names the representative of an organization, and whether one ever did.
func (g *looking) nobody(ctx context.Context, codes []party.Code) (Head, error) {
	all, err := g.licenses(ctx, codes, "", principals, LegalRepresentative)
	if err != nil {
		return Head{}, err
	}
	if g.lost {
		return Head{}, errLost
	}
	var h Head
	for _, f := range all {
		if !f.believed() {
			continue
		}
		named, err := g.named(ctx, f)
		if err != nil {
			return Head{}, err
		}
		over := f.over()
		if over.IsZero() { // in force, and names nobody by a code, or somebody else than another one does
			if over, err = g.since(ctx, f); err != nil {
				return Head{}, err
			}
		}
		h.Known = h.Known || named
		if over.After(h.Since) {
			h.Since = over
		}
	}
	if !h.Known {
		return Head{}, nil
	}
	return h, nil
}

// over returns when a license stopped to prove anything; zero: it is in force.
func (f *found) over() time.Time {
	switch {
	case f.why == "":
		return time.Time{}
	case f.Ending != nil:
		return f.Ending.RecordedAt
	case f.State == license.Suspended && f.Suspension != nil:
		return f.Suspension.RecordedAt
	case f.State == license.Active && !f.ValidUntil.IsZero() && f.ValidUntil.Before(party.DateOf(time.Now())):
		return f.ValidUntil.End()
	}
	return f.UpdatedAt
}

// since returns when the version was issued with which a license began to say what it says now.
func (g *looking) since(ctx context.Context, f *found) (time.Time, error) {
	now, since := f.read(), f.IssuedAt
	err := g.back(ctx, f, func(l *license.License) bool {
		before := f.by.read(l.Holders)
		if before.ok != now.ok || !slices.Equal(before.representatives, now.representatives) {
			return false
		}
		since = l.IssuedAt
		return true
	})
	return since, err
}

// named reports whether a version of a license names a representative by a code.
func (g *looking) named(ctx context.Context, f *found) (bool, error) {
	named := f.read().ok
	if named {
		return true, nil
	}
	err := g.back(ctx, f, func(l *license.License) bool {
		named = f.by.read(l.Holders).ok
		return !named
	})
	return named, err
}

// back reads the versions of a license before its newest one, until on reports false.
func (g *looking) back(ctx context.Context, f *found, on func(*license.License) bool) error {
	for n := f.Version.Version - 1; n >= max(1, f.Version.Version-maxVersions); n-- {
		rec, v, err := g.r.c.Records.Load(ctx, f.ID, n)
		if err != nil {
			return err
		}
		l, err := g.r.c.Records.Open(ctx, rec, v)
		if err != nil {
			return err
		}
		if !on(&l) {
			return nil
		}
	}
	return nil
}

// others returns the codes of holders in some roles that aren't among codes, and the name of the last of them.
func others(hs []credential.Holder, roles []string, codes []party.Code) (rest []party.Code, name string) {
	for _, h := range hs {
		if c := codeOf(h); slices.Contains(roles, h.Role) && !slices.Contains(codes, c) {
			rest, name = append(rest, c), h.Name
		}
	}
	return rest, name
}

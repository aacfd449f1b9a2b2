package acting

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// option is a choice, and what it is made of.
type option struct {
	Choice
	id string // of the representation; empty: a license proves it
}

// rank orders the kinds, the strongest first.
func rank(k Kind) int {
	return slices.Index([]Kind{LegalRepresentative, Administrator, Agent, Guardian, Entrusted}, k)
}

// Choices returns those for whom somebody may do something now, organizations first, by name. For
// each principal only the strongest kind is among them. It writes nothing. Whoever isn't proved well enough has none.
func (s *choosing) Choices(ctx context.Context, me Me, w Wanted) ([]Choice, error) {
	n, err := s.me(ctx, &me)
	if isRefusal(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	options, err := s.options(ctx, n, w)
	if err != nil {
		return nil, err
	}
	choices := make([]Choice, len(options))
	for i, o := range options {
		choices[i] = o.Choice
	}
	return choices, nil
}

// options returns all choices.
func (s *choosing) options(ctx context.Context, n *now, w Wanted) ([]option, error) {
	all, err := s.provedOptions(ctx, n, w)
	if err != nil {
		return nil, err
	}
	id := n.who.Party.ID
	stored, err := s.shelf.Find(ctx, representation.Listed, func(r *Representation) bool { return r.Representative.ID == id }, representation.OfRepresentative(id))
	if err != nil {
		return nil, err
	}
	for _, r := range stored {
		if r.Proof.License != "" {
			continue // it is among the others, if it is so still
		}
		u, err := s.usable(ctx, n, r, w)
		if s.leftOut(ctx, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		o := option{Choice{Kind: r.Kind, Principal: r.Principal, Bounds: r.Bounds, Lapses: lastDay(u.lapses)}, r.ID}
		o.Principal.Name = u.Principal.Name
		if o.Key, err = s.choiceKey(id, "stored", r.ID); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, func(a, b option) int { return cmp.Compare(rank(a.Kind), rank(b.Kind)) })
	best := make([]option, 0, len(all))
	for _, o := range all {
		if !slices.ContainsFunc(best, func(b option) bool { return same(&b.Principal, &o.Principal) }) {
			best = append(best, o)
		}
	}
	slices.SortStableFunc(best, func(a, b option) int {
		return cmp.Or(cmp.Compare(a.Principal.Kind, b.Principal.Kind), // organization, person
			cmp.Compare(a.Principal.Name, b.Principal.Name), cmp.Compare(a.Principal.Code.Value, b.Principal.Code.Value))
	})
	return best, nil
}

// leftOut reports whether somebody isn't among the choices: they may not be acted for, or the registry can't be asked
// about them, which leaves the others.
func (s *choosing) leftOut(ctx context.Context, err error) bool {
	if !errors.Is(err, errRegistry) || ctx.Err() != nil {
		return isRefusal(err)
	}
	s.c.Log.WarnContext(ctx, "somebody is left out of those for whom a person may act", "error", err)
	return true
}

// same reports whether two are one party.
func same(p, other *Party) bool {
	return p.ID != "" && p.ID == other.ID || p.Code == other.Code
}

// provedOptions returns the choices that licenses prove.
func (s *choosing) provedOptions(ctx context.Context, n *now, w Wanted) (all []option, err error) {
	facts, err := s.proved(ctx, n)
	if err != nil {
		return nil, err
	}
	for i := range facts {
		f := &facts[i]
		p, err := s.partyOf(ctx, n, f)
		if err == nil {
			err = s.heading(ctx, n, f)
		}
		if err == nil && f.Kind == Guardian {
			_, err = guarded(birth("", f, p.AllCodes()), n.today)
			if err == nil && p.ID != "" {
				err = s.living(ctx, f.Kind, p.ID)
			}
		}
		o := option{Choice: Choice{Kind: f.Kind, Principal: Party{ID: p.ID, Kind: f.Of, Name: f.Name, Code: f.Codes[0]}, Bounds: Bounds{Acts: Acts()}, Fact: f}}
		if err == nil && w.Act != "" && !o.Bounds.Allow(w, n.today) {
			continue
		}
		if s.leftOut(ctx, err) {
			continue
		}
		if err == nil {
			o.Key, err = s.choiceKey(n.who.Party.ID, string(f.Kind), string(f.Codes[0].Type), f.Codes[0].Value)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// choiceKey names a choice in a form. It says nothing of whom it is about, and is another one for another person.
func (s *choosing) choiceKey(person string, values ...string) (string, error) {
	d, err := s.c.Vault.Auth().Digest(signing.NewFacts("acting choice", person, 0).Text(values...))
	return hex.EncodeToString(d[:]), err
}

// partyOf returns the party that a license names by codes, or one without an id if none is known. *identity.Error:
// representation_unproved if the party holds none of them today, or they lead to several.
func (s *rules) partyOf(ctx context.Context, n *now, f *Fact) (found identity.Party, err error) {
	for _, c := range f.Codes {
		p, err := s.roster.FindParty(ctx, c)
		if errors.Is(err, identity.ErrNotFound) {
			continue
		}
		if err != nil {
			return identity.Party{}, err
		}
		if p.Kind != f.Of || found.ID != "" && found.ID != p.ID || !meet(f.Codes, representation.Held(&p, n.today)) {
			return identity.Party{}, refused(ReasonUnproved, "what the license says of its holder doesn't fit what is known of them")
		}
		found = p
	}
	return found, nil
}

// Choose returns the choice with a key as a representation that may be used. What a license proves is stored as a
// representation of its own when it is chosen for the first time. *identity.Error: representation_unknown if the key is not
// among [Service.Choices], representation_assurance.
func (s *choosing) Choose(ctx context.Context, me Me, w Wanted, key string) (Acting, error) {
	n, err := s.me(ctx, &me)
	if err != nil {
		return Acting{}, err
	}
	options, err := s.options(ctx, n, w)
	if err != nil {
		return Acting{}, err
	}
	i := slices.IndexFunc(options, func(o option) bool { return key != "" && o.Key == key })
	if i < 0 {
		return Acting{}, representation.Unknown()
	}
	id := options[i].id
	if id == "" {
		if id, err = s.recorded(ctx, &me, n, options[i].Fact); err != nil {
			return Acting{}, err
		}
	}
	return s.Check(ctx, me, w, id)
}

// recorded returns the id of the representation that a license proves, and stores it if it isn't stored. Of two
// at once, one stores it.
func (s *choosing) recorded(ctx context.Context, me *Me, n *now, f *Fact) (string, error) {
	p, err := s.principal(ctx, me.actor(), n, f)
	if err != nil {
		return "", err
	}
	who := n.who.Party
	stored := func() (string, error) {
		all, err := s.shelf.Find(ctx, representation.Listed, func(r *Representation) bool { return r.Representative.ID == who.ID }, representation.OfRepresentative(who.ID))
		i := slices.IndexFunc(all, func(r Representation) bool {
			return r.Kind == f.Kind && r.Proof.License != "" && r.Principal.ID == p.ID && r.State == Accepted
		})
		if err != nil || i < 0 {
			return "", err
		}
		return all[i].ID, nil
	}
	if id, err := stored(); err != nil || id != "" {
		return id, err
	}
	r := Representation{
		Kind: f.Kind, State: Accepted, Bounds: Bounds{Acts: Acts()},
		Principal:      Party{ID: p.ID, Kind: p.Kind, Name: f.Name, Code: f.Codes[0]},
		Representative: Party{ID: who.ID, Kind: who.Kind, Name: who.Name, Code: representation.Held(&who, n.today)[0]},
		Proof:          Proof{License: f.License, Version: f.Version, Type: f.Type, AsOf: n.at.UTC()},
	}
	if f.Kind == Guardian {
		r.Born = birth("", f, p.AllCodes()).String()
	}
	err = s.shelf.Create(ctx, me.actor(), &r, news{Action: journal.ActionRepresentationChoose})
	if errors.Is(err, identity.ErrExists) {
		id, err := stored()
		if err == nil && id == "" {
			err = identity.ErrConflict
		}
		return id, err
	}
	return r.ID, err
}

// principal returns the party that a license names, and makes it if there is none.
func (s *choosing) principal(ctx context.Context, by actor, n *now, f *Fact) (identity.Party, error) {
	p, err := s.partyOf(ctx, n, f)
	if err != nil || p.ID != "" {
		return p, err
	}
	return s.newParty(ctx, by, identity.Party{Kind: f.Of, Name: f.Name, Codes: codesOf("license "+f.License, f.Codes...)}, func() (identity.Party, error) {
		return s.partyOf(ctx, n, f)
	})
}

func codesOf(source string, codes ...party.Code) (all []identity.PartyCode) {
	for _, c := range codes {
		all = append(all, identity.PartyCode{Code: c, Source: source})
	}
	return all
}

// newParty stores a party. If another was stored first that has one of the codes, again finds that.
func (s *rules) newParty(ctx context.Context, by actor, p identity.Party, again func() (identity.Party, error)) (identity.Party, error) {
	p.ID = identity.NewID()
	p.Created = time.Now().UTC()
	p.Updated, p.Revision = p.Created, 1
	err := s.roster.CreateParty(ctx, p, by.ID, by.RequestID)
	if errors.Is(err, identity.ErrExists) {
		if p, err = again(); err == nil && p.ID == "" {
			err = identity.ErrConflict
		}
	}
	if err != nil {
		return identity.Party{}, fmt.Errorf("storing who is represented: %w", err)
	}
	return p, nil
}

package license

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

const (
	// leastAssurance is the assurance of a login below which no license is seen
	// or released.
	leastAssurance = 2
	// maxOffered is how many licenses of a type are offered for a material, and of how
	// many that prove nothing the newest are looked at for the reason.
	maxOffered = 100
	// maxActive is how many active ones are looked at, expired ones among them. With more
	// it isn't said that there is none.
	maxActive = 500
)

// Offer finds what a subject has of what a client asks for: each material with
// its outcome, and with the licenses that can serve, opened for the subject to
// look at. The event is on disk before anything is returned; showing the same again
// within an hour shares it.
func (r *Registry) Offer(ctx context.Context, a Actor, q Ask, s Subject) (o Offer, err error) {
	defer r.audit(ctx, &err, a, ActionOffer, "", 0)
	o, err = r.resolve(ctx, a, q, s)
	if err != nil {
		return Offer{}, err
	}
	detail := map[string]string{"item": string(q.Item), "case": q.Case, "party": s.Party, "acting": s.Acting}
	if err := r.looked(ctx, a, ActionOffer, look{party: s.Party, acting: s.Acting, offer: o.Hash}, detail); err != nil {
		return Offer{}, err
	}
	return o, nil
}

// resolve makes an offer, and leaves no event.
func (r *Registry) resolve(ctx context.Context, a Actor, q Ask, s Subject) (Offer, error) {
	if s.Party == "" {
		return Offer{}, errors.New("resolving materials: the subject has no party id")
	}
	item, materials, err := r.asked(ctx, q)
	if err != nil {
		return Offer{}, err
	}
	if s.Assurance < leastAssurance {
		return Offer{}, errAssurance()
	}
	o := Offer{Item: item}
	now := time.Now()
	for _, m := range materials {
		om, err := r.offered(ctx, m, s.codes(m.Relation), now)
		if err != nil {
			return Offer{}, err
		}
		o.Materials = append(o.Materials, om)
	}
	o.Hash, err = o.hash(a, q, s)
	return o, err
}

// shownOffer is what an offer's hash is over, as JSON with the members in this
// order. What a version holds can't change, so its number stands for it.
type shownOffer struct {
	V         int             `json:"v"`
	Client    string          `json:"client"`
	Case      string          `json:"case"`
	Party     string          `json:"party"`
	Acting    string          `json:"acting"`
	Item      ItemCode        `json:"item"`
	Version   int             `json:"version"`
	Materials []shownMaterial `json:"materials"`
}

type shownMaterial struct {
	ID       string         `json:"id"`
	Outcome  Outcome        `json:"outcome"`
	Dated    *Dated         `json:"dated,omitempty"`
	Licenses []shownLicense `json:"licenses"`
}

type shownLicense struct {
	ID        ID       `json:"id"`
	Version   int      `json:"version"`
	Fields    []string `json:"fields"`
	Sensitive []string `json:"sensitive"`
}

func (o *Offer) hash(a Actor, q Ask, s Subject) ([32]byte, error) {
	c := shownOffer{
		V: 1, Client: a.Client, Case: q.Case, Party: s.Party, Acting: s.Acting, Item: o.Item.Code, Version: o.Item.Version,
	}
	for _, m := range o.Materials {
		sm := shownMaterial{ID: m.Material.ID, Outcome: m.Outcome}
		if m.Dated != (Dated{}) && m.Outcome != OutcomeExpired { // whose hash was without it
			sm.Dated = &m.Dated
		}
		for _, l := range m.Licenses {
			sm.Licenses = append(sm.Licenses, shownLicense{l.ID, l.Version.Version, l.Fields, l.Sensitive})
		}
		c.Materials = append(c.Materials, sm)
	}
	b, err := json.Marshal(c)
	if err != nil {
		return [32]byte{}, fmt.Errorf("encoding an offer: %w", err)
	}
	return sm3.Sum(b), nil
}

// finding collects what was found for a material.
type finding struct {
	valid       []OfferedLicense
	suspended   bool
	coming      party.Date // the earliest day from which one will be in force
	over        Outcome    // ended or expired, of the license that was in force last
	last        Dated      // of over
	unavailable bool
	covered     bool // every authority's licenses, of every type that can serve, are all here
}

// add takes in a license that proves nothing now, for a reason. Of those whose
// time is over the one counts that was in force last: somebody whose license was
// revoked isn't told that an older one has expired.
func (f *finding) add(why string, l License) {
	was := func(o Outcome, d Dated) {
		if c := d.From.Compare(f.last.From); f.over == "" || c > 0 || c == 0 && o == OutcomeEnded {
			f.over, f.last = o, d
		}
	}
	switch {
	case why == "license_suspended":
		f.suspended = true
	case why == "license_not_yet_valid":
		if f.coming.IsZero() || l.ValidFrom.Before(f.coming) {
			f.coming = l.ValidFrom
		}
	case why == "license_expired":
		was(OutcomeExpired, Dated{From: l.ValidUntil.AddDays(1)})
	case l.Ending != nil:
		was(OutcomeEnded, Dated{l.Ending.Kind, l.Ending.EffectiveFrom})
	}
}

func (f *finding) outcome() (Outcome, Dated) {
	switch {
	case len(f.valid) > 1:
		return OutcomeChoice, Dated{}
	case len(f.valid) == 1:
		return OutcomeFound, Dated{}
	case f.unavailable: // or else what follows might be untrue
		return OutcomeUnavailable, Dated{}
	case f.suspended:
		return OutcomeSuspended, Dated{}
	case !f.coming.IsZero():
		return OutcomeNotYet, Dated{From: f.coming}
	case f.over != "":
		return f.over, f.last
	case f.covered:
		return OutcomeMissing, Dated{}
	}
	return OutcomeUncollected, Dated{}
}

// offered finds the licenses of one party that can serve as a material.
func (r *Registry) offered(ctx context.Context, m Material, codes []party.Code, now time.Time) (OfferedMaterial, error) {
	// Of a party that nobody knows, such as a spouse, nothing can be said to be missing.
	f := finding{covered: len(codes) > 0}
	for _, alt := range m.Alternatives {
		types, err := r.types.versions(ctx, alt.TypeCode)
		if err != nil {
			return OfferedMaterial{}, err
		}
		typ := published(types)
		f.covered = f.covered && typ != nil && typ.covered()
		if len(codes) == 0 {
			continue
		}
		err = r.find(ctx, &f, m, alt, typ, codes, now)
		if errors.Is(err, ErrUnavailable) {
			// The others can still be agreed to.
			r.c.Log.WarnContext(ctx, "licenses of a type can't be read", "type", alt.TypeCode, "error", err)
			f.unavailable = true
		} else if err != nil {
			return OfferedMaterial{}, err
		}
	}
	outcome, dated := f.outcome()
	return OfferedMaterial{Material: m, Outcome: outcome, Licenses: f.valid, Dated: dated}, nil
}

// covered reports whether all of the authorities' licenses of the type are here.
func (t *Type) covered() bool {
	for _, c := range t.Authorities {
		if !slices.Contains(t.Coverage, c) {
			return false
		}
	}
	return len(t.Authorities) > 0
}

// find adds to f the licenses of a type that a party holds. typ is the type's
// published version, or nil. Why others prove nothing is looked for only if none
// does: so many of them hide none that is good.
func (r *Registry) find(ctx context.Context, f *finding, m Material, alt Alternative, typ *issuable, codes []party.Code, now time.Time) error {
	keys, err := r.holderKeys(ctx, codes)
	if err != nil {
		return err
	}
	q := Query{Kind: LookupHolder, Keys: keys, Type: alt.TypeCode, Limit: maxOffered}
	look := func(s State, before Cursor) ([]Record, error) {
		q.State, q.Before = s, before
		records, err := r.c.Stores.Search(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("searching licenses of type %s: %w", alt.TypeCode, err)
		}
		for _, found := range records {
			if err := r.judge(ctx, f, found.ID, m, alt, typ, codes, now); err != nil {
				return nil, err
			}
		}
		return records, nil
	}
	before := Cursor{}
	for looked := 0; len(f.valid) < maxOffered; {
		records, err := look(Active, before)
		if err != nil {
			return err
		}
		if len(records) < maxOffered {
			break
		}
		if looked += len(records); looked >= maxActive {
			f.unavailable = true
			break
		}
		last := records[len(records)-1]
		before = Cursor{last.Created, last.ID}
	}
	for _, s := range []State{Suspended, ""} {
		if len(f.valid) > 0 {
			return nil
		}
		if _, err := look(s, Cursor{}); err != nil {
			return err
		}
	}
	return nil
}

// judge adds a license to f: to what can be offered, or with the reason why it proves
// nothing.
func (r *Registry) judge(ctx context.Context, f *finding, id ID, m Material, alt Alternative, typ *issuable, codes []party.Code, now time.Time) error {
	rec, v, err := r.c.Stores.Load(ctx, id, 0)
	if err != nil {
		return fmt.Errorf("loading license %s: %w", id, err)
	}
	l, err := r.open(ctx, rec, v)
	if errors.Is(err, signing.ErrSealed) || errors.Is(err, signing.ErrNoKey) {
		r.c.Log.ErrorContext(ctx, "a license can't be opened", "license", rec.ID, "error", err)
		f.unavailable = true
		return nil
	} else if err != nil {
		return err
	}
	// Lookup keys also lead here from versions before, which may have named others.
	if !heldBy(l.Holders, alt.Role, codes) {
		return nil
	}
	if why := unusable(v, now); why != "" {
		f.add(why, l)
		return nil
	}
	o, err := r.offer(ctx, l, m, alt, typ)
	if err != nil {
		return err
	}
	f.valid = append(f.valid, o)
	return nil
}

// holderKeys returns the lookup keys of codes as licenses' holders have them.
func (r *Registry) holderKeys(ctx context.Context, codes []party.Code) ([]signing.Lookup, error) {
	var keys []signing.Lookup
	for _, c := range codes {
		ks, err := r.c.Vault.Lookups(ctx, domainHolder, string(c.Type), c.Value)
		if err != nil {
			return nil, err
		}
		keys = append(keys, ks...)
	}
	return keys, nil
}

// heldBy reports whether one of the codes is a holder's, in that role if it isn't empty.
func heldBy(hs []Holder, role string, codes []party.Code) bool {
	return slices.ContainsFunc(hs, func(h Holder) bool {
		return (role == "" || h.Role == role) && slices.Contains(codes, party.Code{Type: h.CodeType, Value: h.Code})
	})
}

// unusable returns why the version of a license proves nothing now, as a reason
// code, or "" if it does.
func unusable(v VersionRecord, now time.Time) string {
	today := party.DateOf(now)
	switch {
	case v.State == Suspended:
		return "license_suspended"
	case v.State == Superseded:
		return "license_superseded"
	case v.State != Active:
		return "license_ended"
	case !v.ValidUntil.IsZero() && v.ValidUntil.Before(today):
		return "license_expired"
	case today.Before(v.ValidFrom):
		return "license_not_yet_valid"
	}
	return ""
}

// offer returns what of a license is asked for. Parts that it doesn't have are
// left out, and so are sensitive ones for which the item gives no reason: the
// license may be bound to a version of its type that the item was not checked against.
func (r *Registry) offer(ctx context.Context, l License, m Material, alt Alternative, typ *issuable) (OfferedLicense, error) {
	o := OfferedLicense{License: l, Fields: []string{}, Sensitive: []string{}}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(l.Version.Fields, &fields); err != nil {
		return OfferedLicense{}, fmt.Errorf("decoding fields of license %s", l.ID)
	}
	own, err := r.Type(ctx, l.TypeCode, l.TypeVersion)
	if err != nil {
		return OfferedLicense{}, err
	}
	sensitive := slices.Clone(own.Sensitive)
	if typ != nil {
		sensitive = append(sensitive, typ.Sensitive...)
	}
	for _, part := range alt.Fields {
		name, field := strings.CutPrefix(part, partField)
		switch _, there := fields[name]; {
		case field && !there, part == PartAreaCode && l.AreaCode == "":
			continue
		case field && slices.Contains(sensitive, name):
			if m.Reasons[part] == "" {
				continue
			}
			o.Sensitive = append(o.Sensitive, part)
		}
		o.Fields = append(o.Fields, part)
	}
	return o, nil
}

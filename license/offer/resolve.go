package offer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Config says what a [Service] works with. All of it but Lawful is required.
type Config struct {
	Records     *license.Records
	Items       *catalog.Items
	Types       *catalog.Types
	Authorities *license.Authorities
	Journal     *journal.Recorder
	Log         *slog.Logger
	Lawful      []Lawful // the legal bases that the operator confirmed; of items, no other counts
}

// Service shows people what licenses they have, and finds which of them can serve what
// clients ask for. Safe for concurrent use.
type Service struct {
	c     Config
	looks looks
	told  sync.Map // Lawful: those of items that aren't confirmed, and were logged
}

// New returns a Service.
func New(c Config) *Service { return &Service{c: c} }

// Offer finds the licenses that a subject has of those that a client asks for. It returns each material with its
// outcome, and with the licenses that can serve, opened for the subject to look at: the newest ones, as many as
// an offer may have, or those that the subject looks for. The event is on disk before anything is returned.
// Showing the same again within an hour shares the event.
func (r *Service) Offer(ctx context.Context, a audit.Actor, q Ask, s Subject, find Find) (o Offer, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantOffer, "")
	o, err = r.Resolve(ctx, a, q, s, find)
	if err != nil {
		return Offer{}, err
	}
	detail := map[string]string{"item": string(q.Item), "case": q.Case, "party": s.Party, "acting": s.Acting}
	if err := r.looked(ctx, a, journal.ActionGrantOffer, look{party: s.Party, acting: s.Acting, offer: o.Hash}, detail); err != nil {
		return Offer{}, err
	}
	return o, nil
}

// Resolve makes an offer, and leaves no event.
func (r *Service) Resolve(ctx context.Context, a audit.Actor, q Ask, s Subject, find Find) (Offer, error) {
	o, err := r.Check(ctx, q, &s)
	if err != nil {
		return Offer{}, err
	}
	if err := find.check(); err != nil {
		return Offer{}, err
	}
	if err := r.Proven(ctx, s.Proving); err != nil {
		return Offer{}, err
	}
	o.Proving = s.Proving
	g := r.newOffering(&s, time.Now())
	for i := range o.Materials {
		m := &o.Materials[i]
		if *m, err = g.material(ctx, m.Material, find[m.Material.ID]); err != nil {
			return Offer{}, err
		}
	}
	o.bound()
	o.Hash, err = o.hash(a, q, s)
	return o, err
}

// Check checks who is asked for what. It returns an offer with the materials that are asked for, which have no
// outcomes and no licenses yet.
func (r *Service) Check(ctx context.Context, q Ask, s *Subject) (Offer, error) {
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
	for _, m := range materials {
		o.Materials = append(o.Materials, OfferedMaterial{Material: m})
	}
	return o, nil
}

// shownOffer is what an offer's hash is computed over, as JSON with the members in this order. A version's
// contents can't change, so its number stands for them.
type shownOffer struct {
	V         int              `json:"v"`
	Client    string           `json:"client"`
	Case      string           `json:"case"`
	Party     string           `json:"party"`
	Acting    string           `json:"acting"`
	By        string           `json:"by,omitempty"` // the representation
	Item      catalog.ItemCode `json:"item"`
	Version   int              `json:"version"`
	Materials []shownMaterial  `json:"materials"`
}

type shownMaterial struct {
	ID       string         `json:"id"`
	Outcome  Outcome        `json:"outcome"`
	Dated    *Dated         `json:"dated,omitempty"`
	Licenses []shownLicense `json:"licenses"`
}

type shownLicense struct {
	ID        audit.ID `json:"id"`
	Version   int      `json:"version"`
	Fields    []string `json:"fields"`
	Sensitive []string `json:"sensitive"`
	Withheld  []string `json:"withheld,omitempty"`
	Closed    bool     `json:"closed,omitempty"`
}

func (o *Offer) hash(a audit.Actor, q Ask, s Subject) ([32]byte, error) {
	c := shownOffer{
		V: 1, Client: a.Client, Case: q.Case, Party: s.Party, Acting: s.Acting, By: s.Representation, Item: o.Item.Code, Version: o.Item.Version,
	}
	for _, m := range o.Materials {
		sm := shownMaterial{ID: m.Material.ID, Outcome: m.Outcome}
		if m.Dated != (Dated{}) && m.Outcome != OutcomeExpired { // the hash of expired ones was always without it
			sm.Dated = &m.Dated
		}
		for _, l := range m.Licenses {
			sm.Licenses = append(sm.Licenses, shownLicense{l.ID, l.Version.Version, l.Fields, l.Sensitive, l.Withheld, l.Closed})
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
	number      string             // what is looked for, as it was typed
	find        string             // the same, as it is compared: only such licenses are offered; "": all
	valid       [][]OfferedLicense // by alternative
	any         bool               // there is a good one, whether or not it is looked for
	more        bool               // there are more than are offered
	suspended   bool
	coming      party.Date // the earliest day from which one will be in force
	over        Outcome    // ended or expired, of the license that was in force last
	last        Dated      // of over
	unavailable bool
	covered     bool // every authority's licenses, of every type that can serve, are all here
}

// add adds a license that proves nothing now, with the reason. Of licenses whose time is over, the one that was
// in force last counts: somebody whose license was revoked isn't told that an older one has expired.
func (f *finding) add(why refusal.Reason, l license.License) {
	was := func(o Outcome, d Dated) {
		if c := d.From.Compare(f.last.From); f.over == "" || c > 0 || c == 0 && o == OutcomeEnded {
			f.over, f.last = o, d
		}
	}
	switch {
	case why == refusal.ReasonLicenseSuspended:
		f.suspended = true
	case why == refusal.ReasonLicenseNotYetValid:
		if f.coming.IsZero() || l.ValidFrom.Before(f.coming) {
			f.coming = l.ValidFrom
		}
	case why == refusal.ReasonLicenseExpired:
		was(OutcomeExpired, Dated{From: l.ValidUntil.AddDays(1)})
	case l.Ending != nil:
		was(OutcomeEnded, Dated{l.Ending.Kind, l.Ending.EffectiveFrom})
	}
}

func (f *finding) outcome() (Outcome, Dated) {
	n := 0
	for _, valid := range f.valid {
		n += len(valid)
	}
	switch {
	case n > 1 || f.more || f.any && f.find != "":
		return OutcomeChoice, Dated{}
	case n == 1:
		return OutcomeFound, Dated{}
	case f.unavailable: // otherwise the outcomes below might be untrue
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

// offers returns what was found, for all alternatives together at most as many licenses as are offered for a
// material. If there are more, it leaves out the oldest of the alternative that has the most.
func (f *finding) offers() []OfferedLicense {
	var all []OfferedLicense
	for _, valid := range f.valid {
		all = append(all, valid...)
	}
	for len(all) > maxOffered {
		f.more = true
		most := 0
		for i := range f.valid {
			if len(f.valid[i]) >= len(f.valid[most]) {
				most = i
			}
		}
		f.valid[most] = f.valid[most][:len(f.valid[most])-1]
		all = slices.Concat(f.valid...)
	}
	return all
}

// offered returns a license with the parts that are asked for. Parts that it doesn't have are left out, and so
// are sensitive ones for which the item gives no reason: the license may be bound to a version of its type that
// the item was not checked against. Of persons who don't agree, only names and roles are released, unless the item
// has a legal basis for more.
func (r *Service) offered(ctx context.Context, s *Subject, l *held, m catalog.Material, alt catalog.Alternative, typ *catalog.Type) (OfferedLicense, error) {
	o := OfferedLicense{License: l.License, Fields: []string{}, Sensitive: []string{}}
	own, err := r.c.Types.Version(ctx, l.TypeCode, l.TypeVersion)
	if err != nil {
		return OfferedLicense{}, err
	}
	sensitive := slices.Clone(own.Sensitive)
	if typ != nil {
		sensitive = append(sensitive, typ.Sensitive...)
	}
	for _, part := range alt.Fields {
		name, field := strings.CutPrefix(part, catalog.PartField)
		switch _, there := l.fields[name]; {
		case field && !there, part == catalog.PartAreaCode && l.AreaCode == "":
			continue
		case field && slices.Contains(sensitive, name):
			if m.Reasons[part] == "" {
				continue
			}
			o.Sensitive = append(o.Sensitive, part)
		}
		o.Fields = append(o.Fields, part)
	}
	agree := s.agrees()
	o.Masked = withheld(l.Holders, agree)
	if slices.Contains(o.Fields, catalog.PartHolders) {
		o.HeldBy = heldBy(l.Holders, alt.Role, s.CodesOf(m.Relation))
		if m.LegalBasis == "" {
			o.Withheld = o.Masked
		}
	}
	if !license.HeldBy(l.Holders, "", agree) {
		o.close()
	}
	return o, nil
}

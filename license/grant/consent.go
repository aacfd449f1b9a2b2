package grant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Times of grants.
const (
	pendingLife   = 10 * time.Minute     // of a pending grant, until its code is redeemed
	grantLife     = time.Hour            // of an active grant, unless the holder chose another
	maxGrant      = 30 * 24 * time.Hour  // the longest that a holder may choose
	maxRecurring  = 366 * 24 * time.Hour // the longest for a recurring grant
	maxFormLength = 128
	minFormLength = 16
)

// grantTries is how often a change of a grant is tried if another change overtakes it.
const grantTries = 10

// domainParty is the domain of the lookup keys of parties' ids. It is bound into stored keys: never change it.
const domainParty = "grant.party"

// grantBody is the sealed part of a grant's record.
type grantBody struct {
	Grant   Grant                     `json:"grant"`
	Session []byte                    `json:"session"`
	Request []byte                    `json:"request"`
	Shown   []byte                    `json:"shown"`
	Find    offer.Find                `json:"find,omitempty"`     // what the offer was made for
	Codes   []party.Code              `json:"codes,omitempty"`    // that the one who agreed for kin held then
	LeftOut map[string]refusal.Reason `json:"left_out,omitempty"` // by material
}

func grantPlace(id ID) vault.Place {
	return vault.Place{Table: "grants", Row: string(id), Column: "body"}
}

// Agree makes a pending grant of what the holder chose. It resolves anew what was shown. If anything has changed
// since, it returns the *refusal.Error offer_changed, and the holder must look again. If nothing was chosen, it
// returns holder_chose_paper, which is a decision and no fault: the service goes on with paper. The same consent
// again, as after a double click, returns the same grant while that is pending. Another consent with the same
// form id is refused.
func (r *Service) Agree(ctx context.Context, a audit.Actor, q offer.Ask, s offer.Subject, c Consent) (g Grant, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantAgree, "")
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := c.check(now); err != nil {
		return Grant{}, err
	}
	if len(c.Chosen) == 0 {
		return Grant{}, refusal.Forbidden("holder_chose_paper", "The holder released no license. Go on with paper.")
	}
	o, err := r.c.Offers.Resolve(ctx, a, q, s, c.Find)
	if err != nil {
		return Grant{}, err
	}
	if o.Hash != c.Shown {
		return Grant{}, refusal.Conflict("offer_changed", "What can be released has changed since it was shown. Show it again.")
	}
	b := grantBody{Session: c.Session[:], Request: c.Request[:], Shown: c.Shown[:], Find: c.Find.Kept(), Grant: Grant{
		ID: grantID(c.Form), State: Pending, Client: a.Client, Participant: a.Participant,
		Party: s.Party, Acting: s.Acting, Representation: s.Representation, By: s.Name, Proving: proving(s.Proving),
		Item: o.Item.Code, ItemVersion: o.Item.Version, Case: q.Case, Basis: BasisConsent, Channel: c.Channel,
		Assurance: s.Assurance, Recurring: c.Recurring, Created: now, Until: c.Until.UTC().Truncate(time.Microsecond),
	}}
	if b.Grant.Licenses, b.Grant.Materials, err = o.Choose(c.Chosen); err != nil {
		return Grant{}, err
	}
	b.Grant.Dated = o.Dated()
	b.rest(&s, &o)
	rec := Record{
		ID: b.Grant.ID, State: Pending, Client: a.Client, Item: b.Grant.Item, Basis: b.Grant.Basis,
		Recurring: c.Recurring, Created: now, Expires: now.Add(pendingLife),
	}
	if rec.Party, err = r.c.Vault.Lookups(ctx, domainParty, s.Owner()); err != nil {
		return Grant{}, err
	}
	r.c.Step("agree.resolved")
	err = r.saveGrant(ctx, a, journal.ActionGrantAgree, &rec, &b, nil, nil)
	if errors.Is(err, license.ErrConflict) {
		return r.agreedBefore(ctx, b)
	}
	if err != nil {
		return Grant{}, err
	}
	r.c.Step("agree.saved")
	return b.Grant, nil
}

// rest keeps what it rests on that a subject agrees for kin, if something of kin's was chosen, or the spouse's
// agreement may have released a number.
func (b *grantBody) rest(s *offer.Subject, o *offer.Offer) {
	ofKin := func(l offer.ChosenLicense) bool {
		m := o.Item.Material(l.Material)
		return m == nil || m.Relation == catalog.RelationSpouse || m.Relation == catalog.RelationChild
	}
	if !s.SpouseAgreed && !slices.ContainsFunc(b.Grant.Licenses, ofKin) {
		return
	}
	for _, p := range s.Rests {
		p.AsOf = time.Time{} // when is in Created
		b.Grant.Rests = append(b.Grant.Rests, p)
	}
	b.Grant.Entrusted = slices.Clone(s.Entrusted)
	if len(s.Rests) > 0 {
		b.Codes = s.Held()
	}
}

// rests checks that what a grant rests on still holds.
func (r *Service) rests(ctx context.Context, b *grantBody) error {
	g := &b.Grant
	if err := r.c.Offers.Proven(ctx, g.Proving); err != nil {
		return err
	}
	unproved := refusal.Forbidden(refusal.ReasonRepresentationUnproved, "What the holder agreed to for somebody near rests on a relationship that isn't proved any longer.")
	for _, p := range g.Rests {
		if still, err := r.c.Still(ctx, b.Codes, p.License, p.Version); err != nil {
			return fmt.Errorf("looking at license %s, on which a grant rests: %w", p.License, err)
		} else if !still {
			return unproved
		}
	}
	for _, id := range g.Entrusted {
		if r.c.Live == nil {
			return unproved
		}
		if err := r.c.Live(ctx, id, g.Party); err != nil {
			return err
		}
	}
	return nil
}

// proving returns the license that proves a representation, as it is stored.
func proving(p *offer.Proving) *offer.Proving {
	if p == nil {
		return nil
	}
	kept := *p
	kept.AsOf = kept.AsOf.UTC().Truncate(time.Microsecond)
	return &kept
}

func (c *Consent) check(now time.Time) error {
	var vs refusal.Violations
	n := len(c.Form)
	vs.When(n < minFormLength || n > maxFormLength || !refusal.VisibleASCII(c.Form), "/form", "form", "must be the form's one-use id")
	switch c.Channel {
	case ChannelOnline, ChannelCounter, ChannelTerminal:
	default:
		vs.Add("/channel", "enum", "must be online, counter or terminal")
	}
	most := maxGrant
	if c.Recurring {
		most = maxRecurring
	}
	vs.When(!c.Until.IsZero() && !c.Until.After(now), "/until", "until_past", "must lie ahead")
	vs.When(c.Until.After(now.Add(most)), "/until", "until_late", "must be at most 30 days ahead, 366 of a recurring grant")
	return vs.Err("consent_invalid", "The consent is not acceptable; see violations.")
}

// agreedBefore returns the grant that a form made before, if the consent is the very same and the grant's code is
// not redeemed yet.
func (r *Service) agreedBefore(ctx context.Context, b grantBody) (Grant, error) {
	used := refusal.Conflict("consent_used", "This consent was given before. Begin again.")
	rec, _, err := r.c.Store.LoadGrant(ctx, b.Grant.ID)
	if err != nil {
		return Grant{}, fmt.Errorf("loading grant %s: %w", b.Grant.ID, err)
	}
	earlier, err := r.openGrant(ctx, rec)
	if err != nil {
		return Grant{}, err
	}
	b.Grant.Created = earlier.Grant.Created
	if p, q := b.Grant.Proving, earlier.Grant.Proving; p != nil && q != nil {
		p.AsOf = q.AsOf // looked at once more
	}
	if !reflect.DeepEqual(b, earlier) || !time.Now().Before(rec.Expires) {
		return Grant{}, used
	}
	return earlier.Grant, nil
}

// saveGrant seals a grant and saves it with its event. Afterwards rec has the revision that is stored.
func (r *Service) saveGrant(ctx context.Context, a audit.Actor, act journal.Action, rec *Record, b *grantBody, codes []UseCodeRecord, detail map[string]string) error {
	plain, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encoding a grant: %w", err)
	}
	if rec.Body, err = r.c.Vault.Seal(ctx, grantPlace(rec.ID), plain); err != nil {
		return err
	}
	all := map[string]string{"grant": string(rec.ID), "party": b.Grant.Party, "item": string(b.Grant.Item), "case": b.Grant.Case}
	maps.Copy(all, detail)
	e, err := r.c.Journal.Event(ctx, a.Did(act, "", 0, journal.ResultOK, all))
	if err != nil {
		return err
	}
	if err := r.c.Store.SaveGrant(ctx, *rec, codes, e); err != nil {
		return fmt.Errorf("saving grant %s: %w", rec.ID, err)
	}
	rec.Revision++
	return nil
}

// openGrant opens a stored grant. It refuses a grant whose plain columns don't fit its sealed body: somebody
// altered it.
func (r *Service) openGrant(ctx context.Context, rec Record) (grantBody, error) {
	plain, err := r.c.Vault.Open(ctx, grantPlace(rec.ID), rec.Body)
	if err != nil {
		return grantBody{}, fmt.Errorf("opening grant %s: %w", rec.ID, err)
	}
	var b grantBody
	if err := json.Unmarshal(plain, &b); err != nil {
		return grantBody{}, fmt.Errorf("decoding grant %s", rec.ID)
	}
	g := &b.Grant
	if g.ID != rec.ID || g.State != rec.State || g.Client != rec.Client || g.Recurring != rec.Recurring ||
		g.State == Active && !g.Until.Equal(rec.Expires) || g.State == Pending && rec.Expires.Sub(g.Created) > pendingLife {
		return grantBody{}, fmt.Errorf("grant %s does not fit its sealed form: it was altered", rec.ID)
	}
	return b, nil
}

// Open opens a stored grant. It refuses a grant whose plain columns don't fit its sealed body: somebody altered
// it.
func (r *Service) Open(ctx context.Context, rec Record) (Grant, error) {
	b, err := r.openGrant(ctx, rec)
	return b.Grant, err
}

// load returns a grant with its record and use codes. A grant that may reports false for is not opened, and is
// refused as unknown.
func (r *Service) load(ctx context.Context, id ID, may func(*Record) bool) (Record, grantBody, []UseCodeRecord, error) {
	if !id.valid() {
		return Record{}, grantBody{}, nil, errGrantUnknown()
	}
	rec, codes, err := r.c.Store.LoadGrant(ctx, id)
	if errors.Is(err, license.ErrNotFound) || err == nil && !may(&rec) {
		return Record{}, grantBody{}, nil, errGrantUnknown()
	} else if err != nil {
		return Record{}, grantBody{}, nil, fmt.Errorf("loading grant %s: %w", id, err)
	}
	b, err := r.openGrant(ctx, rec)
	return rec, b, codes, err
}

// whoever lets everybody load a grant.
func whoever(*Record) bool { return true }

// only lets the grant's client load it.
func only(client string) func(*Record) bool {
	return func(rec *Record) bool { return rec.Client == client }
}

func errGrantUnknown() error {
	return refusal.Missing("grant_unknown", "There is no such grant among yours.")
}

// Stand returns the grant as it stands at a time. A grant whose time is over has ended, even if its record
// doesn't say so.
func (g Grant) Stand(rec Record, now time.Time) Grant {
	if g.State != Ended && !now.Before(rec.Expires) {
		g.State, g.Ended, g.EndedBy = Ended, rec.Expires, EndedByExpired
	}
	return g
}

// endedReason returns why a grant that has ended can't be used any more.
func endedReason(g *Grant) refusal.Reason {
	if g.EndedBy == EndedByExpired {
		return refusal.ReasonGrantExpired
	}
	return refusal.ReasonGrantEnded
}

// errGrantOver returns the refusal of any use of a grant that has ended.
func errGrantOver(g *Grant) error {
	return refusal.Conflict(endedReason(g), "The grant "+strings.TrimPrefix(string(endedReason(g)), "grant_")+". Ask for a new one.")
}

package grant

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Delivery is what a client gets for its authorization code: what became of
// each material, with a use code for each license that may be read.
type Delivery struct {
	Grant     Grant
	Materials []DeliveredMaterial
}

// DeliveredMaterial is one material of a delivery.
type DeliveredMaterial struct {
	Material    string              `json:"material"`
	Outcome     offer.Outcome       `json:"outcome"`
	offer.Dated                     // for the outcomes ended, expired and not_yet_valid
	License     audit.ID            `json:"license,omitempty"`
	Version     int                 `json:"version,omitempty"`
	TypeCode    credential.TypeCode `json:"type_code,omitempty"`
	Fields      []string            `json:"fields,omitempty"`
	Withheld    []string            `json:"withheld,omitempty"` // parts below holders that can't be read, such as holders/1/code
	// HeldBy is the code among the holders that the party has whose license it is; nil if the holders weren't agreed
	// to, or only the law releases the license.
	HeldBy  *offer.HolderCode `json:"held_by,omitempty"`
	UseCode UseCode           `json:"use_code,omitzero"`
	// Reason says why a license that was agreed to is left out after all:
	// license_superseded, license_suspended, license_ended, license_expired.
	Reason refusal.Reason `json:"reason,omitempty"`
}

// Deliver activates a grant for the client that redeems the authorization code with that hash, and mints a use
// code for each license. A license that was changed or ended since the holder agreed is left out, with the
// reason. The same code again gets the same answer. Another code is refused, unless the grant is recurring: then
// the grant is renewed as by Renew, because its client asked once more and the holder had agreed to that.
func (r *Service) Deliver(ctx context.Context, a audit.Actor, id ID, code [32]byte) (d Delivery, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantDeliver, "")
	for range grantTries {
		rec, b, codes, err := r.load(ctx, id, only(a.Client))
		if err != nil {
			return Delivery{}, err
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		g := b.Grant.Stand(rec, now)
		switch {
		case rec.Code != nil && !bytes.Equal(rec.Code, code[:]) && g.Recurring && g.State == Active:
			return r.mintAgain(ctx, a, id)
		case rec.Code != nil && !bytes.Equal(rec.Code, code[:]):
			return Delivery{}, refusal.Conflict("grant_delivered", "The grant was delivered for another authorization code.")
		case g.State == Ended:
			return Delivery{}, errGrantOver(&g)
		case g.State == Active:
			return r.delivered(ctx, &b, codes)
		}
		codes, err = r.activate(ctx, a, &rec, &b, code, now)
		if errors.Is(err, license.ErrConflict) {
			continue // somebody else delivered, or ended it
		}
		if err != nil {
			return Delivery{}, err
		}
		r.c.Step("deliver.saved")
		return r.delivered(ctx, &b, codes)
	}
	return Delivery{}, refusal.ChangedMeanwhile()
}

// activate makes a pending grant active, with its first use codes.
func (r *Service) activate(ctx context.Context, a audit.Actor, rec *Record, b *grantBody, code [32]byte, now time.Time) ([]UseCodeRecord, error) {
	g := &b.Grant
	if err := r.rests(ctx, b); err != nil {
		return nil, err
	}
	g.State, g.Activated = Active, now
	if g.Until.IsZero() {
		g.Until = now.Add(grantLife)
	}
	if !now.Before(g.Until) {
		g.EndedBy = EndedByExpired
		return nil, errGrantOver(g)
	}
	codes, left, err := r.mint(ctx, g, nil, now)
	if err != nil {
		return nil, err
	}
	b.LeftOut = left
	rec.State, rec.Expires, rec.Code = Active, g.Until, code[:]
	r.c.Step("deliver.minted")
	return codes, r.saveGrant(ctx, a, journal.ActionGrantDeliver, rec, b, codes, nil)
}

// mint makes the next use code of each license of a grant that can be read now. It makes none for a license whose
// last code is unused and can still be given out. left says, by material, why a license can't be read.
func (r *Service) mint(ctx context.Context, g *Grant, have []UseCodeRecord, now time.Time) (fresh []UseCodeRecord, left map[string]refusal.Reason, err error) {
	last := newest(have)
	for _, l := range g.Licenses {
		_, v, err := r.c.Records.Load(ctx, l.License, l.Version)
		if err != nil {
			return nil, nil, fmt.Errorf("loading license %s: %w", l.License, err)
		}
		if why := v.Unusable(now); why != "" {
			if left == nil {
				left = map[string]refusal.Reason{}
			}
			left[l.Material] = why
			continue
		}
		old, any := last[l.License]
		if any && old.First.IsZero() {
			if _, err := r.codes.again(ctx, old); err == nil {
				continue
			} else if !errors.Is(err, errUseCodeLost) {
				return nil, nil, err
			}
		}
		c := UseCodeRecord{Grant: g.ID, License: l.License, Version: l.Version, Number: old.Number + 1, Created: now}
		code, err := r.codes.next(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		c.Hash = code.Hash()
		fresh, last[l.License] = append(fresh, c), c
	}
	return fresh, left, nil
}

// newest returns each license's use code with the highest number.
func newest(codes []UseCodeRecord) map[audit.ID]UseCodeRecord {
	last := map[audit.ID]UseCodeRecord{}
	for _, c := range codes {
		if c.Number > last[c.License].Number {
			last[c.License] = c
		}
	}
	return last
}

// delivered puts together the answer for an active grant.
func (r *Service) delivered(ctx context.Context, b *grantBody, codes []UseCodeRecord) (Delivery, error) {
	d := Delivery{Grant: b.Grant}
	last := newest(codes)
	chosen := map[string]offer.ChosenLicense{}
	for _, l := range b.Grant.Licenses {
		chosen[l.Material] = l
	}
	for _, material := range slices.Sorted(maps.Keys(b.Grant.Materials)) {
		m := DeliveredMaterial{Material: material, Outcome: b.Grant.Materials[material], Dated: b.Grant.Dated[material]}
		l, ok := chosen[material]
		if !ok {
			d.Materials = append(d.Materials, m)
			continue
		}
		rec, _, err := r.c.Records.Load(ctx, l.License, l.Version)
		if err != nil {
			return Delivery{}, fmt.Errorf("loading license %s: %w", l.License, err)
		}
		m.License, m.Version, m.TypeCode, m.Fields, m.Withheld, m.HeldBy, m.Reason = l.License, l.Version, rec.Type, l.Fields, l.Withheld, l.HeldBy, b.LeftOut[material]
		if c, ok := last[l.License]; ok && m.Reason == "" {
			if m.UseCode, err = r.codes.again(ctx, c); err != nil {
				return Delivery{}, err
			}
		}
		d.Materials = append(d.Materials, m)
	}
	return d, nil
}

// Renew mints a new use code for each license of a recurring grant whose last code was used. It returns these and
// the codes that are still unused, so asking again gives the same. Licenses that were changed or ended are left
// out, with the reason.
func (r *Service) Renew(ctx context.Context, a audit.Actor, id ID) (d Delivery, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantRenew, "")
	return r.mintAgain(ctx, a, id)
}

func (r *Service) mintAgain(ctx context.Context, a audit.Actor, id ID) (Delivery, error) {
	for range grantTries {
		rec, b, codes, err := r.load(ctx, id, only(a.Client))
		if err != nil {
			return Delivery{}, err
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		switch g := b.Grant.Stand(rec, now); {
		case g.State == Ended:
			return Delivery{}, errGrantOver(&g)
		case g.State != Active:
			return Delivery{}, refusal.Conflict(refusal.ReasonGrantPending, "The grant's authorization code is not redeemed yet.")
		case !g.Recurring:
			return Delivery{}, refusal.Conflict("grant_once", "The grant is for one reading of each license.")
		}
		fresh, left, err := r.mint(ctx, &b.Grant, codes, now)
		if err != nil {
			return Delivery{}, err
		}
		b.LeftOut = left
		err = r.saveGrant(ctx, a, journal.ActionGrantRenew, &rec, &b, fresh, nil)
		if errors.Is(err, license.ErrConflict) {
			continue
		}
		if err != nil {
			return Delivery{}, err
		}
		return r.delivered(ctx, &b, append(codes, fresh...))
	}
	return Delivery{}, refusal.ChangedMeanwhile()
}

// State returns a grant as it stands now, whoever asks. Refreshing and introspecting a token depend on it.
func (r *Service) State(ctx context.Context, id ID) (Grant, error) {
	rec, b, _, err := r.load(ctx, id, whoever)
	if err != nil {
		return Grant{}, err
	}
	return b.Grant.Stand(rec, time.Now()), nil
}

// Revoke ends a grant because its authorization code came a second time (reason EndedByReuse) or its token family
// was revoked (EndedByToken). A grant that has ended stays as it is.
func (r *Service) Revoke(ctx context.Context, a audit.Actor, id ID, reason string) (err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantRevoke, "")
	if reason != EndedByReuse && reason != EndedByToken {
		return fmt.Errorf("revoking grant %s: unknown reason %q", id, reason)
	}
	_, err = r.finish(ctx, a, journal.ActionGrantRevoke, id, reason, func(*Grant) bool { return true })
	return err
}

// Withdraw ends a grant at once, because its holder wants it. It is for the party who agreed, or for whoever acts
// for the organization in whose name the party agreed, may apply for it, and has a representation that covers all
// the grant's licenses; a child who agrees itself withdraws itself. A grant that has ended stays as it is.
func (r *Service) Withdraw(ctx context.Context, a audit.Actor, s offer.Subject, id ID) (g Grant, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantWithdraw, "")
	if s.Owner() == "" {
		return Grant{}, errors.New("withdrawing a grant: the subject has no party id")
	}
	if s.Acting != "" && (s.ViewOnly || s.PrincipalAgrees) {
		return Grant{}, errGrantUnknown()
	}
	_, b, _, err := r.load(ctx, id, whoever)
	if err != nil {
		return Grant{}, err
	}
	if covered, err := r.covered(ctx, &s, &b.Grant); err != nil || !covered {
		return Grant{}, cmp.Or(err, errGrantUnknown())
	}
	return r.finish(ctx, a, journal.ActionGrantWithdraw, id, EndedByHolder, func(g *Grant) bool { return g.Owner() == s.Owner() })
}

func (r *Service) finish(ctx context.Context, a audit.Actor, act journal.Action, id ID, by string, may func(*Grant) bool) (Grant, error) {
	for range grantTries {
		rec, b, _, err := r.load(ctx, id, whoever)
		if err != nil {
			return Grant{}, err
		}
		if !may(&b.Grant) {
			return Grant{}, errGrantUnknown()
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		if g := b.Grant.Stand(rec, now); g.State == Ended {
			return g, nil
		}
		b.Grant.State, b.Grant.Ended, b.Grant.EndedBy = Ended, now, by
		rec.State, rec.Expires = Ended, now
		err = r.saveGrant(ctx, a, act, &rec, &b, nil, map[string]string{"by": by})
		if errors.Is(err, license.ErrConflict) {
			continue
		}
		if err != nil {
			return Grant{}, err
		}
		r.c.Step("grant.ended")
		return b.Grant, nil
	}
	return Grant{}, refusal.ChangedMeanwhile()
}

// covered reports whether a subject's representation covers the types of all licenses of a grant.
func (r *Service) covered(ctx context.Context, s *offer.Subject, g *Grant) (bool, error) {
	if s.Acting == "" || len(s.Types) == 0 {
		return true, nil
	}
	for _, l := range g.Licenses {
		rec, _, err := r.c.Records.Load(ctx, l.License, l.Version)
		if err != nil && !errors.Is(err, license.ErrNotFound) {
			return false, fmt.Errorf("loading license %s: %w", l.License, err)
		}
		if err != nil || !s.Covers(rec.Type) {
			return false, nil
		}
	}
	return true, nil
}

// Page is one page of a party's grants.
type Page struct {
	Grants     []Grant
	NextCursor string // empty: this was the last page
}

// List lists the grants of a subject, or of the organization acted for, newest
// first. limit is 1 to 100.
func (r *Service) List(ctx context.Context, s offer.Subject, cursor string, limit int) (Page, error) {
	before, ok := license.ParseCursor(cursor)
	if !ok {
		return Page{}, refusal.Invalid("cursor", "The cursor is not a next_cursor of an earlier page.")
	}
	if s.Owner() == "" {
		return Page{}, errors.New("listing grants: the subject has no party id")
	}
	limit = min(max(limit, 1), license.MaxLimit)
	keys, err := r.c.Vault.Lookups(ctx, domainParty, s.Owner())
	if err != nil {
		return Page{}, err
	}
	records, err := r.c.Store.ListGrants(ctx, keys, before, limit)
	if err != nil {
		return Page{}, fmt.Errorf("listing grants: %w", err)
	}
	var page Page
	now := time.Now()
	for _, rec := range records {
		b, err := r.openGrant(ctx, rec)
		if err != nil {
			return Page{}, err
		}
		if b.Grant.Owner() != s.Owner() { // the lookup row that led here is not trusted
			_ = r.c.Vault.Auth().Refuse("grant_parties", string(rec.ID), "a party that it does not belong to leads to it") // logged, and counted
			continue
		}
		if covered, err := r.covered(ctx, &s, &b.Grant); err != nil {
			return Page{}, err
		} else if !covered {
			continue
		}
		page.Grants = append(page.Grants, b.Grant.Stand(rec, now))
	}
	if n := len(records); n == limit {
		page.NextCursor = license.Cursor{Created: records[n-1].Created, ID: audit.ID(records[n-1].ID)}.String()
	}
	return page, nil
}

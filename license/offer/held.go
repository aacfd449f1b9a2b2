package offer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// HeldLicense is a license as its holder sees it.
type HeldLicense struct {
	license.License
	Masked        []string       // parts of other holders that are shown masked, or not at all: see OfferedLicense.Masked
	AuthorityName string         // the name of today; empty if the authority is no participant any more
	Unusable      refusal.Reason // why it proves nothing now, such as license_expired; empty: nothing is wrong with it
}

// HeldPage is one page of a subject's licenses.
type HeldPage struct {
	Licenses   []HeldLicense // may be fewer than were asked for, also on a page before the last
	NextCursor string        // empty: this was the last page
}

// Held lists the licenses of a subject, or of the organization acted for, over all codes: the newest version of
// each, the newest license first, up to limit, 1 to 100. Verification codes are left out; HeldLicense shows one.
// There is one event an hour, and it is on disk before anything is returned. Refusals are *refusal.Error, among
// them assurance_too_low.
func (r *Service) Held(ctx context.Context, a audit.Actor, s Subject, cursor string, limit int) (page HeldPage, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseHeld, "")
	if err := s.maySee(); err != nil {
		return HeldPage{}, err
	}
	before, ok := license.ParseCursor(cursor)
	if !ok {
		return HeldPage{}, refusal.Invalid("cursor", "The cursor is not a next_cursor of an earlier page.")
	}
	limit = min(max(limit, 1), license.MaxLimit)
	codes := s.CodesOf(catalog.RelationApplicant)
	page.Licenses = []HeldLicense{}
	if len(codes) == 0 {
		return page, r.looked(ctx, a, journal.ActionLicenseHeld, look{party: s.Party, acting: s.Acting}, nil)
	}
	keys, err := r.c.Records.HolderKeys(ctx, codes)
	if err != nil {
		return HeldPage{}, err
	}
	records, err := r.c.Records.Search(ctx, license.Query{Kind: license.LookupHolder, Keys: keys, Before: before, Limit: limit})
	if err != nil {
		return HeldPage{}, fmt.Errorf("searching a holder's licenses: %w", err)
	}
	for _, rec := range records {
		if !s.Covers(rec.Type) {
			continue
		}
		l, err := r.openHeld(ctx, rec.ID, codes, s.agrees())
		if errors.Is(err, license.ErrNotFound) {
			continue // an earlier version named this holder
		} else if err != nil {
			return HeldPage{}, err
		}
		l.VerificationCode = ""
		page.Licenses = append(page.Licenses, l)
	}
	detail := map[string]string{"found": fmt.Sprint(len(page.Licenses)), "acting": s.Acting}
	if err := r.looked(ctx, a, journal.ActionLicenseHeld, look{party: s.Party, acting: s.Acting}, detail); err != nil {
		return HeldPage{}, err
	}
	if n := len(records); n == limit {
		page.NextCursor = license.Cursor{Created: records[n-1].Created, ID: records[n-1].ID}.String()
	}
	return page, nil
}

// HeldLicense shows a subject one license, in its newest version, with its identifier and verification code. A
// license that somebody else holds is refused as unknown, and the attempt stands in that license's history. The
// event is on disk before anything is returned; looks within an hour share one event.
func (r *Service) HeldLicense(ctx context.Context, a audit.Actor, s Subject, id audit.ID) (l HeldLicense, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseHeld, id)
	if err := s.maySee(); err != nil {
		return HeldLicense{}, err
	}
	unknown := refusal.Missing("license_unknown", "There is no such license among yours.")
	if !id.Valid() {
		return HeldLicense{}, unknown
	}
	l, err = r.openHeld(ctx, id, s.CodesOf(catalog.RelationApplicant), s.agrees())
	if errors.Is(err, license.ErrNotFound) || err == nil && !s.Covers(l.TypeCode) {
		return HeldLicense{}, unknown
	} else if err != nil {
		return HeldLicense{}, err
	}
	shown := look{party: s.Party, acting: s.Acting, license: id, version: l.Version.Version}
	if err := r.looked(ctx, a, journal.ActionLicenseHeld, shown, map[string]string{"acting": s.Acting}); err != nil {
		return HeldLicense{}, err
	}
	return l, nil
}

// openHeld returns the newest version of a license that one of the codes holds, or
// ErrNotFound. agree are the codes of those who see their own in full.
func (r *Service) openHeld(ctx context.Context, id audit.ID, codes, agree []party.Code) (HeldLicense, error) {
	rec, v, err := r.c.Records.Load(ctx, id, 0)
	if errors.Is(err, license.ErrNotFound) {
		return HeldLicense{}, err
	} else if err != nil {
		return HeldLicense{}, fmt.Errorf("loading license %s: %w", id, err)
	}
	if slices.Contains([]license.State{license.Draft, license.Submitted, license.Returned}, v.State) {
		return HeldLicense{}, license.ErrNotFound // not issued yet
	}
	l, err := r.c.Records.Open(ctx, rec, v)
	if err != nil {
		return HeldLicense{}, err
	}
	if !license.HeldBy(l.Holders, "", codes) {
		return HeldLicense{}, license.ErrNotFound
	}
	out := HeldLicense{License: l, Masked: withheld(l.Holders, agree), Unusable: v.Unusable(time.Now())}
	out.AuthorityName, err = r.c.Authorities.Name(ctx, rec.Authority)
	if err != nil && !errors.Is(err, license.ErrNotFound) {
		return HeldLicense{}, fmt.Errorf("name of authority %s: %w", rec.Authority, err)
	}
	return out, nil
}

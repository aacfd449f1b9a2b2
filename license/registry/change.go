package registry

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/status"
	"yizheng.internal/signing/journal"
)

// Replace makes the next version of a license. In the same step the version before it is superseded, unless it
// has ended. Change, renewal and correction need an active license, or a suspended one, which stays suspended.
// Reinstated needs an ended license whose ending was overturned. A renewal is made under the published version of
// the type, everything else under the version that the license is bound to. The type as it is now says whether
// the caller may do it. The license keeps its holders. The terms must name revisions; their key is optional.
func (r *Service) Replace(ctx context.Context, a audit.Actor, id audit.ID, q ReplaceRequest, on Terms) (out Issued, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseReplace, id)
	t, replay, err := r.requests.attempt(ctx, a, on.Key, "replace", id, q)
	if err == nil && replay == nil {
		if out, err = r.replaceNow(ctx, a, id, q, on, t); err == nil {
			return out, nil
		}
		replay, err = r.requests.overtaken(ctx, t, err)
	}
	return r.replayed(ctx, a, journal.ActionLicenseReplace, replay, q.answered, err)
}

func (r *Service) replaceNow(ctx context.Context, a audit.Actor, id audit.ID, q ReplaceRequest, on Terms, t *attempt) (Issued, error) {
	rec, old, err := r.c.Records.OwnVersion(ctx, a, id, 0)
	if err != nil {
		return Issued{}, err
	}
	if err := on.check(rec, true); err != nil {
		return Issued{}, err
	}
	if err := q.check(old.State); err != nil {
		return Issued{}, err
	}
	h, err := r.c.Types.Heads(ctx, rec.Type)
	if err != nil {
		return Issued{}, err
	}
	typ, err := r.replacementType(ctx, a, h, rec, old, q.Kind)
	if err != nil {
		return Issued{}, err
	}
	by, err := r.c.Authorities.Caller(ctx, a)
	if err != nil {
		return Issued{}, err
	}
	if err := mandated(h.LastPublished(), by.Code); err != nil {
		return Issued{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	d, err := check(typ, by, content{q.Number, q.Holders, q.ValidFrom, q.ValidUntil, q.AreaCode, q.Fields}, now)
	if err != nil {
		return Issued{}, err
	}
	before, err := r.c.Records.OpenBody(ctx, old)
	if err != nil {
		return Issued{}, err
	}
	if !sameSubject(h.LastPublished(), before.Holders, d.content.Holders) {
		return Issued{}, refusal.Conflict("subject_changed", "The license has other holders than before. A license keeps its holders: end it, and issue a new one to the others.")
	}
	next := version{id: id, number: old.Version + 1, state: license.Active, serial: before.Serial, source: a.Client, replaces: q.Kind, previous: before.Identifier, issued: now}
	if old.State == license.Suspended {
		next.state = license.Suspended
		if next.suspension, err = r.c.Records.OpenSuspension(ctx, old); err != nil {
			return Issued{}, err
		}
	}
	p, err := r.sealer.seal(ctx, d, next)
	if err != nil {
		return Issued{}, err
	}
	r.c.Step("replace.signed")
	save, err := r.saveRequest(ctx, a, journal.ActionLicenseReplace, p, rec, t, map[string]string{"kind": string(q.Kind), "reason": q.Reason})
	if err != nil {
		return Issued{}, err
	}
	if err := r.supersede(ctx, &save, rec, old, before.Number, q); err != nil {
		return Issued{}, err
	}
	p.issued.Revision = rec.Revision + 1
	return p.issued, on.explain(r.save(ctx, save))
}

// supersede adds to the change that stores a version what becomes of the version before it, and of its number.
func (r *Service) supersede(ctx context.Context, save *license.SaveRequest, rec license.Record, old license.VersionRecord, number string, q ReplaceRequest) error {
	if q.Kind != license.Reinstated { // an ended version stays ended, although the new one takes its place
		save.States = []license.VersionState{{Version: old.Version, State: license.Superseded}}
		save.Status = []status.Change{{List: old.StatusList, Index: old.StatusIndex, Value: credential.StatusSuperseded}}
	}
	if v := save.Add; v.State == license.Suspended {
		save.Status = append(save.Status, status.Change{List: v.StatusList, Index: v.StatusIndex, Value: credential.StatusSuspended})
	}
	if license.NumberKey(number) == license.NumberKey(q.Number) {
		return nil
	}
	former, err := r.c.Records.FormerNumber(ctx, rec, number)
	if err != nil {
		r.c.Lists.Give(save.Add.Slot())
	}
	save.Lookups = append(save.Lookups, former)
	return err
}

func (q *ReplaceRequest) check(s license.State) error {
	var vs refusal.Violations
	checkReason(&vs, q.Reason)
	switch q.Kind {
	case license.Change, license.Renewal, license.Correction, license.Reinstated:
	default:
		vs.Add("/kind", "enum", "must be change, renewal, correction or reinstated")
	}
	if err := vs.Err("request_invalid", "The request is not acceptable; see violations."); err != nil {
		return err
	}
	switch {
	case q.Kind == license.Reinstated && s != license.Ended:
		return refusal.Conflict("not_ended", "Only an ended license can be reinstated.")
	case q.Kind != license.Reinstated && s != license.Active && s != license.Suspended:
		return refusal.Conflict("not_active", "Only an active or suspended license can be replaced; this one is "+string(s)+".")
	}
	return nil
}

// replacementType returns the type version that a replacement is made under.
func (r *Service) replacementType(ctx context.Context, a audit.Actor, h entry.Heads[catalog.Type], rec license.Record, old license.VersionRecord, kind license.ReplaceKind) (*catalog.Issuable, error) {
	if kind == license.Renewal {
		if current := h.Published(); current != nil {
			return r.c.Types.Issuable(current)
		}
		return nil, errNotIssuable(a, h)
	}
	own, err := r.c.Types.At(ctx, rec.Type, old.TypeVersion)
	switch {
	case err != nil:
		return nil, err
	case own == nil:
		return nil, fmt.Errorf("type %s version %d of license %s is gone", rec.Type, old.TypeVersion, rec.ID)
	}
	return r.c.Types.Issuable(own)
}

// sameSubject reports whether a new version names the same holders, by role and code, as the one before it.
// Names, shares and the order may change. So may holders in roles that the type, as it is now, calls replaceable.
func sameSubject(now *catalog.Type, before, after []credential.Holder) bool {
	type subject struct {
		role string
		code party.Code
	}
	subjects := func(hs []credential.Holder) map[subject]bool {
		all := map[subject]bool{}
		for _, h := range hs {
			if role := now.Role(h.Role); role == nil || !role.Replaceable {
				all[subject{h.Role, party.Code{Type: h.CodeType, Value: h.Code}}] = true
			}
		}
		return all
	}
	was, is := subjects(before), subjects(after)
	for s := range was {
		if !is[s] {
			return false
		}
	}
	return len(is) == len(was)
}

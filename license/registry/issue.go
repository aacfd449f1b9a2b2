package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// serialTries is how many random serials are tried before giving up: with 20
// random characters a second one is never needed.
const serialTries = 3

// Issue checks, signs and stores a new license in one step. The idempotency key is required; the same key with
// another request is a conflict. The type must be published, and the caller's participant must be among its
// authorities.
func (r *Service) Issue(ctx context.Context, a audit.Actor, q IssueRequest, key string) (out Issued, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseIssue, "")
	if key == "" {
		return Issued{}, refusal.Invalid("idempotency_key_missing", "An Idempotency-Key is required, so that a repeated request issues no second license.")
	}
	t, replay, err := r.requests.attempt(ctx, a, key, "issue", "", q)
	if err != nil || replay != nil {
		return r.replayed(ctx, a, journal.ActionLicenseIssue, replay, q.answered, err)
	}
	h, err := r.c.Types.Heads(ctx, q.TypeCode)
	if err != nil {
		return Issued{}, err
	}
	current := h.Published()
	if current == nil {
		return Issued{}, errNotIssuable(a, h)
	}
	by, err := r.c.Authorities.Caller(ctx, a)
	if err != nil {
		return Issued{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := mandated(current, by.Code); err != nil {
		return Issued{}, err
	}
	typ, err := r.c.Types.Issuable(current)
	if err != nil {
		return Issued{}, err
	}
	d, err := check(typ, by, content{q.Number, q.Holders, q.ValidFrom, q.ValidUntil, q.AreaCode, q.Fields}, now)
	if err != nil {
		return Issued{}, err
	}
	r.c.Step("issue.checked")
	for range serialTries {
		p, err := r.sealer.seal(ctx, d, version{id: audit.NewID(), number: 1, state: license.Active, serial: q.Serial, source: a.Client, issued: now})
		if err != nil {
			return Issued{}, err
		}
		r.c.Step("issue.signed")
		save, err := r.saveRequest(ctx, a, journal.ActionLicenseIssue, p, license.Record{
			ID: p.record.License, Type: typ.Code, Authority: by.Code, Created: now,
		}, t, nil)
		if err != nil {
			return Issued{}, err
		}
		err = r.save(ctx, save)
		if errors.Is(err, license.ErrIdentifierTaken) && q.Serial == "" {
			continue
		}
		if errors.Is(err, license.ErrRequestTaken) {
			replay, err := r.requests.overtaken(ctx, t, err)
			return r.replayed(ctx, a, journal.ActionLicenseIssue, replay, q.answered, err)
		}
		r.c.Step("issue.saved")
		p.issued.Revision = 1
		return p.issued, explainSave(err)
	}
	return Issued{}, errors.New("no free serial was found")
}

// errNotIssuable says why no license can be issued under a type without a published version. Only the participant
// that wrote a draft learns that there is one.
func errNotIssuable(a audit.Actor, h entry.Heads[catalog.Type]) error {
	switch newest := h.Newest(); {
	case newest != nil && newest.State == entry.Draft && newest.Owner == a.Participant:
		return refusal.Conflict("type_draft", "The license type is not published yet.")
	case h.LastPublished() == nil:
		return refusal.Invalid("type_unknown", "There is no license type with this code.")
	}
	return refusal.Conflict("type_retired", "The license type is retired; no licenses are issued under it.")
}

// explainSave turns a store's conflict into what the caller may see.
func explainSave(err error) error {
	switch {
	case errors.Is(err, license.ErrConflict):
		return refusal.ChangedMeanwhile()
	case errors.Is(err, license.ErrIdentifierTaken):
		return refusal.Conflict("serial_taken", "A license of this type and authority has this serial already.")
	case errors.Is(err, license.ErrNumberTaken):
		return refusal.Conflict("number_taken", "Another license of this type and authority has this number already.")
	case errors.Is(err, license.ErrNotFound):
		return license.Unknown()
	case err != nil:
		return fmt.Errorf("saving license: %w", err)
	}
	return nil
}

// saveRequest puts together the one change that stores a prepared version.
func (r *Service) saveRequest(ctx context.Context, a audit.Actor, act journal.Action, p prepared, rec license.Record, t *attempt, detail map[string]string) (license.SaveRequest, error) {
	rec.Version, rec.State, rec.Updated = p.record.Version, p.record.State, p.record.Issued
	e, err := r.c.Journal.Event(ctx, a.Did(act, rec.ID, rec.Version, journal.ResultOK, detail))
	if err != nil {
		r.c.Lists.Give(p.record.Slot())
		return license.SaveRequest{}, err
	}
	s := license.SaveRequest{Record: rec, Add: &p.record, Lookups: p.lookups, Event: e}
	if t != nil {
		done := t.Request
		done.License, done.Version, done.State, done.Created = rec.ID, rec.Version, rec.State, p.record.Issued
		done.Revision = rec.Revision + 1
		s.Request = &done
	}
	return s, nil
}

// save makes a change, and notes what it set in status lists. If a new version was refused, its status entry is
// free again. If nobody knows whether the version was stored, its entry stays taken.
func (r *Service) save(ctx context.Context, q license.SaveRequest) error {
	err := r.c.Store.Save(ctx, q)
	switch {
	case err == nil:
		r.c.Lists.Note(q.Status, q.Record.Revision+1)
	case q.Add != nil && nothingSaved(err):
		r.c.Lists.Give(q.Add.Slot())
	}
	return err
}

// nothingSaved reports whether an error of [license.Store].Save says that the change was refused.
func nothingSaved(err error) bool {
	return errors.Is(err, license.ErrConflict) || errors.Is(err, license.ErrNotFound) || errors.Is(err, license.ErrIdentifierTaken) ||
		errors.Is(err, license.ErrNumberTaken) || errors.Is(err, license.ErrRequestTaken) || errors.Is(err, signing.ErrAltered)
}

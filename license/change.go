package license

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"yizheng.internal/license/party"
)

// Replace makes the next version of a license; the one before it is
// superseded in the same step. Change, renewal and correction need an active
// license; reinstated needs an ended one, whose ending was overturned. A
// renewal is made under the published version of the type, everything else
// under the version that the license is bound to. The key is optional.
func (r *Registry) Replace(ctx context.Context, a Actor, id ID, q ReplaceRequest, key string) (out Issued, err error) {
	defer r.audit(ctx, &err, a, ActionReplace, id, 0)
	t, replay, err := r.attempt(ctx, a, key, "replace", id, q)
	if err != nil || replay != nil {
		return r.replayed(ctx, a, ActionReplace, replay, err)
	}
	rec, old, err := r.ownVersion(ctx, a, id, 0)
	if err != nil {
		return Issued{}, err
	}
	if err := q.check(old.State); err != nil {
		return Issued{}, err
	}
	typ, err := r.replacementType(ctx, rec, old, q.Kind)
	if err != nil {
		return Issued{}, err
	}
	by, err := r.authority(ctx, a)
	if err != nil {
		return Issued{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	d, err := check(typ, by, content{q.Number, q.Holders, q.ValidFrom, q.ValidUntil, q.AreaCode, q.Fields}, now)
	if err != nil {
		return Issued{}, err
	}
	var before body
	if err := r.openJSON(ctx, old, "body", old.Body, &before); err != nil {
		return Issued{}, err
	}
	p, err := r.seal(ctx, d, version{
		id: id, number: old.Version + 1, serial: before.Serial, source: a.Client, replaces: q.Kind, previous: before.Identifier, issued: now,
	})
	if err != nil {
		return Issued{}, err
	}
	r.step("replace.signed")
	save, err := r.saveRequest(ctx, a, ActionReplace, p, rec, t, map[string]string{"kind": string(q.Kind), "reason": q.Reason})
	if err != nil {
		return Issued{}, err
	}
	if q.Kind != Reinstated { // what ended stays ended in the records; its place is taken all the same
		save.States = []VersionState{{Version: old.Version, State: Superseded}}
		save.Status = []StatusChange{{old.StatusList, old.StatusIndex, StatusSuperseded}}
	}
	err = r.c.Stores.Save(ctx, save)
	if errors.Is(err, ErrRequestTaken) {
		return r.replayedAfter(ctx, a, ActionReplace, t)
	}
	return p.issued, explainSave(err)
}

func (q *ReplaceRequest) check(s State) error {
	var vs violations
	checkReason(&vs, q.Reason)
	switch q.Kind {
	case Change, Renewal, Correction, Reinstated:
	default:
		vs.add("/kind", "enum", "must be change, renewal, correction or reinstated")
	}
	if err := vs.err("request_invalid", "The request is not acceptable; see violations."); err != nil {
		return err
	}
	switch {
	case q.Kind == Reinstated && s != Ended:
		return conflict("not_ended", "Only an ended license can be reinstated.")
	case q.Kind != Reinstated && s != Active:
		return conflict("not_active", "Only an active license can be replaced; this one is "+string(s)+".")
	}
	return nil
}

// replacementType returns the type version that a replacement is made under.
func (r *Registry) replacementType(ctx context.Context, rec Record, old VersionRecord, kind ReplaceKind) (*issuable, error) {
	vs, err := r.types.versions(ctx, rec.Type)
	if err != nil {
		return nil, err
	}
	if kind == Renewal {
		if typ := published(vs); typ != nil {
			return typ, nil
		}
		return nil, errNotIssuable(vs)
	}
	for _, typ := range vs {
		if typ.Version == old.TypeVersion {
			return typ, nil
		}
	}
	return nil, fmt.Errorf("type %s version %d of license %s is gone", rec.Type, old.TypeVersion, rec.ID)
}

// transition is a change of state of the newest version.
type transition struct {
	action Action
	to     State
	status StatusValue
	ending *Ending
	detail map[string]string
}

// Suspend takes an active license out of force.
func (r *Registry) Suspend(ctx context.Context, a Actor, id ID, reason string) (l License, err error) {
	defer r.audit(ctx, &err, a, ActionSuspend, id, 0)
	return r.move(ctx, a, id, reason, func(v VersionRecord) (transition, error) {
		if v.State != Active {
			return transition{}, conflict("not_active", "Only an active license can be suspended; this one is "+string(v.State)+".")
		}
		return transition{action: ActionSuspend, to: Suspended, status: StatusSuspended}, nil
	})
}

// Resume puts a suspended license back in force.
func (r *Registry) Resume(ctx context.Context, a Actor, id ID, reason string) (l License, err error) {
	defer r.audit(ctx, &err, a, ActionResume, id, 0)
	return r.move(ctx, a, id, reason, func(v VersionRecord) (transition, error) {
		if v.State != Suspended {
			return transition{}, conflict("not_suspended", "Only a suspended license can be resumed; this one is "+string(v.State)+".")
		}
		return transition{action: ActionResume, to: Active, status: StatusValid}, nil
	})
}

// End ends an active or suspended license for good. EffectiveFrom lies between
// the day of issue, or the first day of validity if that is earlier, and today.
func (r *Registry) End(ctx context.Context, a Actor, id ID, q EndRequest) (l License, err error) {
	defer r.audit(ctx, &err, a, ActionEnd, id, 0)
	return r.move(ctx, a, id, q.Reason, func(v VersionRecord) (transition, error) {
		if v.State == Ended {
			return transition{}, conflict("already_ended", "The license has ended already.")
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		if err := q.check(v, now); err != nil {
			return transition{}, err
		}
		return transition{
			action: ActionEnd, to: Ended, status: StatusInvalid,
			ending: &Ending{q.Kind, q.EffectiveFrom, now, q.Document},
			detail: map[string]string{"kind": string(q.Kind), "document": q.Document.Number},
		}, nil
	})
}

func (q *EndRequest) check(v VersionRecord, now time.Time) error {
	var vs violations
	switch q.Kind {
	case Cancelled, Rescinded, Revoked, Withdrawn, Lapsed:
	default:
		vs.add("/kind", "enum", "must be cancelled, rescinded, revoked, withdrawn or lapsed")
	}
	earliest := party.DateOf(v.Issued)
	if v.ValidFrom.Before(earliest) {
		earliest = v.ValidFrom
	}
	today := party.DateOf(now)
	vs.when(q.EffectiveFrom.IsZero(), "/effective_from", "required", "must be given")
	if !q.EffectiveFrom.IsZero() {
		vs.when(q.EffectiveFrom.Before(earliest), "/effective_from", "effective_from_early", "is before the license was issued or valid")
		vs.when(q.EffectiveFrom.After(today), "/effective_from", "effective_from_future", "is in the future; end the license on that day")
	}
	vs.text("/document/number", q.Document.Number, 1, 100)
	vs.text("/document/basis", q.Document.Basis, 1, maxReason)
	vs.when(q.Document.Date.IsZero() || q.Document.Date.After(today), "/document/date", "date", "must be given, and not be in the future")
	vs.when(q.Document.SHA256 != "" && !isHex(q.Document.SHA256, 64), "/document/sha256", "pattern", "must be 64 lower-case hexadecimal digits")
	return vs.err("request_invalid", "The request is not acceptable; see violations.")
}

// move changes the state of a license's newest version. When two callers race,
// the stored revision lets one win.
func (r *Registry) move(ctx context.Context, a Actor, id ID, reason string, decide func(VersionRecord) (transition, error)) (License, error) {
	rec, v, err := r.ownVersion(ctx, a, id, 0)
	if err != nil {
		return License{}, err
	}
	var vs violations
	checkReason(&vs, reason)
	if err := vs.err("request_invalid", "The request is not acceptable."); err != nil {
		return License{}, err
	}
	t, err := decide(v)
	if err != nil {
		return License{}, err
	}
	state := VersionState{Version: v.Version, State: t.to}
	if t.ending != nil {
		if state.Ending, err = r.sealJSON(ctx, id, v.Version, "ending", t.ending); err != nil {
			return License{}, err
		}
		v.Ending = state.Ending
	}
	detail := map[string]string{"reason": reason}
	maps.Copy(detail, t.detail)
	e, err := r.event(ctx, a, t.action, id, v.Version, "ok", detail)
	if err != nil {
		return License{}, err
	}
	rec.State, rec.Updated = t.to, e.At
	err = r.c.Stores.Save(ctx, SaveRequest{
		Record: rec, States: []VersionState{state}, Event: e,
		Status: []StatusChange{{v.StatusList, v.StatusIndex, t.status}},
	})
	if err != nil {
		return License{}, explainSave(err)
	}
	r.step("change.saved")
	rec.Revision++
	v.State = t.to
	return r.open(ctx, rec, v)
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

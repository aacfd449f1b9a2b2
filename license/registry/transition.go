package registry

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/status"
	"yizheng.internal/signing/journal"
)

// transition is a change of state of the newest version.
type transition struct {
	to         license.State
	status     credential.StatusValue
	ending     *license.Ending
	suspension *license.Suspension
	detail     map[string]string
}

// Suspend takes an active license out of force, on the ground of a document. Suspend and End do not ask whether
// the authority is still mandated: if it lost its mandate, nobody else can take its licenses out of force yet.
func (r *Service) Suspend(ctx context.Context, a audit.Actor, id audit.ID, q SuspendRequest, on Terms) (c Changed, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseSuspend, id)
	return r.move(ctx, a, id, move{journal.ActionLicenseSuspend, "suspend", q, q.Reason, func(_ license.Record, v license.VersionRecord) (transition, error) {
		if v.State != license.Active {
			return transition{}, refusal.Conflict("not_active", "Only an active license can be suspended; this one is "+string(v.State)+".")
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		var vs refusal.Violations
		checkDocument(&vs, &q.Document, now)
		return transition{
			to: license.Suspended, status: credential.StatusSuspended, suspension: &license.Suspension{RecordedAt: now, Document: q.Document},
			detail: map[string]string{"document": q.Document.Number},
		}, vs.Err("request_invalid", "The request is not acceptable; see violations.")
	}}, on)
}

// Resume puts a suspended license back in force. The caller must be mandated now.
func (r *Service) Resume(ctx context.Context, a audit.Actor, id audit.ID, q ResumeRequest, on Terms) (c Changed, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseResume, id)
	return r.move(ctx, a, id, move{journal.ActionLicenseResume, "resume", q, q.Reason, func(rec license.Record, v license.VersionRecord) (transition, error) {
		if v.State != license.Suspended {
			return transition{}, refusal.Conflict("not_suspended", "Only a suspended license can be resumed; this one is "+string(v.State)+".")
		}
		h, err := r.c.Types.Heads(ctx, rec.Type)
		if err != nil {
			return transition{}, err
		}
		return transition{to: license.Active, status: credential.StatusValid}, mandated(h.LastPublished(), rec.Authority)
	}}, on)
}

// End ends an active or suspended license for good. EffectiveFrom lies between the day of issue, or the first day
// of validity if that is earlier, and today. The license's number is free from then on.
func (r *Service) End(ctx context.Context, a audit.Actor, id audit.ID, q EndRequest, on Terms) (c Changed, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseEnd, id)
	return r.move(ctx, a, id, move{journal.ActionLicenseEnd, "end", q, q.Reason, func(_ license.Record, v license.VersionRecord) (transition, error) {
		if v.State == license.Ended {
			return transition{}, refusal.Conflict("already_ended", "The license has ended already.")
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		return transition{
			to: license.Ended, status: credential.StatusInvalid, ending: &license.Ending{Kind: q.Kind, EffectiveFrom: q.EffectiveFrom, RecordedAt: now, Document: q.Document},
			detail: map[string]string{"kind": string(q.Kind), "document": q.Document.Number},
		}, q.check(v, now)
	}}, on)
}

func (q *EndRequest) check(v license.VersionRecord, now time.Time) error {
	var vs refusal.Violations
	vs.When(!q.Kind.Known(), "/kind", "enum", "must be "+endingKinds())
	earliest := party.DateOf(v.Issued)
	if v.ValidFrom.Before(earliest) {
		earliest = v.ValidFrom
	}
	vs.When(q.EffectiveFrom.IsZero(), "/effective_from", "required", "must be given")
	if !q.EffectiveFrom.IsZero() {
		vs.When(q.EffectiveFrom.Before(earliest), "/effective_from", "effective_from_early", "is before the license was issued or valid")
		vs.When(q.EffectiveFrom.After(party.DateOf(now)), "/effective_from", "effective_from_future", "is in the future; end the license on that day")
	}
	checkDocument(&vs, &q.Document, now)
	return vs.Err("request_invalid", "The request is not acceptable; see violations.")
}

// endingKinds names the kinds of endings, as a sentence does.
func endingKinds() string {
	var names []string
	for _, k := range license.EndingKinds() {
		names = append(names, string(k.Kind))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// checkDocument checks the legal document that a change rests on.
func checkDocument(vs *refusal.Violations, d *license.Document, now time.Time) {
	vs.Text("/document/number", d.Number, 1, 100)
	vs.Text("/document/basis", d.Basis, 1, maxReason)
	vs.When(d.Date.Before(earliestDate) || d.Date.After(party.DateOf(now)), "/document/date", "date", "must be given, from 1900-01-01 on, and not be in the future")
	vs.When(d.SHA256 != "" && !isHex(d.SHA256, 64), "/document/sha256", "pattern", "must be 64 lower-case hexadecimal digits")
}

// move is a request to change a license's state.
type move struct {
	action    journal.Action
	operation string // bound into the fingerprints of requests with an idempotency key
	request   repeatable
	reason    string
	decide    func(license.Record, license.VersionRecord) (transition, error)
}

// move changes the state of a license's newest version. When two callers race,
// the stored revision lets one win.
func (r *Service) move(ctx context.Context, a audit.Actor, id audit.ID, m move, on Terms) (c Changed, err error) {
	t, replay, err := r.requests.attempt(ctx, a, on.Key, m.operation, id, m.request)
	if err == nil && replay == nil {
		if c.License, err = r.moveNow(ctx, a, id, m, on, t); err == nil {
			return c, nil
		}
		replay, err = r.requests.overtaken(ctx, t, err)
	}
	if err != nil {
		return Changed{}, err
	}
	return r.moved(ctx, a, m.action, replay)
}

func (r *Service) moveNow(ctx context.Context, a audit.Actor, id audit.ID, m move, on Terms, t *attempt) (license.License, error) {
	rec, v, err := r.c.Records.OwnVersion(ctx, a, id, 0)
	if err != nil {
		return license.License{}, err
	}
	if err := on.check(rec, false); err != nil {
		return license.License{}, err
	}
	var vs refusal.Violations
	checkReason(&vs, m.reason)
	if err := vs.Err("request_invalid", "The request is not acceptable."); err != nil {
		return license.License{}, err
	}
	to, err := m.decide(rec, v)
	if err != nil {
		return license.License{}, err
	}
	save, err := r.transit(ctx, rec, &v, to)
	if err != nil {
		return license.License{}, err
	}
	detail := map[string]string{"reason": m.reason}
	maps.Copy(detail, to.detail)
	if save.Event, err = r.c.Journal.Event(ctx, a.Did(m.action, id, v.Version, journal.ResultOK, detail)); err != nil {
		return license.License{}, err
	}
	save.Record.Updated = save.Event.At
	if t != nil {
		done := t.Request
		done.License, done.Version, done.State, done.Revision, done.Created = id, v.Version, to.to, rec.Revision+1, save.Event.At
		save.Request = &done
	}
	if err := r.save(ctx, save); err != nil {
		return license.License{}, on.explain(err)
	}
	r.c.Step("change.saved")
	save.Record.Revision++
	return r.c.Records.Open(ctx, save.Record, v)
}

// transit puts together the change of a version's state, and also makes it in v.
func (r *Service) transit(ctx context.Context, rec license.Record, v *license.VersionRecord, to transition) (save license.SaveRequest, err error) {
	rec.State, v.State = to.to, to.to
	state := license.VersionState{Version: v.Version, State: to.to}
	save = license.SaveRequest{Record: rec, Status: []status.Change{{List: v.StatusList, Index: v.StatusIndex, Value: to.status}}}
	if to.suspension != nil {
		if state.Suspension, err = r.c.Records.SealSuspension(ctx, rec.ID, v.Version, to.suspension); err != nil {
			return license.SaveRequest{}, err
		}
		v.Suspension = state.Suspension
	}
	if to.ending != nil {
		if state.Ending, err = r.c.Records.SealEnding(ctx, rec.ID, v.Version, to.ending); err != nil {
			return license.SaveRequest{}, err
		}
		v.Ending = state.Ending
		b, err := r.c.Records.OpenBody(ctx, *v)
		if err != nil {
			return license.SaveRequest{}, err
		}
		former, err := r.c.Records.FormerNumber(ctx, rec, b.Number)
		if err != nil {
			return license.SaveRequest{}, err
		}
		save.Lookups = []license.LookupRow{former}
	}
	save.States = []license.VersionState{state}
	return save, nil
}

// moved makes the answer to an earlier change of state again. For this it reads the license, so it leaves an
// event.
func (r *Service) moved(ctx context.Context, a audit.Actor, act journal.Action, req *license.Request) (Changed, error) {
	if err := r.c.Journal.Repeating(ctx, a.Did(act, req.License, req.Version, ResultReplayed, nil)); err != nil {
		return Changed{}, err
	}
	rec, v, err := r.c.Records.OwnVersion(ctx, a, req.License, req.Version)
	if err != nil {
		return Changed{}, fmt.Errorf("loading license %s: %w", req.License, err)
	}
	if req.State != license.Ended {
		v.Ending = nil
	}
	v.State, rec.Revision, rec.Version, rec.Updated = req.State, req.Revision, req.Version, req.Created
	l, err := r.c.Records.Open(ctx, rec, v)
	return Changed{l, true}, err
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

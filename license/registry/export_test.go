package registry

import (
	"context"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing/journal"
)

// These open the inside to tests and benchmarks of package license_test, which
// needs a driver and so can't be in package license.

// Prepare does all of issuing but the database: checks, signs, verifies what it
// signed, seals, makes lookup keys and the event.
func (r *Service) Prepare(ctx context.Context, t catalog.Type, by credential.PresentedBy, q IssueRequest) (credential string, err error) {
	typ, err := issuableOnce(t)
	if err != nil {
		return "", err
	}
	d, err := check(typ, by, content{q.Number, q.Holders, q.ValidFrom, q.ValidUntil, q.AreaCode, q.Fields}, time.Now())
	if err != nil {
		return "", err
	}
	p, err := r.sealer.seal(ctx, d, version{id: audit.NewID(), number: 1, source: "bench", issued: time.Now()})
	if err != nil {
		return "", err
	}
	_, err = r.saveRequest(ctx, audit.Actor{Client: "bench"}, journal.ActionLicenseIssue, p, license.Record{ID: p.record.License}, nil, nil)
	return p.issued.Credential, err
}

// compiledTypes are the types that Prepare has compiled, as the catalog would.
var compiledTypes = map[credential.TypeCode]*catalog.Issuable{}

func issuableOnce(t catalog.Type) (*catalog.Issuable, error) {
	if typ, ok := compiledTypes[t.Code]; ok {
		return typ, nil
	}
	schema, err := schema.Compile(t.Schema)
	compiledTypes[t.Code] = &catalog.Issuable{Type: t, Compiled: schema}
	return compiledTypes[t.Code], err
}

// GrownResume is [ResumeRequest] as the program after this one might have it: with a
// member more.
type GrownResume struct {
	ResumeRequest
	Note string
}

func (q GrownResume) form() form {
	if q.Note == "" {
		return q.ResumeRequest.form()
	}
	return form{2, struct {
		Reason string `json:"reason"`
		Note   string `json:"note"`
	}{q.Reason, q.Note}}
}

// ResumeGrown is [Service.Resume] in that program.
func (r *Service) ResumeGrown(ctx context.Context, a audit.Actor, id audit.ID, q GrownResume, on Terms) (Changed, error) {
	return r.move(ctx, a, id, move{journal.ActionLicenseResume, "resume", q, q.Reason, func(license.Record, license.VersionRecord) (transition, error) {
		return transition{to: license.Active, status: credential.StatusValid}, nil
	}}, on)
}

package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// maxKey is the longest idempotency key, in bytes.
const maxKey = 128

// Domains of keyed hashes. They are bound into stored keys: never change one.
const (
	domainRequest     = "license.request"
	domainFingerprint = "license.fingerprint"
)

// requests remembers what idempotency keys were used for.
type requests struct{ c Config }

// attempt is a request with an idempotency key that was not used before.
type attempt struct {
	license.Request
	of []string // what the fingerprint is computed over: see fingerprinted
}

// attempt looks up an idempotency key. It returns an attempt, to be stored with this request, or else the request
// that the key was used for before, which must be the same one. Without a key it returns neither.
func (r *requests) attempt(ctx context.Context, a audit.Actor, key, operation string, id audit.ID, q repeatable) (*attempt, *license.Request, error) {
	if key == "" {
		return nil, nil, nil
	}
	if len(key) > maxKey || !refusal.VisibleASCII(key) {
		return nil, nil, refusal.Invalid("idempotency_key", "The Idempotency-Key must be 1 to 128 visible ASCII characters.")
	}
	of, err := fingerprinted(operation, id, q)
	if err != nil {
		return nil, nil, refusal.Invalid("json", "The request is not well-formed.")
	}
	keys, err := r.c.Vault.Lookups(ctx, domainRequest, a.Client, key)
	if err != nil {
		return nil, nil, err
	}
	t := &attempt{license.Request{Keys: keys}, of}
	switch known, err := r.earlier(ctx, t); {
	case err == nil:
		return nil, known, nil
	case !errors.Is(err, license.ErrNotFound):
		return nil, nil, err
	}
	t.Fingerprint, err = r.c.Vault.MAC(ctx, domainFingerprint, t.of...)
	return t, nil, err
}

// earlier returns the stored request that an attempt repeats, or ErrNotFound. It returns a *refusal.Error if the
// key was used for another request.
func (r *requests) earlier(ctx context.Context, t *attempt) (*license.Request, error) {
	known, err := r.c.Store.LoadRequest(ctx, t.Keys)
	if err != nil {
		return nil, fmt.Errorf("looking up an idempotency key: %w", err)
	}
	same, err := r.c.Vault.CheckMAC(ctx, known.Fingerprint, domainFingerprint, t.of...)
	if err != nil {
		return nil, fmt.Errorf("comparing a repeated request: %w", err)
	}
	if id := audit.ID(t.of[1]); same && id != "" && id != known.License {
		return nil, r.refuse(&known)
	}
	if !same {
		return nil, refusal.Conflict("idempotency_key_reused", "This Idempotency-Key was used for another request before. Use a new key for a new request.")
	}
	return &known, nil
}

// refuse refuses the row of an idempotency key that leads to something else than its request made. The row alone
// is not trusted.
func (r *requests) refuse(req *license.Request) error {
	return r.c.Vault.Auth().Refuse("requests", string(req.License), "an idempotency key of another license leads to it")
}

// overtaken returns the request that an attempt turns out to repeat: one with the same key that was stored while
// this one was under way, and because of which this one was refused. It returns nil and err if err has another
// cause.
func (r *requests) overtaken(ctx context.Context, t *attempt, err error) (*license.Request, error) {
	_, refused := errors.AsType[*refusal.Error](err)
	if t == nil || !refused && !errors.Is(err, license.ErrRequestTaken) {
		return nil, err
	}
	known, lookup := r.earlier(ctx, t)
	if errors.Is(lookup, license.ErrNotFound) {
		return nil, err
	}
	return known, lookup
}

// answered reports whether a version of a license may be what a request made.
type answered func(license.Record, int, *license.Body) bool

func (q *IssueRequest) answered(rec license.Record, version int, b *license.Body) bool {
	return rec.Type == q.TypeCode && version == 1 && has(b, q.Number, q.Holders)
}

func (q *ReplaceRequest) answered(_ license.Record, version int, b *license.Body) bool {
	return version > 1 && has(b, q.Number, q.Holders)
}

// has reports whether a version has the number and the holders that were asked for.
func has(b *license.Body, number string, holders []credential.Holder) bool {
	return (number == "" || license.NumberKey(number) == license.NumberKey(b.Number)) && !slices.ContainsFunc(holders, func(h credential.Holder) bool {
		code, err := party.ParseCode(h.CodeType, h.Code)
		return err == nil && !license.HeldBy(b.Holders, h.Role, []party.Code{code})
	})
}

// replayed makes the answer to an earlier request again. For this it reads the license, so it leaves an event.
func (r *Service) replayed(ctx context.Context, a audit.Actor, act journal.Action, req *license.Request, fits answered, err error) (Issued, error) {
	if err != nil {
		return Issued{}, err
	}
	if err := r.c.Journal.Repeating(ctx, a.Did(act, req.License, req.Version, ResultReplayed, nil)); err != nil {
		return Issued{}, err
	}
	rec, v, err := r.c.Records.OwnVersion(ctx, a, req.License, req.Version)
	if err != nil {
		return Issued{}, fmt.Errorf("loading license %s: %w", req.License, err)
	}
	b, err := r.c.Records.OpenBody(ctx, v)
	if err != nil {
		return Issued{}, err
	}
	if !fits(rec, v.Version, &b) {
		return Issued{}, r.requests.refuse(req)
	}
	if req.Version == 1 {
		req.Revision = 1 // also for requests stored before revisions were kept
	}
	credential, err := r.c.Records.OpenCredential(ctx, v)
	return Issued{
		ID: req.License, Identifier: b.Identifier, VerificationCode: b.VerificationCode,
		Version: req.Version, Revision: req.Revision, State: req.State, Credential: credential, Replayed: true,
	}, err
}

package license

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// serialTries is how many random serials are tried before giving up: with 20
// random characters a second one is never needed.
const serialTries = 3

// maxKey is the longest idempotency key, in bytes.
const maxKey = 128

// Issue checks, signs and stores a new license in one step. The idempotency
// key is required; the same key with another request is a conflict. Type names
// must be published, and the caller's participant among its authorities.
func (r *Registry) Issue(ctx context.Context, a Actor, q IssueRequest, key string) (out Issued, err error) {
	defer r.audit(ctx, &err, a, journal.ActionLicenseIssue, "", 0)
	if key == "" {
		return Issued{}, refusal.Invalid("idempotency_key_missing", "An Idempotency-Key is required, so that a repeated request issues no second license.")
	}
	t, replay, err := r.attempt(ctx, a, key, "issue", "", q)
	if err != nil || replay != nil {
		return r.replayed(ctx, a, journal.ActionLicenseIssue, replay, q.answered, err)
	}
	h, err := r.catalog.Types().Heads(ctx, q.TypeCode)
	if err != nil {
		return Issued{}, err
	}
	current := h.Published()
	if current == nil {
		return Issued{}, errNotIssuable(a, h)
	}
	by, err := r.authority(ctx, a)
	if err != nil {
		return Issued{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := mandated(current, by.Code); err != nil {
		return Issued{}, err
	}
	typ, err := r.catalog.Types().Issuable(current)
	if err != nil {
		return Issued{}, err
	}
	d, err := check(typ, by, content{q.Number, q.Holders, q.ValidFrom, q.ValidUntil, q.AreaCode, q.Fields}, now)
	if err != nil {
		return Issued{}, err
	}
	r.step("issue.checked")
	for range serialTries {
		p, err := r.seal(ctx, d, version{id: newID(), number: 1, state: Active, serial: q.Serial, source: a.Client, issued: now})
		if err != nil {
			return Issued{}, err
		}
		r.step("issue.signed")
		save, err := r.saveRequest(ctx, a, journal.ActionLicenseIssue, p, Record{
			ID: p.record.License, Type: typ.Code, Authority: by.Code, Created: now,
		}, t, nil)
		if err != nil {
			return Issued{}, err
		}
		err = r.save(ctx, save)
		if errors.Is(err, ErrIdentifierTaken) && q.Serial == "" {
			continue
		}
		if errors.Is(err, ErrRequestTaken) {
			return r.replayedAfter(ctx, a, journal.ActionLicenseIssue, t, q.answered)
		}
		r.step("issue.saved")
		p.issued.Revision = 1
		return p.issued, explainSave(err)
	}
	return Issued{}, errors.New("no free serial was found")
}

// errNotIssuable says why no license can be issued under a type without a published
// version. That there is a draft is said to the participant that wrote it.
func errNotIssuable(a Actor, h catalog.Heads) error {
	switch newest := h.Newest(); {
	case newest != nil && newest.State == catalog.TypeDraft && newest.Owner == a.Participant:
		return refusal.Conflict("type_draft", "The license type is not published yet.")
	case h.Mandating() == nil:
		return refusal.Invalid("type_unknown", "There is no license type with this code.")
	}
	return refusal.Conflict("type_retired", "The license type is retired; no licenses are issued under it.")
}

// explainSave turns a store's conflict into what the caller may see.
func explainSave(err error) error {
	switch {
	case errors.Is(err, ErrConflict):
		return refusal.ChangedMeanwhile()
	case errors.Is(err, ErrIdentifierTaken):
		return refusal.Conflict("serial_taken", "A license of this type and authority has this serial already.")
	case errors.Is(err, ErrNumberTaken):
		return refusal.Conflict("number_taken", "Another license of this type and authority has this number already.")
	case errors.Is(err, ErrNotFound):
		return errLicenseUnknown()
	case err != nil:
		return fmt.Errorf("saving license: %w", err)
	}
	return nil
}

// authority returns the caller's participant as credentials name it.
func (r *Registry) authority(ctx context.Context, a Actor) (credential.PresentedBy, error) {
	code := party.USCC(a.USCC)
	name, err := r.names.name(ctx, code)
	if errors.Is(err, ErrNotFound) {
		return credential.PresentedBy{}, refusal.Forbidden("participant_unknown", "The caller's participant is not registered.")
	}
	if err != nil {
		return credential.PresentedBy{}, fmt.Errorf("finding the name of authority %s: %w", code, err)
	}
	return credential.PresentedBy{Code: code, Name: name}, nil
}

// version says which version seal shall make.
type version struct {
	id       ID
	number   int // 1, 2, …
	state    State
	serial   string // empty: a random one
	source   string // the client it came from
	replaces ReplaceKind
	previous credential.Identifier // of the version that it replaces
	issued   time.Time
	// suspension goes over from the version before, if it is suspended with a document.
	suspension *Suspension
}

// prepared is a version ready to be stored.
type prepared struct {
	record  VersionRecord
	lookups []LookupRow
	issued  Issued
}

// seal gives a draft its identifier and verification code, signs its
// credential and seals its record. Nothing is stored yet, but it has an entry of a
// status list, which whoever doesn't store it gives back.
func (r *Registry) seal(ctx context.Context, d draft, v version) (p prepared, err error) {
	if v.serial == "" {
		serial, err := credential.RandomSerial(rand.Reader)
		if err != nil {
			return prepared{}, err
		}
		v.serial = serial
	}
	identifier, err := credential.NewIdentifier(d.typ.Code, d.authority.Code, v.serial, v.number)
	if e, ok := errors.AsType[*credential.IdentifierError](err); ok {
		return prepared{}, refusal.Invalid(e.Reason, "The serial must be 1 to 64 digits and upper-case letters, and hold no citizen number; versions go to 999.",
			schema.Violation{Pointer: "/serial", Keyword: e.Reason, Message: "cannot be part of an identifier"})
	} else if err != nil {
		return prepared{}, err
	}
	key, err := r.c.Keyrings.Active(ctx, signing.PurposeAuthority, string(d.authority.Code))
	if errors.Is(err, signing.ErrNoKey) || err == nil && key.Signer == nil {
		return prepared{}, refusal.Conflict("authority_key_missing", "The authority has no active signing key in this installation. Ask the operator to make one.")
	} else if err != nil {
		return prepared{}, fmt.Errorf("finding the authority's key: %w", err)
	}
	slot, err := r.lists.Take(ctx)
	if err != nil {
		return prepared{}, err
	}
	defer func() {
		if err != nil {
			r.lists.Give(slot)
		}
	}()
	b := &body{
		Identifier: identifier, Serial: v.serial, Number: d.content.Number, Holders: d.content.Holders,
		AreaCode: d.content.AreaCode, Fields: d.content.Fields, Replaces: v.replaces,
		Provenance: Provenance{Source: v.source, Time: v.issued}, VerificationCode: newVerificationCode(),
	}
	m := r.takeScratch()
	defer r.scratch.Put(m)
	holderKey, err := r.sign(m, d, v, b, key, slot)
	if err != nil {
		return prepared{}, err
	}
	return r.sealed(ctx, m, d, v, b, slot, holderKey)
}

// sealed seals the columns of a signed version, whose credential lies in m.
func (r *Registry) sealed(ctx context.Context, m *scratch, d draft, v version, b *body, slot status.Slot, holderKey []byte) (prepared, error) {
	rec := VersionRecord{
		License: v.id, Version: v.number, State: v.state, TypeVersion: d.typ.Version,
		Origin: credential.OriginAuthority, TrustGrade: credential.GradeA,
		ValidFrom: d.content.ValidFrom, ValidUntil: d.content.ValidUntil,
		StatusList: slot.List, StatusIndex: slot.Index, Issued: v.issued,
	}
	var err error
	if m.body, err = b.append(m.body[:0]); err != nil {
		return prepared{}, fmt.Errorf("encoding the body of a license: %w", err)
	}
	at := place(v.id, v.number, "")
	all := make([]byte, 0, len(m.body)+len(m.credential)+len(holderKey)+3*signing.SealedExtra)
	for _, column := range [...]struct {
		name  string
		plain []byte
		to    *[]byte
	}{{"body", m.body, &rec.Body}, {"credential", m.credential, &rec.Credential}, {"holder_key", holderKey, &rec.HolderKey}} {
		from := len(all)
		at.Column = column.name
		if all, err = r.c.Vault.AppendSealed(ctx, all, at, column.plain); err != nil {
			return prepared{}, err
		}
		*column.to = all[from:len(all):len(all)]
	}
	if v.suspension != nil {
		if rec.Suspension, err = r.sealJSON(ctx, v.id, v.number, "suspension", v.suspension); err != nil {
			return prepared{}, err
		}
	}
	rows, err := r.lookups(ctx, d.typ.Code, d.authority.Code, b, d.typ.Numbers)
	if err != nil {
		return prepared{}, err
	}
	return prepared{rec, rows, Issued{
		ID: v.id, Identifier: b.Identifier, VerificationCode: b.VerificationCode,
		Version: v.number, State: v.state, Credential: string(m.credential),
	}}, nil
}

// saveRequest puts together the one change that stores a prepared version.
func (r *Registry) saveRequest(ctx context.Context, a Actor, act journal.Action, p prepared, rec Record, t *attempt, detail map[string]string) (SaveRequest, error) {
	rec.Version, rec.State, rec.Updated = p.record.Version, p.record.State, p.record.Issued
	e, err := r.journal.Event(ctx, a.Did(act, rec.ID, rec.Version, "ok", detail))
	if err != nil {
		r.lists.Give(p.record.slot())
		return SaveRequest{}, err
	}
	s := SaveRequest{Record: rec, Add: &p.record, Lookups: p.lookups, Event: e}
	if t != nil {
		done := t.Request
		done.License, done.Version, done.State, done.Created = rec.ID, rec.Version, rec.State, p.record.Issued
		done.Revision = rec.Revision + 1
		s.Request = &done
	}
	return s, nil
}

// attempt is a request with an idempotency key that was not used before.
type attempt struct {
	Request
	of []string // what the fingerprint is of: see fingerprinted
}

// attempt looks an idempotency key up. It returns what is to be remembered of
// this request, or what the key was used for before, which must have been the
// same request. Without a key it returns neither.
func (r *Registry) attempt(ctx context.Context, a Actor, key, operation string, id ID, q repeatable) (*attempt, *Request, error) {
	if key == "" {
		return nil, nil, nil
	}
	if len(key) > maxKey || !visibleASCII(key) {
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
	t := &attempt{Request{Keys: keys}, of}
	switch known, err := r.earlier(ctx, t); {
	case err == nil:
		return nil, known, nil
	case !errors.Is(err, ErrNotFound):
		return nil, nil, err
	}
	t.Fingerprint, err = r.c.Vault.MAC(ctx, domainFingerprint, t.of...)
	return t, nil, err
}

// earlier returns the request that an attempt repeats, or ErrNotFound; an
// *refusal.Error if the key was used for another request.
func (r *Registry) earlier(ctx context.Context, t *attempt) (*Request, error) {
	known, err := r.c.Stores.LoadRequest(ctx, t.Keys)
	if err != nil {
		return nil, fmt.Errorf("looking up an idempotency key: %w", err)
	}
	same, err := r.c.Vault.CheckMAC(ctx, known.Fingerprint, domainFingerprint, t.of...)
	if err != nil {
		return nil, fmt.Errorf("comparing a repeated request: %w", err)
	}
	if id := ID(t.of[1]); same && id != "" && id != known.License {
		return nil, r.refuseRequest(&known)
	}
	if !same {
		return nil, refusal.Conflict("idempotency_key_reused", "This Idempotency-Key was used for another request before. Use a new key for a new request.")
	}
	return &known, nil
}

// replayedAfter is replayed for an attempt that lost a race against itself.
func (r *Registry) replayedAfter(ctx context.Context, a Actor, act journal.Action, t *attempt, fits answered) (Issued, error) {
	known, err := r.earlier(ctx, t)
	return r.replayed(ctx, a, act, known, fits, err)
}

// answered reports whether a version of a license may be what a request made.
type answered func(Record, int, *body) bool

func (q *IssueRequest) answered(rec Record, version int, b *body) bool {
	return rec.Type == q.TypeCode && version == 1 && b.has(q.Number, q.Holders)
}

func (q *ReplaceRequest) answered(_ Record, version int, b *body) bool {
	return version > 1 && b.has(q.Number, q.Holders)
}

// has reports whether a version has a number and holders as they were asked for.
func (b *body) has(number string, holders []credential.Holder) bool {
	return (number == "" || numberKey(number) == numberKey(b.Number)) && !slices.ContainsFunc(holders, func(h credential.Holder) bool {
		code, err := party.ParseCode(h.CodeType, h.Code)
		return err == nil && !heldBy(b.Holders, h.Role, []party.Code{code})
	})
}

// refuseRequest refuses the row of an idempotency key, which decides nothing: what it
// leads to must be what the request made.
func (r *Registry) refuseRequest(req *Request) error {
	return r.c.Vault.Auth().Refuse("requests", string(req.License), "an idempotency key leads to it that another license was made with")
}

// replayed makes the answer to an earlier request again. That reads the license,
// so it leaves an event.
func (r *Registry) replayed(ctx context.Context, a Actor, act journal.Action, req *Request, fits answered, err error) (Issued, error) {
	if err != nil {
		return Issued{}, err
	}
	if err := r.journal.Repeating(ctx, a.Did(act, req.License, req.Version, ResultReplayed, nil)); err != nil {
		return Issued{}, err
	}
	rec, v, err := r.ownVersion(ctx, a, req.License, req.Version)
	if err != nil {
		return Issued{}, fmt.Errorf("loading license %s: %w", req.License, err)
	}
	var b body
	if err := r.openJSON(ctx, v, "body", v.Body, &b); err != nil {
		return Issued{}, err
	}
	if !fits(rec, v.Version, &b) {
		return Issued{}, r.refuseRequest(req)
	}
	if req.Version == 1 {
		req.Revision = 1 // also of before it was kept
	}
	credential, err := r.openCredential(ctx, v)
	return Issued{
		ID: req.License, Identifier: b.Identifier, VerificationCode: b.VerificationCode,
		Version: req.Version, Revision: req.Revision, State: req.State, Credential: credential, Replayed: true,
	}, err
}

func visibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// verificationAlphabet is Crockford's base 32: no I, L, O, U to be misread.
const verificationAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newVerificationCode returns 8 random characters, 40 bits.
func newVerificationCode() string {
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = verificationAlphabet[b[i]&31]
	}
	return string(b[:])
}

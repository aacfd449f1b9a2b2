package license

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// Body is the personal part of a version: what its record keeps sealed.
type Body struct {
	Identifier       credential.Identifier `json:"identifier"`
	CheckMismatch    bool                  `json:"check_mismatch,omitempty"`
	Serial           string                `json:"serial"`
	Number           string                `json:"number"`
	Holders          []credential.Holder   `json:"holders"`
	AreaCode         string                `json:"area_code,omitempty"`
	Fields           json.RawMessage       `json:"fields"`
	Provenance       Provenance            `json:"provenance"`
	Replaces         ReplaceKind           `json:"replaces,omitempty"`
	VerificationCode string                `json:"verification_code"`
}

// Append appends the body as JSON. It writes what encoding/json would write, except that it does not escape
// characters for HTML, and it costs a fifth. The body's fields were checked to be strict JSON before they got
// here.
func (b *Body) Append(dst []byte) ([]byte, error) {
	o := objectWriter{out: slices.Grow(dst, 512+len(b.Fields)+256*len(b.Holders))}
	o.begin()
	o.text("identifier", string(b.Identifier))
	if b.CheckMismatch {
		o.raw("check_mismatch", []byte("true"))
	}
	o.text("serial", b.Serial)
	o.text("number", b.Number)
	o.name("holders")
	o.out = append(o.out, '[')
	for i := range b.Holders {
		h := &b.Holders[i]
		if i > 0 {
			o.out = append(o.out, ',')
		}
		o.begin()
		o.text("name", h.Name)
		o.text("code_type", string(h.CodeType))
		o.text("code", h.Code)
		o.text("role", h.Role)
		o.some("share", h.Share)
		o.end()
	}
	o.out = append(o.out, ']')
	o.some("area_code", b.AreaCode)
	o.raw("fields", b.Fields)
	o.name("provenance")
	o.begin()
	o.text("source", b.Provenance.Source)
	o.some("record_id", b.Provenance.RecordID)
	o.some("record_hash", b.Provenance.RecordHash)
	o.some("batch", b.Provenance.Batch)
	o.text("time", b.Provenance.Time.Format(time.RFC3339Nano))
	o.end()
	o.some("replaces", string(b.Replaces))
	o.text("verification_code", b.VerificationCode)
	o.end()
	return o.out, o.err
}

// objectWriter writes JSON objects, member by member.
type objectWriter struct {
	out []byte
	err error // the first one
}

func (o *objectWriter) begin() { o.out = append(o.out, '{') }
func (o *objectWriter) end()   { o.out = append(o.out, '}') }

// name begins a member.
func (o *objectWriter) name(name string) {
	if o.out[len(o.out)-1] != '{' {
		o.out = append(o.out, ',')
	}
	o.out = append(o.out, '"')
	o.out = append(o.out, name...)
	o.out = append(o.out, `":`...)
}

// text writes a member whose value is a text.
func (o *objectWriter) text(name, value string) {
	o.name(name)
	var err error
	if o.out, err = jsontext.AppendQuote(o.out, value); err != nil {
		o.err = cmp.Or(o.err, fmt.Errorf("%s is not UTF-8", name))
	}
}

// some writes a member whose value is a text, unless the text is empty.
func (o *objectWriter) some(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

// raw writes a member whose value is JSON already.
func (o *objectWriter) raw(name string, value []byte) {
	o.name(name)
	o.out = append(o.out, value...)
}

// Place returns the place of a version's column. Its row names the license and the version, so that no sealed
// value can be moved to another license or version.
func Place(id audit.ID, version int, column string) vault.Place {
	return vault.Place{Table: "license_versions", Row: string(id) + "/" + strconv.Itoa(version), Column: column}
}

// OpenBody opens the personal part of a stored version.
func (r *Records) OpenBody(ctx context.Context, v VersionRecord) (Body, error) {
	var b Body
	err := r.openJSON(ctx, v, "body", v.Body, &b)
	return b, err
}

// SealEnding seals how a version ended.
func (r *Records) SealEnding(ctx context.Context, id audit.ID, version int, e *Ending) ([]byte, error) {
	return r.sealJSON(ctx, id, version, "ending", e)
}

// SealSuspension seals the ground on which a version is suspended.
func (r *Records) SealSuspension(ctx context.Context, id audit.ID, version int, s *Suspension) ([]byte, error) {
	return r.sealJSON(ctx, id, version, "suspension", s)
}

// sealJSON seals a value as a column of a version.
func (r *Records) sealJSON(ctx context.Context, id audit.ID, version int, column string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %s of a license: %w", column, err)
	}
	return r.c.Vault.Seal(ctx, Place(id, version, column), plain)
}

// open opens a sealed column of a version. A column that does not open was altered, and is refused. Opening
// detects this, not the version's authenticator, which covers only the header, nonce and tag of sealed columns.
func (r *Records) open(ctx context.Context, v VersionRecord, column string, sealed []byte) ([]byte, error) {
	plain, err := r.c.Vault.Open(ctx, Place(v.License, v.Version, column), sealed)
	if errors.Is(err, signing.ErrSealed) {
		err = errors.Join(err, r.c.Vault.Auth().Refuse("license_versions", string(v.License)+"/"+strconv.Itoa(v.Version), "its "+column+" does not open"))
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s of license %s version %d: %w", column, v.License, v.Version, err)
	}
	return plain, nil
}

func (r *Records) openJSON(ctx context.Context, v VersionRecord, column string, sealed []byte, to any) error {
	plain, err := r.open(ctx, v, column, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, to); err != nil {
		return fmt.Errorf("decoding %s of license %s version %d", column, v.License, v.Version)
	}
	return nil
}

// Open returns a stored version as a license.
func (r *Records) Open(ctx context.Context, rec Record, v VersionRecord) (License, error) {
	b, err := r.OpenBody(ctx, v)
	if err != nil {
		return License{}, err
	}
	l := License{
		ID: rec.ID, Revision: rec.Revision, TypeCode: rec.Type, Authority: rec.Authority,
		NewestVersion: rec.Version, CreatedAt: rec.Created, UpdatedAt: rec.Updated,
		Version: Version{
			Version: v.Version, State: v.State, TypeVersion: v.TypeVersion,
			Identifier: b.Identifier, CheckMismatch: b.CheckMismatch, Number: b.Number,
			Holders: b.Holders, ValidFrom: v.ValidFrom, ValidUntil: v.ValidUntil,
			AreaCode: b.AreaCode, Fields: b.Fields, Origin: v.Origin, TrustGrade: v.TrustGrade,
			Provenance: b.Provenance, Replaces: b.Replaces, IssuedAt: v.Issued,
			VerificationCode: b.VerificationCode,
		},
	}
	if v.Ending != nil {
		l.Ending = new(Ending)
		if err := r.openJSON(ctx, v, "ending", v.Ending, l.Ending); err != nil {
			return License{}, err
		}
	}
	if v.State == Suspended {
		if l.Suspension, err = r.OpenSuspension(ctx, v); err != nil {
			return License{}, err
		}
	}
	t, err := r.c.Types.Version(ctx, rec.Type, v.TypeVersion)
	if err != nil {
		return License{}, fmt.Errorf("type of license %s: %w", rec.ID, err)
	}
	l.TypeName = t.Name
	return l, nil
}

// OpenSuspension returns a version's latest suspension, or nil if the version stores none: it was never
// suspended, or the suspension had no document.
func (r *Records) OpenSuspension(ctx context.Context, v VersionRecord) (*Suspension, error) {
	if v.Suspension == nil {
		return nil, nil
	}
	s := new(Suspension)
	return s, r.openJSON(ctx, v, "suspension", v.Suspension, s)
}

// OpenCredential returns a stored version's credential.
func (r *Records) OpenCredential(ctx context.Context, v VersionRecord) (string, error) {
	plain, err := r.open(ctx, v, "credential", v.Credential)
	return string(plain), err
}

// Domains of lookup keys. They are bound into stored keys: never change one.
const (
	domainIdentifier   = "license.identifier"
	domainVerification = "license.verification"
	domainNumber       = "license.number"
	domainHolder       = "license.holder"
)

// Lookups returns the lookup rows of a version.
func (r *Records) Lookups(ctx context.Context, t credential.TypeCode, authority party.USCC, b *Body, policy catalog.NumberPolicy) ([]LookupRow, error) {
	rows := make([]LookupRow, 0, 3+len(b.Holders))
	add := func(k LookupKind, exclusive bool, domain string, values ...string) error {
		keys, err := r.c.Vault.Lookups(ctx, domain, values...)
		rows = append(rows, LookupRow{Kind: k, Keys: keys, Exclusive: exclusive})
		return err
	}
	if err := add(LookupIdentifier, true, domainIdentifier, string(b.Identifier)); err != nil {
		return nil, err
	}
	if err := add(LookupVerification, true, domainVerification, string(b.Identifier), b.VerificationCode); err != nil {
		return nil, err
	}
	number, err := r.numberRow(ctx, t, authority, b.Number)
	if err != nil {
		return nil, err
	}
	number.Exclusive = policy == catalog.NumberUnique
	rows = append(rows, number)
	for _, h := range b.Holders {
		if err := add(LookupHolder, false, domainHolder, string(h.CodeType), h.Code); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// OwnVersion loads a license of the caller's participant, with one of its versions. It refuses another
// participant's license as if it did not exist.
func (r *Records) OwnVersion(ctx context.Context, a audit.Actor, id audit.ID, version int) (Record, VersionRecord, error) {
	if !id.Valid() || version < 0 {
		return Record{}, VersionRecord{}, Unknown()
	}
	rec, v, err := r.c.Store.Load(ctx, id, version)
	if errors.Is(err, ErrNotFound) || err == nil && string(rec.Authority) != a.USCC {
		return Record{}, VersionRecord{}, Unknown()
	}
	if err != nil {
		return Record{}, VersionRecord{}, fmt.Errorf("loading license %s: %w", id, err)
	}
	return rec, v, nil
}

// Unknown returns the refusal for a license that does not exist or is another participant's.
func Unknown() error {
	return refusal.Missing("license_unknown", "There is no such license, or no such version of it, among those of your participant.")
}

// VerificationAlphabet is Crockford's base 32. It has no I, L, O and U, which could be misread.
const VerificationAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

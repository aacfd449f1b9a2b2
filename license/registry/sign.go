package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// sealer makes versions of drafts: it signs their credentials and seals their records.
type sealer struct {
	c       Config
	scratch sync.Pool // of *scratch
}

// version says which version seal shall make.
type version struct {
	id       audit.ID
	number   int // 1, 2, …
	state    license.State
	serial   string // empty: a random one
	source   string // the client it came from
	replaces license.ReplaceKind
	previous credential.Identifier // of the version that it replaces
	issued   time.Time
	// suspension is that of the version before, if that one is suspended and its suspension has a document.
	suspension *license.Suspension
}

// prepared is a version ready to be stored.
type prepared struct {
	record  license.VersionRecord
	lookups []license.LookupRow
	issued  Issued
}

// seal gives a draft its identifier and verification code, signs its credential and seals its record. Nothing is
// stored yet, but the version has taken an entry of a status list. A caller that doesn't store the version gives
// the entry back.
func (r *sealer) seal(ctx context.Context, d draft, v version) (p prepared, err error) {
	if v.serial == "" {
		serial, err := credential.RandomSerial(rand.Reader)
		if err != nil {
			return prepared{}, err
		}
		v.serial = serial
	}
	identifier, err := credential.NewIdentifier(d.typ.Code, d.authority.Code, v.serial, v.number)
	if e, ok := errors.AsType[*credential.IdentifierError](err); ok {
		return prepared{}, refusal.Invalid(refusal.Reason(e.Reason), "The serial must be 1 to 64 digits and upper-case letters, and hold no citizen number; versions go to 999.",
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
	slot, err := r.c.Lists.Take(ctx)
	if err != nil {
		return prepared{}, err
	}
	defer func() {
		if err != nil {
			r.c.Lists.Give(slot)
		}
	}()
	b := &license.Body{
		Identifier: identifier, Serial: v.serial, Number: d.content.Number, Holders: d.content.Holders,
		AreaCode: d.content.AreaCode, Fields: d.content.Fields, Replaces: v.replaces,
		Provenance: license.Provenance{Source: v.source, Time: v.issued}, VerificationCode: newVerificationCode(),
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
func (r *sealer) sealed(ctx context.Context, m *scratch, d draft, v version, b *license.Body, slot status.Slot, holderKey []byte) (prepared, error) {
	rec := license.VersionRecord{
		License: v.id, Version: v.number, State: v.state, TypeVersion: d.typ.Version,
		Origin: credential.OriginAuthority, TrustGrade: credential.GradeA,
		ValidFrom: d.content.ValidFrom, ValidUntil: d.content.ValidUntil,
		StatusList: slot.List, StatusIndex: slot.Index, Issued: v.issued,
	}
	var err error
	if m.body, err = b.Append(m.body[:0]); err != nil {
		return prepared{}, fmt.Errorf("encoding the body of a license: %w", err)
	}
	at := license.Place(v.id, v.number, "")
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
		if rec.Suspension, err = r.c.Records.SealSuspension(ctx, v.id, v.number, v.suspension); err != nil {
			return prepared{}, err
		}
	}
	rows, err := r.c.Records.Lookups(ctx, d.typ.Code, d.authority.Code, b, d.typ.Numbers)
	if err != nil {
		return prepared{}, err
	}
	return prepared{rec, rows, Issued{
		ID: v.id, Identifier: b.Identifier, VerificationCode: b.VerificationCode,
		Version: v.number, State: v.state, Credential: string(m.credential),
	}}, nil
}

// scratch is memory that is used again to seal one version after another.
type scratch struct {
	packer     credential.Packer
	contents   credential.Contents
	credential []byte // lies in the packer
	body       []byte

	key    *signing.Key // that signed last
	header jose.Header  // of its credentials
}

// takeScratch returns a scratch, which is to be put back.
func (r *sealer) takeScratch() *scratch {
	if m, ok := r.scratch.Get().(*scratch); ok {
		return m
	}
	return new(scratch)
}

// sign makes the credential of a version, in m, and the presentation key that its
// cnf names.
func (r *sealer) sign(m *scratch, d draft, v version, b *license.Body, key *signing.Key, s status.Slot) (holderKey []byte, err error) {
	if m.key != key { // keys stay the same from one reading of the keyrings to the next
		m.key, m.header = key, jose.Header{
			Typ: jose.TypCredential, Algorithm: jose.SM2, KeyID: key.KID(), X5C: key.Chain,
		}.Prepared()
	}
	m.contents = credential.Contents{
		TypeCode: d.typ.Code, TypeName: d.typ.Name, TypeVersion: d.typ.Version, Version: v.number,
		Authority: d.authority, Origin: credential.OriginAuthority, TrustGrade: credential.GradeA,
		ValidFrom: d.content.ValidFrom, ValidUntil: d.content.ValidUntil, Issued: v.issued,
		PublicURL: r.c.PublicURL, StatusList: s.List, StatusIndex: s.Index,
		Identifier: b.Identifier, Previous: v.previous, Number: b.Number, AreaCode: b.AreaCode, Holders: b.Holders, Fields: d.fields,
	}
	m.credential, holderKey, err = m.packer.Pack(&m.contents, key.Signer, m.header)
	if errors.Is(err, credential.ErrTooLarge) {
		return nil, refusal.Invalid("license_too_large", "The credential would be longer than 128 KiB or have more than 1024 parts. Shorten the fields, or name fewer holders.")
	}
	return holderKey, err
}

// newVerificationCode returns 8 random characters, 40 bits.
func newVerificationCode() string {
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = license.VerificationAlphabet[b[i]&31]
	}
	return string(b[:])
}

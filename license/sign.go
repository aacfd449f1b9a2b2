package license

import (
	"errors"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// scratch is memory in which one version after another is sealed.
type scratch struct {
	packer     credential.Packer
	contents   credential.Contents
	credential []byte // lies in the packer
	body       []byte

	key    *signing.Key // that signed last
	header jose.Header  // of its credentials
}

// takeScratch returns a scratch, which is to be put back.
func (r *Registry) takeScratch() *scratch {
	if m, ok := r.scratch.Get().(*scratch); ok {
		return m
	}
	return new(scratch)
}

// sign makes the credential of a version, in m, and the presentation key that its
// cnf names.
func (r *Registry) sign(m *scratch, d draft, v version, b *body, key *signing.Key, s status.Slot) (holderKey []byte, err error) {
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

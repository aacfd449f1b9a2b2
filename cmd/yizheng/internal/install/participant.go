package install

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
)

// RingName is what events call a ring.
func RingName(purpose signing.Purpose, owner string) string {
	if owner == "" {
		return string(purpose)
	}
	return string(purpose) + "/" + owner
}

// Participant finds a participant by its id or its code.
func (in *Installation) Participant(ctx context.Context, ref string) (identity.Participant, error) {
	if identity.ValidID(ref) {
		p, err := in.Provider.Clients.Participant(ctx, ref)
		if errors.Is(err, identity.ErrNotFound) {
			return p, texts.Refuse("participant.unknown", ref)
		}
		return p, err
	}
	code, err := party.ParseUSCC(ref)
	if err != nil {
		return identity.Participant{}, texts.Usage("participant.neither", ref, err)
	}
	p, err := in.Provider.Clients.FindParticipant(ctx, code)
	if errors.Is(err, identity.ErrNotFound) {
		return p, texts.Refuse("participant.unknown_code", code)
	}
	return p, err
}

// Certify gives a department its first key, certified by the root. Other
// participants get none, and one that has keys keeps them.
func (in *Installation) Certify(ctx context.Context, ca *pki.CA, p identity.Participant) (signing.KeyRecord, error) {
	if p.Class != identity.Government {
		return signing.KeyRecord{}, nil
	}
	ring, err := in.Keys.Keyrings().Ring(ctx, signing.PurposeAuthority, string(p.USCC))
	if err != nil || len(ring) > 0 {
		return signing.KeyRecord{}, err
	}
	var k signing.KeyRecord
	err = in.Provider.Journal.Change(ctx, in.Actor().Did(journal.ActionKeyCreate, RingName(signing.PurposeAuthority, string(p.USCC)), ""), func() (err error) {
		k, err = in.Keys.AddAuthority(ctx, ca, pki.Subject{Name: p.Name, USCC: string(p.USCC)}, time.Now())
		return err
	})
	return k, err
}

package token

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"sync"

	"yizheng.internal/oidc"
	"yizheng.internal/signing/vault"
)

// Subjects computes the subjects by which clients know people (OpenID Connect Core
// section 8.1), under a salt that the installation makes once.
type Subjects struct {
	vault    *vault.Vault
	settings Settings

	mu   sync.Mutex
	macs *sync.Pool // has hash.Hash: HMAC-SHA-256 under the salt; nil before the first use
}

// NewSubjects returns the service.
func NewSubjects(v *vault.Vault, s Settings) *Subjects {
	return &Subjects{vault: v, settings: s}
}

// saltSetting names the setting that holds the sealed salt. If the salt were lost, every
// department would take its people for new ones.
const saltSetting = "subject_salt"

// Of returns the subject of a party at a client. It differs between participants, unless
// the client is registered for public subjects.
func (p *Subjects) Of(ctx context.Context, c oidc.Client, party string) (string, error) {
	macs, err := p.subjectMACs(ctx)
	if err != nil {
		return "", oidc.Unavailable(fmt.Errorf("the salt of subjects: %w", err))
	}
	sector := c.Participant
	if c.Subject == oidc.SubjectPublic {
		sector = ""
	}
	mac := macs.Get().(hash.Hash)
	defer macs.Put(mac)
	mac.Reset()
	return oidc.DeriveUnder(mac, "subject", sector, party), nil
}

// subjectMACs returns HMACs under the salt, which it makes or reads at the first use.
func (p *Subjects) subjectMACs(ctx context.Context) (*sync.Pool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.macs != nil {
		return p.macs, nil
	}
	place := vault.Place{Table: "settings", Row: saltSetting, Column: "value"}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	sealed, err := p.vault.Seal(ctx, place, fresh)
	if err != nil {
		return nil, err
	}
	stored, err := p.settings.ClaimSetting(ctx, saltSetting, base64.StdEncoding.EncodeToString(sealed))
	if err != nil {
		return nil, err
	}
	if sealed, err = base64.StdEncoding.DecodeString(stored); err != nil {
		return nil, err
	}
	salt, err := p.vault.Open(ctx, place, sealed)
	if err != nil {
		return nil, err
	}
	p.macs = &sync.Pool{New: func() any { return hmac.New(sha256.New, salt) }}
	return p.macs, nil
}

package oidc

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"sync"

	"yizheng.internal/signing"
)

// subjects makes the subjects by which clients know people (OpenID Connect Core
// section 8.1), under a salt that the installation makes once.
type subjects struct {
	mu   sync.Mutex
	macs *sync.Pool // of hash.Hash: HMAC-SHA-256 under the salt; nil before the first use
}

// saltSetting names the setting in which the sealed salt lies. Without it every
// department would take its people for new ones.
const saltSetting = "subject_salt"

// subject returns the subject of a party at a client: another one at each
// participant, unless the client is registered for public subjects.
func (p *Provider) subject(ctx context.Context, c Client, party string) (string, error) {
	macs, err := p.subjectMACs(ctx)
	if err != nil {
		return "", unavailable(fmt.Errorf("the salt of subjects: %w", err))
	}
	sector := c.Participant
	if c.Subject == SubjectPublic {
		sector = ""
	}
	mac := macs.Get().(hash.Hash)
	defer macs.Put(mac)
	mac.Reset()
	return deriveUnder(mac, "subject", sector, party), nil
}

// subjectMACs returns HMACs under the salt, which it makes or reads at the first use.
func (p *Provider) subjectMACs(ctx context.Context) (*sync.Pool, error) {
	p.subjects.mu.Lock()
	defer p.subjects.mu.Unlock()
	if p.subjects.macs != nil {
		return p.subjects.macs, nil
	}
	place := signing.Place{Table: "settings", Row: saltSetting, Column: "value"}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	sealed, err := p.c.Vault.Seal(ctx, place, fresh)
	if err != nil {
		return nil, err
	}
	stored, err := p.c.Settings.ClaimSetting(ctx, saltSetting, base64.StdEncoding.EncodeToString(sealed))
	if err != nil {
		return nil, err
	}
	if sealed, err = base64.StdEncoding.DecodeString(stored); err != nil {
		return nil, err
	}
	salt, err := p.c.Vault.Open(ctx, place, sealed)
	if err != nil {
		return nil, err
	}
	p.subjects.macs = &sync.Pool{New: func() any { return hmac.New(sha256.New, salt) }}
	return p.subjects.macs, nil
}

package oidc

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"

	"yizheng.internal/signing"
)

// subjects makes the subjects by which clients know people (OpenID Connect Core
// section 8.1), under a salt that the installation makes once.
type subjects struct {
	mu   sync.Mutex
	salt string
}

// saltSetting names the setting in which the sealed salt lies. Without it every
// department would take its people for new ones.
const saltSetting = "subject_salt"

// subject returns the subject of a party at a client: another one at each
// participant, unless the client is registered for public subjects.
func (p *Provider) subject(ctx context.Context, c Client, party string) (string, error) {
	salt, err := p.subjectSalt(ctx)
	if err != nil {
		return "", unavailable(fmt.Errorf("the salt of subjects: %w", err))
	}
	sector := c.Participant
	if c.Subject == SubjectPublic {
		sector = ""
	}
	return derive(salt, "subject", sector, party), nil
}

func (p *Provider) subjectSalt(ctx context.Context) (string, error) {
	p.subjects.mu.Lock()
	defer p.subjects.mu.Unlock()
	if p.subjects.salt != "" {
		return p.subjects.salt, nil
	}
	place := signing.Place{Table: "settings", Row: saltSetting, Column: "value"}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	sealed, err := p.c.Vault.Seal(ctx, place, fresh)
	if err != nil {
		return "", err
	}
	stored, err := p.c.Settings.ClaimSetting(ctx, saltSetting, base64.StdEncoding.EncodeToString(sealed))
	if err != nil {
		return "", err
	}
	if sealed, err = base64.StdEncoding.DecodeString(stored); err != nil {
		return "", err
	}
	salt, err := p.c.Vault.Open(ctx, place, sealed)
	if err != nil {
		return "", err
	}
	p.subjects.salt = string(salt)
	return p.subjects.salt, nil
}

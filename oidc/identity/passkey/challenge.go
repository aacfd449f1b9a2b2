package passkey

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/signing"
)

// ChallengeLife is how long a challenge may be answered.
const ChallengeLife = 5 * time.Minute

// domainChallenge is the domain of challenges' MACs.
const domainChallenge = "passkey.challenge"

// A challenge is random bytes, when it expires, and a MAC over both, what it is for and the login
// to which it is bound. So a page can be shown to anybody and nothing is stored of it: only an
// answer is counted, once.
const (
	randomSize    = 16 // bytes: WebAuthn section 13.4.3 asks for 16 at least
	signedSize    = randomSize + 8
	challengeSize = signedSize + 4 + 32 // with the serial of the MAC's key, and the MAC
)

// use is what a challenge is for.
type use string

const (
	toCreate use = "create"
	toGet    use = "get"
)

// CreationChallenge returns a challenge for making a passkey. binding is a secret of the login:
// whoever answers must name the same one.
func (s *Service) CreationChallenge(ctx context.Context, binding string) ([]byte, error) {
	return s.challenge(ctx, toCreate, binding)
}

// RequestChallenge returns a challenge for logging in with a passkey; see CreationChallenge.
func (s *Service) RequestChallenge(ctx context.Context, binding string) ([]byte, error) {
	return s.challenge(ctx, toGet, binding)
}

func (s *Service) challenge(ctx context.Context, u use, binding string) ([]byte, error) {
	c := make([]byte, challengeSize)
	_, _ = rand.Read(c[:randomSize]) // never fails
	binary.BigEndian.PutUint64(c[randomSize:], uint64(time.Now().Add(ChallengeLife).UnixMilli()))
	mac, err := s.c.Vault.MAC(ctx, domainChallenge, string(u), binding, string(c[:signedSize]))
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(c[signedSize:], uint32(mac.Serial))
	copy(c[signedSize+4:], mac.Sum[:])
	return c, nil
}

// spend checks that a challenge, as the browser signed it, is one of ours for this use and login,
// and uses it up. Errors: ErrRefused, ErrExpired, ErrAway.
//
// Ephemeral may lose the count. Then the same answer would pass twice, at the same browser within
// five minutes, from which nobody gains anything. So Ephemeral is good enough for it.
func (s *Service) spend(ctx context.Context, u use, binding, text string) error {
	c, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(c) != challengeSize {
		return fmt.Errorf("%w: that is no challenge", ErrRefused)
	}
	mac := signing.Lookup{Serial: int32(binary.BigEndian.Uint32(c[signedSize:]))}
	copy(mac.Sum[:], c[signedSize+4:])
	ours, err := s.c.Vault.CheckMAC(ctx, mac, domainChallenge, string(u), binding, string(c[:signedSize]))
	if err != nil && !errors.Is(err, signing.ErrNoKey) {
		return err
	}
	if !ours {
		return fmt.Errorf("%w: the challenge is another login's", ErrRefused)
	}
	now := time.Now()
	if !now.Before(time.UnixMilli(int64(binary.BigEndian.Uint64(c[randomSize:])))) {
		return ErrExpired
	}
	// The count is kept for as long as a challenge lives, from now on: so it outlives this one.
	n, err := s.c.Ephemeral.Count(ctx, "identity.passkey."+hex.EncodeToString(mac.Sum[:]), 1, ChallengeLife, now)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAway, err)
	case n > 1:
		return ErrExpired
	}
	return nil
}

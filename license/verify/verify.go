// Package verify verifies what people are shown: a credential, whole or with parts
// withheld, or what is printed on a license. Package credential has the checks; here they
// get what an installation knows of status and of certificates, and guessing is bounded.
package verify

import (
	"context"
	"errors"
	"sync"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/vault"
)

// Bounds on guessing verification codes, which have 40 random bits: how many wrong tries for an identifier a
// caller has in an hour, and each of the networks that the caller is in. There is no bound for all callers
// together, because it would lock the license's holder out. Even without it, a million addresses need decades.
// But if an identifier gets many wrong tries, each caller has only a few: a second one for somebody who mistyped
// the first.
const (
	wrongOfOne     = 10
	wrongOfNetwork = 5   // times as many tries for each wider network as for the one inside it
	wrongOfAll     = 500 // after so many by all callers …
	wrongInFlood   = 2   // … each caller has this many
	wrongWindow    = time.Hour
	wrongKept      = 100_000 // counts remembered at most
)

// domainTries is the domain of the keyed hashes by which wrong tries are counted. They are not stored.
const domainTries = "license.tries"

// tries counts wrong verification codes by identifier and caller, whether or not
// there is a license with it. It counts in this process alone: a restart, or
// another node, gives as many tries again, which 40 bits can bear.
type tries struct {
	mu    sync.Mutex
	wrong map[[32]byte]wrongTries
}

type wrongTries struct {
	n     int
	since time.Time
}

// left reports whether there are fewer wrong tries than most.
func (t *tries) left(key [32]byte, most int, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.wrong[key]
	return w.n < most || now.Sub(w.since) >= wrongWindow
}

// miss counts a wrong try.
func (t *tries) miss(key [32]byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wrong) >= wrongKept {
		t.drop(now)
	}
	w := t.wrong[key]
	if now.Sub(w.since) >= wrongWindow {
		w = wrongTries{since: now}
	}
	w.n++
	t.wrong[key] = w
}

// drop forgets counts whose time is over. If that frees too little, it forgets some of the others: whoever fills
// the memory gains single tries at most.
func (t *tries) drop(now time.Time) {
	for k, w := range t.wrong {
		if now.Sub(w.since) >= wrongWindow {
			delete(t.wrong, k)
		}
	}
	for k, w := range t.wrong {
		if len(t.wrong) < wrongKept*9/10 {
			return
		}
		if w.n < wrongOfOne {
			delete(t.wrong, k)
		}
	}
	clear(t.wrong)
}

// Config says what a [Service] works with. All of it is required.
type Config struct {
	Records    *license.Records
	Keyrings   *signing.Keyrings
	Vault      *vault.Vault
	Anchors    *pki.Anchors
	Signatures *jose.Verifier
	Status     credential.StatusSource
}

// Service verifies what people are shown: credentials, and what is printed on
// licenses. Safe for concurrent use.
type Service struct {
	c        Config
	tries    tries
	verifier credential.Verifier
}

// New returns a Service.
func New(c Config) *Service {
	r := &Service{c: c, tries: tries{wrong: map[[32]byte]wrongTries{}}}
	r.verifier = credential.Verifier{Anchors: c.Anchors, Signatures: c.Signatures, Status: c.Status, Revoked: r.revoked}
	return r
}

// Verify checks a credential, whole or with fields withheld. It always returns a verdict.
func (r *Service) Verify(ctx context.Context, token string) credential.Verification {
	return r.VerifyBound(ctx, token, credential.Binding{})
}

// VerifyBound checks a credential and the key binding that was asked for.
func (r *Service) VerifyBound(ctx context.Context, token string, b credential.Binding) credential.Verification {
	return r.verifier.VerifyBound(ctx, token, b, time.Now())
}

// VerifyIdentifier checks the license with an identifier and the verification code printed on it. It verifies the
// license's own credential, of which it then shows only type, authority, dates and masked holders. An unknown
// identifier and a wrong code get one uniform answer from one look-up. A mistyped input is no verdict but a
// *refusal.Error of refusal.KindInvalid: this is what can't be an identifier or a code, and an unknown identifier
// whose check character is wrong, which anybody can compute. from says who asks, as far as that is known, such as
// a network address, followed by the wider networks that it is in. A *refusal.Error of refusal.KindLimited means
// that this caller had too many wrong tries for this identifier; other callers' wrong tries keep nobody from the
// right code.
func (r *Service) VerifyIdentifier(ctx context.Context, identifier, code string, from ...string) (credential.Verification, error) {
	now := time.Now()
	typed, err := readPrinted(identifier, code)
	if err != nil {
		return credential.Verification{}, err
	}
	id := typed.identifier
	counted, err := r.mayTry(ctx, id, from, now)
	if err != nil {
		return credential.Verification{}, err
	}
	at, err := r.c.Records.Locate(ctx, id, typed.code)
	if errors.Is(err, license.ErrNotFound) {
		for _, key := range counted {
			r.tries.miss(key, now)
		}
		if typed.mistyped {
			return credential.Verification{}, errMistyped()
		}
		return credential.NotFound(now), nil
	} else if err != nil {
		return credential.Verification{}, err
	}
	token, err := r.c.Records.PrintedCredential(ctx, at, id, typed.code)
	if err != nil {
		return credential.Verification{}, err
	}
	out := r.verifier.Verify(ctx, token, now)
	out.License.Mask()
	return out, nil
}

// mayTry returns the counters in which one more wrong try would count: the identifier's own, and one for the
// identifier with each of the caller's addresses and networks, the narrowest first. It returns an error with the
// reason verification_limited if one of the latter is full.
func (r *Service) mayTry(ctx context.Context, id credential.Identifier, from []string, now time.Time) ([][32]byte, error) {
	ofAll, err := r.c.Vault.MAC(ctx, domainTries, string(id))
	if err != nil {
		return nil, err
	}
	most := wrongOfOne
	if !r.tries.left(ofAll.Sum, wrongOfAll, now) {
		most = wrongInFlood
	}
	counted := [][32]byte{ofAll.Sum}
	for _, caller := range from {
		of, err := r.c.Vault.MAC(ctx, domainTries, string(id), caller)
		if err != nil {
			return nil, err
		}
		if !r.tries.left(of.Sum, most, now) {
			return nil, refusal.Limited("verification_limited", "Too many wrong tries for this identifier. Try again in an hour.")
		}
		counted = append(counted, of.Sum)
		most *= wrongOfNetwork
	}
	return counted, nil
}

// revoked tells what the registry knows of a certificate that it made. It returns an error if the record of the
// certificate's key is gone, because the record may have said that the certificate was revoked.
func (r *Service) revoked(ctx context.Context, der []byte) (reason string, from time.Time, revoked bool, err error) {
	k, err := r.c.Keyrings.ByCertificate(ctx, der)
	if errors.Is(err, signing.ErrNoKey) {
		c, parseErr := pki.ParseCertificate(der)
		if parseErr != nil {
			return "", time.Time{}, false, parseErr
		}
		ours, issuerErr := r.c.Keyrings.IssuedHere(ctx, c)
		switch {
		case issuerErr != nil:
			return "", time.Time{}, false, issuerErr
		case !ours: // an external CA's: it has lists of its own
			return "", time.Time{}, false, nil
		}
	}
	if err != nil {
		return "", time.Time{}, false, err
	}
	return k.Reason, k.Revoked, k.State == signing.KeyRevoked, nil
}

package license

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
)

// Bounds on guessing verification codes: 40 random bits against this many wrong tries
// an hour for an identifier, by a caller and by the networks that the caller is in. There is no bound
// for all callers together, which would lock the license's holder out: a million addresses need decades.
// But when an identifier gets many wrong tries, each caller has few: a
// second one, for who mistyped the first.
const (
	wrongOfOne     = 10
	wrongOfNetwork = 5   // times as many, of each wider network as of the one in it
	wrongOfAll     = 500 // from then on …
	wrongInFlood   = 2   // … this many of one
	wrongWindow    = time.Hour
	wrongKept      = 100_000 // counts remembered at most
)

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

// drop forgets what is over, and if that is too little, some of the rest:
// whoever fills the memory gains single tries at most.
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

// Verify checks a credential, whole or with fields withheld. It always returns a verdict.
func (r *Registry) Verify(ctx context.Context, token string) credential.Verification {
	return r.VerifyBound(ctx, token, credential.Binding{})
}

// VerifyBound checks a credential and the key binding that was asked for.
func (r *Registry) VerifyBound(ctx context.Context, token string, b credential.Binding) credential.Verification {
	return r.verifier.VerifyBound(ctx, token, b, time.Now())
}

// VerifyIdentifier checks the license with an identifier and the verification
// code printed on it: its own credential, of which then only type, authority,
// dates and masked holders are shown. An unknown identifier and a wrong code get
// one uniform answer from one look-up. What was mistyped is no verdict but an
// *refusal.Error of refusal.KindInvalid: what can't be an identifier or a code, and an unknown
// identifier whose check character is wrong, which anybody can compute. From says who asks, as
// far as that is known, such as a network address, and after it wider networks which that is in. A *refusal.Error of refusal.KindLimited
// means too many wrong tries by this caller for this identifier; others' keep nobody
// from the right code.
func (r *Registry) VerifyIdentifier(ctx context.Context, identifier, code string, from ...string) (credential.Verification, error) {
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
	keys, err := r.c.Vault.Lookups(ctx, domainVerification, string(id), typed.code)
	if err != nil {
		return credential.Verification{}, err
	}
	at, err := r.c.Stores.Locate(ctx, LookupVerification, keys)
	if errors.Is(err, ErrNotFound) {
		for _, key := range counted {
			r.tries.miss(key, now)
		}
		if typed.mistyped {
			return credential.Verification{}, errMistyped()
		}
		return credential.NotFound(now), nil
	} else if err != nil {
		return credential.Verification{}, fmt.Errorf("locating a license: %w", err)
	}
	token, err := r.credentialOf(ctx, at, typed)
	if err != nil {
		return credential.Verification{}, err
	}
	out := r.verifier.Verify(ctx, token, now)
	out.License.Mask()
	return out, nil
}

// mayTry returns the counters of wrong tries that one more from there would count
// in: the identifier's own, and those of it and each of the callers' networks, the
// narrowest first. It is an error of reason verification_limited if one is full.
func (r *Registry) mayTry(ctx context.Context, id credential.Identifier, from []string, now time.Time) ([][32]byte, error) {
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

// credentialOf returns the credential of the version that a printed code led to. The row
// that led there decides nothing: the version itself must have identifier and code.
func (r *Registry) credentialOf(ctx context.Context, at Located, typed printed) (string, error) {
	_, v, err := r.c.Stores.Load(ctx, at.License, at.Version)
	if err != nil {
		return "", fmt.Errorf("loading license %s: %w", at.License, err)
	}
	var b body
	if err := r.openJSON(ctx, v, "body", v.Body, &b); err != nil {
		return "", err
	}
	if b.Identifier != typed.identifier || b.VerificationCode != typed.code {
		return "", r.c.Vault.Auth().Refuse("identifiers", string(at.License), "a verification code leads to it that is another license's")
	}
	return r.openCredential(ctx, v)
}

// revoked tells what the registry knows of a certificate that it made. One of its own
// whose key's record is gone is an error: the record may have said that it was revoked.
func (r *Registry) revoked(ctx context.Context, der []byte) (reason string, from time.Time, revoked bool, err error) {
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

// rehashPage is how many versions Rehash takes at a time, and rehashTries how
// often it tries one that is changed meanwhile.
const (
	rehashPage  = 200
	rehashTries = 10
)

// Rehash gives every stored version, grant and access record its lookup keys under
// all live lookup keys, and calls progress, if not nil, with how many it has done. It
// can be run again, and beside a running server. Idempotency keys are not kept,
// so they can't be renewed: keep an old lookup key until no client will repeat
// a request made under it.
func (r *Registry) Rehash(ctx context.Context, progress func(done int)) error {
	done := 0
	count := func() {
		if done++; progress != nil && done%rehashPage == 0 {
			progress(done)
		}
	}
	if err := r.rehashVersions(ctx, count); err != nil {
		return err
	}
	if err := r.rehashGrants(ctx, count); err != nil {
		return err
	}
	if err := r.rehashAccess(ctx, count); err != nil {
		return err
	}
	if err := r.numbersFolded(ctx); err != nil {
		return err
	}
	if progress != nil {
		progress(done)
	}
	return nil
}

func (r *Registry) rehashVersions(ctx context.Context, each func()) error {
	var at Located
	for {
		vs, err := r.c.Stores.Versions(ctx, at, rehashPage)
		if err != nil {
			return fmt.Errorf("listing versions: %w", err)
		}
		for _, v := range vs {
			if err := r.rehash(ctx, v); err != nil {
				return err
			}
			each()
		}
		if len(vs) < rehashPage {
			return nil
		}
		last := vs[len(vs)-1]
		at = Located{last.License, last.Version}
	}
}

// rehash renews the lookup keys of a version, unless the license changes all the time.
func (r *Registry) rehash(ctx context.Context, v VersionRecord) error {
	var err error
	for range rehashTries {
		if err = r.rehashNow(ctx, v); !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("renewing lookup keys of license %s: %w", v.License, err)
	}
	return nil
}

func (r *Registry) rehashNow(ctx context.Context, v VersionRecord) error {
	rec, newest, err := r.c.Stores.Load(ctx, v.License, 0)
	if err != nil {
		return fmt.Errorf("loading license %s: %w", v.License, err)
	}
	var b body
	if err := r.openJSON(ctx, v, "body", v.Body, &b); err != nil {
		return err
	}
	current := b
	if newest.Version != v.Version {
		if err := r.openJSON(ctx, newest, "body", newest.Body, &current); err != nil {
			return err
		}
	}
	t, err := r.catalog.Types().Version(ctx, rec.Type, newest.TypeVersion)
	if err != nil {
		return err
	}
	rows, err := r.lookups(ctx, rec.Type, rec.Authority, &b, t.Numbers)
	if err != nil {
		return err
	}
	number := &rows[slices.IndexFunc(rows, func(row LookupRow) bool { return row.Kind == LookupNumber })]
	number.Former = rec.State == Ended || numberKey(current.Number) != numberKey(b.Number)
	at := Located{v.License, v.Version}
	err = r.c.Stores.AddLookups(ctx, at, rec.Revision, rows)
	if errors.Is(err, ErrNumberTaken) {
		// Of before numbers were folded, or kept apart: both stay, the other one has it.
		r.c.Log.WarnContext(ctx, "two licenses have the same number, perhaps written otherwise", "license", v.License, "version", v.Version)
		number.Former = true
		err = r.c.Stores.AddLookups(ctx, at, rec.Revision, rows)
	}
	return err
}

// PurgeLookups deletes all lookup keys made under a lookup key that is out of
// use, and calls progress, if not nil, with how many are gone.
func (r *Registry) PurgeLookups(ctx context.Context, serial int32, progress func(gone int)) error {
	const page = 1000
	gone := 0
	for {
		n, err := r.c.Stores.PurgeLookups(ctx, serial, page)
		if err != nil {
			return fmt.Errorf("purging lookup keys: %w", err)
		}
		gone += n
		if progress != nil {
			progress(gone)
		}
		if n < page {
			return nil
		}
	}
}

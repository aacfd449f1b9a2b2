package license

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// RecordsConfig says what [Records] work with. All of it is required.
type RecordsConfig struct {
	Store Store // see AuthenticStores
	Vault *vault.Vault
	Types *catalog.Types
}

// Records are licenses as they are stored. Their methods find, load and open licenses, and change none. So the
// rooms above that are given Records cannot issue, change or end a license. Safe for concurrent use.
type Records struct{ c RecordsConfig }

// NewRecords returns the records in a store.
func NewRecords(c RecordsConfig) *Records { return &Records{c} }

// Load returns a license and one of its versions, 0 for the newest, or ErrNotFound.
func (r *Records) Load(ctx context.Context, id audit.ID, version int) (Record, VersionRecord, error) {
	return r.c.Store.Load(ctx, id, version)
}

// Search returns up to q.Limit records.
func (r *Records) Search(ctx context.Context, q Query) ([]Record, error) {
	return r.c.Store.Search(ctx, q)
}

// Holders returns the holders that a stored version names.
func (r *Records) Holders(ctx context.Context, v VersionRecord) ([]credential.Holder, error) {
	b, err := r.OpenBody(ctx, v)
	return b.Holders, err
}

// PresentationKey opens the key that a stored version's credential names in its cnf.
func (r *Records) PresentationKey(ctx context.Context, v VersionRecord) (*sm2.PrivateKey, error) {
	secret, err := r.open(ctx, v, "holder_key", v.HolderKey)
	if err != nil {
		return nil, err
	}
	key, err := sm2.NewPrivateKey(secret)
	if err != nil {
		return nil, fmt.Errorf("reading the presentation key of license %s: %w", v.License, err)
	}
	return key, nil
}

// TypeOf returns the type under which a version of a license was issued, for lists that name the license. It
// shows nothing that the license holds, so it leaves no event. It returns the *refusal.Error license_unknown if
// there is no such license.
func (r *Records) TypeOf(ctx context.Context, id audit.ID, version int) (catalog.Type, error) {
	if !id.Valid() {
		return catalog.Type{}, refusal.Missing("license_unknown", "There is no such license.")
	}
	rec, v, err := r.c.Store.Load(ctx, id, version)
	if errors.Is(err, ErrNotFound) {
		return catalog.Type{}, refusal.Missing("license_unknown", "There is no such license.")
	} else if err != nil {
		return catalog.Type{}, fmt.Errorf("loading license %s: %w", id, err)
	}
	return r.c.Types.Version(ctx, rec.Type, v.TypeVersion)
}

// HolderKeys returns the lookup keys by which licenses are found whose holders have these codes.
func (r *Records) HolderKeys(ctx context.Context, codes []party.Code) ([]signing.Lookup, error) {
	var keys []signing.Lookup
	for _, c := range codes {
		ks, err := r.c.Vault.Lookups(ctx, domainHolder, string(c.Type), c.Value)
		if err != nil {
			return nil, err
		}
		keys = append(keys, ks...)
	}
	return keys, nil
}

// HeldBy reports whether a holder has one of the codes. If role isn't empty, that holder must also have the role.
func HeldBy(hs []credential.Holder, role string, codes []party.Code) bool {
	return slices.ContainsFunc(hs, func(h credential.Holder) bool {
		return (role == "" || h.Role == role) && slices.Contains(codes, party.Code{Type: h.CodeType, Value: h.Code})
	})
}

// Unusable returns why a version of a license proves nothing now, or "" if nothing is wrong with it.
func (v *VersionRecord) Unusable(now time.Time) refusal.Reason {
	today := party.DateOf(now)
	switch {
	case v.State == Suspended:
		return refusal.ReasonLicenseSuspended
	case v.State == Superseded:
		return refusal.ReasonLicenseSuperseded
	case v.State != Active:
		return refusal.ReasonLicenseEnded
	case !v.ValidUntil.IsZero() && v.ValidUntil.Before(today):
		return refusal.ReasonLicenseExpired
	case today.Before(v.ValidFrom):
		return refusal.ReasonLicenseNotYetValid
	}
	return ""
}

// Standing returns what a license's records say about the state of a version, or [status.ErrNotFound]. The
// records carry authenticators, and the license's own record has a register.
func (r *Records) Standing(ctx context.Context, of status.Version) (status.Standing, error) {
	rec, v, err := r.c.Store.Load(ctx, audit.ID(of.License), of.Number)
	if errors.Is(err, ErrNotFound) {
		return status.Standing{}, status.ErrNotFound
	} else if err != nil {
		return status.Standing{}, err
	}
	s, err := v.standing()
	s.Revision = rec.Revision
	return s, err
}

// Locate returns the license and version that an identifier and a verification code lead to, or ErrNotFound.
func (r *Records) Locate(ctx context.Context, identifier credential.Identifier, code string) (Located, error) {
	keys, err := r.c.Vault.Lookups(ctx, domainVerification, string(identifier), code)
	if err != nil {
		return Located{}, err
	}
	at, err := r.c.Store.Locate(ctx, LookupVerification, keys)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Located{}, fmt.Errorf("locating a license: %w", err)
	}
	return at, err
}

// PrintedCredential returns the credential of the version that a printed identifier and verification code led to.
// The lookup row that led there is not trusted: the version itself must have this identifier and code.
func (r *Records) PrintedCredential(ctx context.Context, at Located, identifier credential.Identifier, code string) (string, error) {
	_, v, err := r.c.Store.Load(ctx, at.License, at.Version)
	if err != nil {
		return "", fmt.Errorf("loading license %s: %w", at.License, err)
	}
	b, err := r.OpenBody(ctx, v)
	if err != nil {
		return "", err
	}
	if b.Identifier != identifier || b.VerificationCode != code {
		return "", r.c.Vault.Auth().Refuse("identifiers", string(at.License), "a verification code leads to it that is another license's")
	}
	return r.OpenCredential(ctx, v)
}

// Unreadable reports whether an error concerns a single record only: somebody altered the record, or its data key
// is gone. A list leaves such a record out, and still shows the others.
func Unreadable(err error) bool {
	return errors.Is(err, signing.ErrAltered) || errors.Is(err, signing.ErrSealed) || errors.Is(err, signing.ErrNoKey)
}

// IdentifierKeys returns the lookup keys of an identifier.
func (r *Records) IdentifierKeys(ctx context.Context, identifier string) ([]signing.Lookup, error) {
	return r.c.Vault.Lookups(ctx, domainIdentifier, identifier)
}

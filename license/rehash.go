package license

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"yizheng.internal/license/catalog"
	"yizheng.internal/signing/vault"
)

// LookupsConfig says what [Lookups] work with. All of it is required.
type LookupsConfig struct {
	Store   Stores // see AuthenticStores
	Vault   *vault.Vault
	Records *Records
	Types   *catalog.Types
	Log     *slog.Logger
}

// Lookups renews the lookup keys of licenses after the key that made them was rotated.
type Lookups struct{ c LookupsConfig }

// NewLookups returns a Lookups.
func NewLookups(c LookupsConfig) *Lookups { return &Lookups{c} }

// rehashPage is how many versions Rehash takes at a time. rehashTries is how often it tries a version whose
// license changes meanwhile.
const (
	rehashPage  = 200
	rehashTries = 10
)

// Rehash gives every stored version its lookup keys under all live lookup keys, and calls each after each
// version. Then it notes that all numbers are folded. It can be run again, and while a server is running.
// Idempotency keys are not stored, so their lookup keys can't be renewed: keep an old lookup key until no client
// will repeat a request made under it.
func (r *Lookups) Rehash(ctx context.Context, each func()) error {
	var at Located
	for {
		vs, err := r.c.Store.Versions(ctx, at, rehashPage)
		if err != nil {
			return fmt.Errorf("listing versions: %w", err)
		}
		for _, v := range vs {
			if err := r.renew(ctx, v); err != nil {
				return err
			}
			each()
		}
		if len(vs) < rehashPage {
			return r.foldedAll(ctx)
		}
		last := vs[len(vs)-1]
		at = Located{last.License, last.Version}
	}
}

// renew renews the lookup keys of a version. It gives up if the license changes at every try.
func (r *Lookups) renew(ctx context.Context, v VersionRecord) error {
	var err error
	for range rehashTries {
		if err = r.renewNow(ctx, v); !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("renewing lookup keys of license %s: %w", v.License, err)
	}
	return nil
}

func (r *Lookups) renewNow(ctx context.Context, v VersionRecord) error {
	rec, newest, err := r.c.Store.Load(ctx, v.License, 0)
	if err != nil {
		return fmt.Errorf("loading license %s: %w", v.License, err)
	}
	b, err := r.c.Records.OpenBody(ctx, v)
	if err != nil {
		return err
	}
	current := b
	if newest.Version != v.Version {
		if current, err = r.c.Records.OpenBody(ctx, newest); err != nil {
			return err
		}
	}
	t, err := r.c.Types.Version(ctx, rec.Type, newest.TypeVersion)
	if err != nil {
		return err
	}
	rows, err := r.c.Records.Lookups(ctx, rec.Type, rec.Authority, &b, t.Numbers)
	if err != nil {
		return err
	}
	number := &rows[slices.IndexFunc(rows, func(row LookupRow) bool { return row.Kind == LookupNumber })]
	number.Former = rec.State == Ended || NumberKey(current.Number) != NumberKey(b.Number)
	at := Located{v.License, v.Version}
	err = r.c.Store.AddLookups(ctx, at, rec.Revision, rows)
	if errors.Is(err, ErrNumberTaken) {
		// At least one of the licenses dates from before numbers were folded or kept apart. Both licenses stay,
		// and the other one keeps the number.
		r.c.Log.WarnContext(ctx, "two licenses have the same number, perhaps written differently", "license", v.License, "version", v.Version)
		number.Former = true
		err = r.c.Store.AddLookups(ctx, at, rec.Revision, rows)
	}
	return err
}

// PurgeLookups deletes all lookup keys that were made under the lookup key with this serial, which is out of use.
// It calls progress, if not nil, with the number of those deleted so far.
func (r *Lookups) PurgeLookups(ctx context.Context, serial int32, progress func(gone int)) error {
	const page = 1000
	gone := 0
	for {
		n, err := r.c.Store.PurgeLookups(ctx, serial, page)
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

// NumbersFolded reports whether all lookup keys of numbers are made of the folded form. If not, Rehash has to
// renew those of licenses that were issued before folding.
func (r *Lookups) NumbersFolded(ctx context.Context) (bool, error) {
	vs, err := r.c.Store.Versions(ctx, Located{}, 1)
	if err != nil {
		return false, fmt.Errorf("looking for licenses: %w", err)
	}
	form := numbersWritten
	if len(vs) == 0 {
		form = numbersFolded
	}
	form, err = r.c.Store.ClaimSetting(ctx, settingNumbers, form)
	return form == numbersFolded, err
}

// foldedAll notes that all numbers are folded now.
func (r *Lookups) foldedAll(ctx context.Context) error {
	if folded, err := r.NumbersFolded(ctx); err != nil || folded {
		return err
	}
	err := r.c.Store.ReplaceSetting(ctx, settingNumbers, numbersWritten, numbersFolded)
	if errors.Is(err, ErrConflict) {
		return nil // another Rehash noted it
	}
	return err
}

package catalog

import (
	"context"
	"fmt"
	"iter"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
)

// upgradePage is how many entries are upgraded at a time.
const upgradePage = 200

// Upgrade gives every record of an earlier version its authenticator. It can be cut off
// and run again, and beside other nodes that do the same. It is called only while an
// installation is being upgraded: then records without authenticators are taken as they are.
func (c *Catalog) Upgrade(ctx context.Context, s signing.AuthStore) error {
	if err := c.authenticateTypes(ctx, s); err != nil {
		return fmt.Errorf("giving types their authenticators: %w", err)
	}
	if err := c.authenticateItems(ctx, s); err != nil {
		return fmt.Errorf("giving service items their authenticators: %w", err)
	}
	return nil
}

func (c *Catalog) authenticateTypes(ctx context.Context, s signing.AuthStore) error {
	for after := credential.TypeCode(""); ; {
		newest, err := c.store.ListTypes(ctx, Drafts{All: true}, after, upgradePage)
		if err != nil {
			return err
		}
		for _, n := range newest {
			for t, err := range versionsOf(func(before, limit int) ([]TypeRecord, error) {
				return c.store.LoadTypes(ctx, n.Code, before, limit)
			}, func(t TypeRecord) int { return t.Version }) {
				if err != nil {
					return err
				}
				row := signing.AuthRow{Table: "license_types", ID: string(t.Code), Part: int64(t.Version), Revision: t.Revision}
				if err := c.setAuth(ctx, s, t.Auth, t.facts(t.Revision), row); err != nil {
					return err
				}
			}
			after = n.Code
		}
		if len(newest) < upgradePage {
			return nil
		}
	}
}

func (c *Catalog) authenticateItems(ctx context.Context, s signing.AuthStore) error {
	for after := ItemCode(""); ; {
		newest, err := c.store.ListItems(ctx, Drafts{All: true}, after, upgradePage)
		if err != nil {
			return err
		}
		for _, n := range newest {
			for i, err := range versionsOf(func(before, limit int) ([]ItemRecord, error) {
				return c.store.LoadItems(ctx, n.Code, before, limit)
			}, func(i ItemRecord) int { return i.Version }) {
				if err != nil {
					return err
				}
				row := signing.AuthRow{Table: "service_items", ID: string(i.Code), Part: int64(i.Version), Revision: i.Revision}
				if err := c.setAuth(ctx, s, i.Auth, i.facts(i.Revision), row); err != nil {
					return err
				}
			}
			after = n.Code
		}
		if len(newest) < upgradePage {
			return nil
		}
	}
}

// setAuth saves the authenticator of a record that has none.
func (c *Catalog) setAuth(ctx context.Context, s signing.AuthStore, have []byte, f *signing.Facts, row signing.AuthRow) (err error) {
	if have != nil {
		return nil
	}
	if row.Auth, row.Mark, err = c.auth.Stamp(f); err != nil {
		return err
	}
	return s.SetAuthenticators(ctx, row)
}

// versionsAtOnce is how many versions of a catalog's entry are read at a time: each may
// have a quarter of a megabyte.
const versionsAtOnce = 16

// versionsOf yields all versions of an entry.
func versionsOf[T any](load func(before, limit int) ([]T, error), version func(T) int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for before := 0; ; {
			some, err := load(before, versionsAtOnce)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range some {
				if before = version(v); !yield(v, nil) {
					return
				}
			}
			if len(some) < versionsAtOnce {
				return
			}
		}
	}
}

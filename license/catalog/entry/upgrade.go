package entry

import (
	"context"
	"fmt"
	"iter"

	"yizheng.internal/signing"
)

// upgradePage is how many entries are upgraded at a time.
const upgradePage = 200

// Upgrade adds the authenticators to records that an earlier version of the program stored without them. It can
// be interrupted and run again, and several nodes can run it at once. It is called only while an installation is
// being upgraded: only then are records without authenticators accepted as they are.
func Upgrade(ctx context.Context, entries Store, auth *signing.Authenticator, s signing.AuthStore) error {
	u := upgrade{entries, auth, s}
	for _, k := range Kinds {
		if err := u.authenticate(ctx, k); err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", k, err)
		}
	}
	return nil
}

type upgrade struct {
	entries Store
	auth    *signing.Authenticator
	to      signing.AuthStore
}

func (u *upgrade) authenticate(ctx context.Context, k Kind) error {
	for after := ""; ; {
		newest, err := u.entries.ListEntries(ctx, k, Drafts{All: true}, after, upgradePage)
		if err != nil {
			return err
		}
		for _, n := range newest {
			for r, err := range versionsOf(ctx, u.entries, k, n.Code) {
				if err != nil {
					return err
				}
				if err := u.setAuth(ctx, k, r); err != nil {
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
func (u *upgrade) setAuth(ctx context.Context, k Kind, r Record) (err error) {
	if r.Auth != nil {
		return nil
	}
	row := signing.AuthRow{Table: string(k), ID: r.Code, Part: int64(r.Version), Revision: r.Revision}
	if row.Auth, row.Mark, err = u.auth.Stamp(r.facts(k, r.Revision)); err != nil {
		return err
	}
	return u.to.SetAuthenticators(ctx, row)
}

// versionsAtOnce is how many versions of a catalog's entry are read at a time: each may
// have a quarter of a megabyte.
const versionsAtOnce = 16

// versionsOf yields all versions of an entry.
func versionsOf(ctx context.Context, s Store, k Kind, code string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for before := 0; ; {
			some, err := s.LoadEntries(ctx, k, code, before, versionsAtOnce)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range some {
				if before = r.Version; !yield(r, nil) {
					return
				}
			}
			if len(some) < versionsAtOnce {
				return
			}
		}
	}
}

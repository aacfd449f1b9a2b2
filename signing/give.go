package signing

import (
	"context"
	"fmt"
)

// AuthRow is a stored record that gets its authenticator while a database of an
// earlier version is upgraded.
type AuthRow struct {
	Table      string // the name that its facts carry
	ID         string
	Part       int64  // the version, in tables whose rows are versions
	Hash       []byte // a use code's; nil in other tables
	Revision   int64  // as read; 0 in tables without one
	Auth, Mark []byte
}

// AuthStore gives records their authenticators.
type AuthStore interface {
	// SetAuthenticators saves the authenticators and registers of those rows that have
	// none and whose revision is still the one read. It saves all of them or nothing.
	SetAuthenticators(ctx context.Context, rows ...AuthRow) error
}

// GivePage is how many records a page of [Authenticator.Give] has at most; a shorter
// one is the last.
const GivePage = 200

// OldRecord is a record that may have no authenticator yet.
type OldRecord struct {
	ID       string
	Revision int64
	Auth     []byte // nil: it has none
	Facts    *Facts
}

// Give makes authenticators for those records of a table that have none. page returns
// records with an ID greater than after, ordered by ID. Give can be cut off and run again.
func (a *Authenticator) Give(ctx context.Context, s AuthStore, table string, page func(after string) ([]OldRecord, error)) error {
	for after := ""; ; {
		records, err := page(after)
		if err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", table, err)
		}
		var rows []AuthRow
		for _, r := range records {
			after = r.ID
			if r.Auth != nil {
				continue
			}
			row := AuthRow{Table: table, ID: r.ID, Revision: r.Revision}
			if row.Auth, row.Mark, err = a.Stamp(r.Facts); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		if err := s.SetAuthenticators(ctx, rows...); err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", table, err)
		}
		if len(records) < GivePage {
			return nil
		}
	}
}

// GiveKeys is Give for key records.
func (a *Authenticator) GiveKeys(ctx context.Context, s AuthStore, stored Records) error {
	records, err := stored.ListKeys(ctx, "")
	if err != nil {
		return fmt.Errorf("listing keys: %w", err)
	}
	var rows []AuthRow
	for _, k := range records {
		if k.Auth != nil {
			continue
		}
		row := AuthRow{Table: "keys", ID: string(k.ID), Revision: k.Revision}
		if row.Auth, row.Mark, err = a.Stamp(k.facts(k.Revision)); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if err := s.SetAuthenticators(ctx, rows...); err != nil {
		return fmt.Errorf("giving key records their authenticators: %w", err)
	}
	return nil
}

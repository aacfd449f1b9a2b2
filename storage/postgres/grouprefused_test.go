package postgres

import (
	"errors"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/storage/postgres/engine"
)

// TestGroupGoesOn has some of 32 licenses refused: those are written alone, and the
// others together, whatever the server names the refused ones by. After a few
// refusals, or without a name, each is written alone.
func TestGroupGoesOn(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	sent := traced(t, db)
	exhaust(t, db)() // connections are prepared when they are made
	stored := newSave()
	mustSave(t, db, stored)
	for _, c := range []struct {
		name   string
		refuse []string // each one's reason
		want   int      // batches: for the group, again without each that was refused, and for those alone
	}{
		{"none", nil, 1},
		{"request", []string{"request"}, 3},
		{"id", []string{"id"}, 3},
		{"identifier", []string{"identifier"}, 3},
		{"number", []string{"number"}, 3},
		{"number shared", []string{"number shared"}, 3},
		{"three", []string{"number", "identifier", "request"}, 7},
		{"four", []string{"number", "identifier", "request", "verification"}, 4 + engine.GroupMost},
		{"nameless", []string{"a value that PostgreSQL refuses"}, 1 + engine.GroupMost},
	} {
		t.Run(c.name, func(t *testing.T) {
			reasons := spoilt(stored)
			calls := make([]func() error, engine.GroupMost)
			for i := range calls {
				r := newSave()
				if i%5 == 4 && i/5 < len(c.refuse) {
					reasons[c.refuse[i/5]].spoil(&r)
				}
				calls[i] = saves(db, r)
			}
			sent.take()
			for i, err := range together(t, db.records.Issues, calls...) {
				want, refused := error(nil), i%5 == 4 && i/5 < len(c.refuse)
				if refused {
					want = reasons[c.refuse[i/5]].want
				}
				if (err != nil) != refused || want != nil && !errors.Is(err, want) {
					t.Errorf("caller %d gets %v, want %v", i, err, want)
				}
			}
			if got := sent.take().batches; got != c.want {
				t.Errorf("%d batches were sent, want %d", got, c.want)
			}
		})
	}
	t.Run("codes", func(t *testing.T) {
		spent := newRedemption()
		if err := redeems(db, spent, new(string))(); err != nil {
			t.Fatal(err)
		}
		calls := make([]func() error, engine.GroupMost)
		for i := range calls {
			r := newRedemption()
			if i == 7 {
				r.Family.ID = spent.Family.ID
			}
			calls[i] = redeems(db, r, new(string))
		}
		sent.take()
		for i, err := range together(t, db.families.Redemptions, calls...) {
			if (err != nil) != (i == 7) || errors.Is(err, license.ErrUnavailable) {
				t.Errorf("code %d: %v", i, err)
			}
		}
		if got := sent.take().batches; got != 3 {
			t.Errorf("%d batches were sent, want 3", got)
		}
	})
}

package storagetest

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/signing"
)

// RevocationLists tests [signing.RevocationLists].
func RevocationLists(t *testing.T, open Open) {
	s := open(t).Lists
	ctx := t.Context()
	holds := func(t *testing.T, root signing.KeyID, want string) {
		t.Helper()
		der, err := s.LoadRevocationList(ctx, root)
		must(t, "LoadRevocationList", err)
		same(t, "the list", string(der), want)
	}
	t.Run("Newest", func(t *testing.T) {
		_, err := s.LoadRevocationList(ctx, "root-1")
		is(t, "LoadRevocationList of none", err, signing.ErrNoList)
		must(t, "SaveRevocationList", s.SaveRevocationList(ctx, "root-1", 7, []byte("seven")))
		holds(t, "root-1", "seven")
		must(t, "SaveRevocationList", s.SaveRevocationList(ctx, "root-1", 1<<40, []byte("later")))
		holds(t, "root-1", "later")
		must(t, "SaveRevocationList of another root", s.SaveRevocationList(ctx, "root-2", 1, []byte("another's")))
		holds(t, "root-2", "another's")
		holds(t, "root-1", "later")
	})
	t.Run("Older", func(t *testing.T) {
		must(t, "SaveRevocationList", s.SaveRevocationList(ctx, "old", 7, []byte("seven")))
		is(t, "SaveRevocationList of the same number", s.SaveRevocationList(ctx, "old", 7, []byte("x")), signing.ErrConflict)
		is(t, "SaveRevocationList of a lower number", s.SaveRevocationList(ctx, "old", 6, []byte("x")), signing.ErrConflict)
		holds(t, "old", "seven")
	})
	t.Run("Race", func(t *testing.T) {
		oneWins(t, "SaveRevocationList", race(Writers, func(i int) error {
			return s.SaveRevocationList(ctx, "raced", 1, fmt.Append(nil, i))
		}), signing.ErrConflict)
	})
	t.Run("Ended", func(t *testing.T) {
		is(t, "SaveRevocationList", s.SaveRevocationList(ended(), "ended", 1, []byte("x")), context.Canceled)
		_, err := s.LoadRevocationList(ended(), "ended")
		is(t, "LoadRevocationList", err, context.Canceled)
		_, err = s.LoadRevocationList(ctx, "ended")
		is(t, "LoadRevocationList after that", err, signing.ErrNoList)
	})
}

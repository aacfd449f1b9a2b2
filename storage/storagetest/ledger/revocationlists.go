package ledger

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/signing"
	"yizheng.internal/storage/storagetest/suite"
)

// RevocationLists tests [signing.RevocationLists].
func RevocationLists(t *testing.T, open suite.Open) {
	s := open(t).Lists
	ctx := t.Context()
	holds := func(t *testing.T, root signing.KeyID, want string) {
		t.Helper()
		der, err := s.LoadRevocationList(ctx, root)
		suite.Must(t, "LoadRevocationList", err)
		suite.Same(t, "the list", string(der), want)
	}
	t.Run("Newest", func(t *testing.T) {
		_, err := s.LoadRevocationList(ctx, "root-1")
		suite.Is(t, "LoadRevocationList of none", err, signing.ErrNoList)
		suite.Must(t, "SaveRevocationList", s.SaveRevocationList(ctx, "root-1", 7, []byte("seven")))
		holds(t, "root-1", "seven")
		suite.Must(t, "SaveRevocationList", s.SaveRevocationList(ctx, "root-1", 1<<40, []byte("later")))
		holds(t, "root-1", "later")
		suite.Must(t, "SaveRevocationList of another root", s.SaveRevocationList(ctx, "root-2", 1, []byte("another's")))
		holds(t, "root-2", "another's")
		holds(t, "root-1", "later")
	})
	t.Run("Older", func(t *testing.T) {
		suite.Must(t, "SaveRevocationList", s.SaveRevocationList(ctx, "old", 7, []byte("seven")))
		suite.Is(t, "SaveRevocationList of the same number", s.SaveRevocationList(ctx, "old", 7, []byte("x")), signing.ErrConflict)
		suite.Is(t, "SaveRevocationList of a lower number", s.SaveRevocationList(ctx, "old", 6, []byte("x")), signing.ErrConflict)
		holds(t, "old", "seven")
	})
	t.Run("Race", func(t *testing.T) {
		suite.OneWins(t, "SaveRevocationList", suite.Race(suite.Writers, func(i int) error {
			return s.SaveRevocationList(ctx, "raced", 1, fmt.Append(nil, i))
		}), signing.ErrConflict)
	})
	t.Run("Ended", func(t *testing.T) {
		suite.Is(t, "SaveRevocationList", s.SaveRevocationList(suite.Ended(), "ended", 1, []byte("x")), context.Canceled)
		_, err := s.LoadRevocationList(suite.Ended(), "ended")
		suite.Is(t, "LoadRevocationList", err, context.Canceled)
		_, err = s.LoadRevocationList(ctx, "ended")
		suite.Is(t, "LoadRevocationList after that", err, signing.ErrNoList)
	})
}

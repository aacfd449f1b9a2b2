package sqlite

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/oidc/token"
)

// TestSpentWithWhatFailed has two callers redeem a code in one transaction that
// can't be committed: the second must not be told that the code is spent, for it
// isn't.
func TestSpentWithWhatFailed(t *testing.T) {
	var s steps
	d := newDisk(t)
	db := openTest(t, Config{Step: s.step, VFS: d.name})
	s.holdUp("tx.commit")
	go db.Ping(context.Background(), true)
	<-s.held
	resume := s.resume
	code := hashOf(1, 2)
	answers := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := db.Provider().RedeemCode(context.Background(), code, time.Now(), token.FamilyRecord{ID: fmt.Sprint(i)})
			answers <- err
		}()
	}
	waiting(t, db, 2)
	s.holdUp("tx.commit")
	close(resume)
	<-s.held // a group of both
	d.onEach(func(op diskOp) error {
		if op.kind == "sync" {
			return syscall.EIO
		}
		return nil
	})
	close(s.resume)
	for range 2 {
		if err := <-answers; !errors.Is(err, license.ErrUnavailable) || errors.Is(err, token.ErrSpent) {
			t.Errorf("got %v, want ErrUnavailable alone", err)
		}
	}
	d.onEach(nil)
	if spent, err := db.Provider().IsSpent(t.Context(), code); err != nil || spent {
		t.Errorf("the code is spent: %v, %v", spent, err)
	}
	if _, err := db.Provider().RedeemCode(t.Context(), code, time.Now(), token.FamilyRecord{ID: "2"}); err != nil {
		t.Errorf("with a disk that works: %v", err)
	}
}

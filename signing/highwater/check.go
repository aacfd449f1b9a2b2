package highwater

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/signing"
)

// Check compares the database with all that is remembered, and then remembers how far the
// database has come. It returns ErrLost (wrapped) if they don't fit, or if an earlier loss
// was not accepted yet. Other errors say that something could not be compared.
func (w *Watch) Check(ctx context.Context) error {
	w.checking.Lock()
	defer w.checking.Unlock()
	if err := w.follow(); err != nil {
		return err
	}
	failed := w.compare(ctx)
	if err := w.Refusal(); err != nil {
		return err
	}
	w.past.compared(time.Now(), failed == nil)
	return errors.Join(failed, w.past.save(w.c.Memory, true))
}

// Compare is Check, but writes nothing. It is for a process beside the service.
func (w *Watch) Compare(ctx context.Context) error {
	w.checking.Lock()
	defer w.checking.Unlock()
	w.findings.look()
	failed := w.compare(ctx)
	if err := w.Refusal(); err != nil {
		return err
	}
	return failed
}

// compare compares everything, and goes on when a part of it fails. What was lost goes to
// the findings and is no error.
func (w *Watch) compare(ctx context.Context) error {
	c := &comparison{store: w.c.Store, auth: w.c.Auth, past: &w.past, findings: &w.findings}
	w.past.mu.Lock()
	w.past.marks.next()
	w.past.mu.Unlock()
	var failed []error
	for n := range tables {
		lost, err := c.registers(ctx, uint8(n))
		w.findings.lose(lost)
		if errors.Is(err, ErrReplica) {
			return err
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("comparing %s with what was seen: %w", tables[n], err))
		}
	}
	for _, part := range []func(context.Context) ([]loss, error){c.events, c.standing, c.codes} {
		lost, err := part(ctx)
		w.findings.lose(lost)
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// comparison compares the database with what is remembered: registers, logs, sessions and
// families that ended, and codes that were spent. Its methods return what was lost, and
// remember what is new.
type comparison struct {
	store    Store
	auth     *signing.Authenticator
	past     *past
	findings *findings
}

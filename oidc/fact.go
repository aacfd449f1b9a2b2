package oidc

import (
	"context"
	"fmt"

	"yizheng.internal/oidc/identity"
)

// Recorder returns what writes the facts of package identity among the
// provider's events: the Record of an [identity.Config].
func Recorder(events Events) func(context.Context, identity.Fact) error {
	return func(ctx context.Context, f identity.Fact) error {
		e := newEvent(Actor{ID: f.Actor, RequestID: f.RequestID}, f.Action, f.Object, f.Result)
		if err := events.AppendEvents(ctx, e); err != nil {
			return fmt.Errorf("recording %s: %w", f.Action, err)
		}
		return nil
	}
}

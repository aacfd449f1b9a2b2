package oidc

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Actor is who does something.
type Actor struct {
	ID        string // client id; "cli" for an operator's command, followed by ":" and the operator's name
	RequestID string // of the HTTP request, for finding it in the log
}

// Did returns the fact that the actor did something, for its event.
func (a Actor) Did(action journal.Action, subject, result string) journal.Fact {
	return journal.Fact{Actor: journal.Actor{ID: a.ID}, Action: action, Subject: subject, RequestID: a.RequestID, Result: result}
}

// NewRecorder returns what records the provider's events, and those of package identity.
// A log may be nil: then it discards.
func NewRecorder(store journal.Appender, log *slog.Logger) *journal.Recorder {
	return journal.NewRecorder(journal.Config{Log: journal.Provider, Store: store, Reason: reasonOf, Logger: log})
}

// Journal records the provider's events. Safe for concurrent use.
type Journal struct {
	recorder *journal.Recorder
}

// NewJournal returns a journal that writes with a recorder.
func NewJournal(r *journal.Recorder) *Journal { return &Journal{r} }

// Event returns the event of a fact, for a store that appends it with a change.
func (j *Journal) Event(ctx context.Context, f journal.Fact) (journal.Event, error) {
	return j.recorder.Event(ctx, f)
}

// Record stores the event of a fact that is no change of a row.
func (j *Journal) Record(ctx context.Context, f journal.Fact) error { return j.recorder.Record(ctx, f) }

// Repeating is Record for what a caller can have as often as it likes: events that repeat
// are merged.
func (j *Journal) Repeating(ctx context.Context, f journal.Fact) error {
	return j.recorder.Repeating(ctx, f)
}

// Refused records that an authenticated caller was refused something. Object
// is what it wanted to act on, or empty. Refusals that repeat are merged.
func (j *Journal) Refused(ctx context.Context, a Actor, action journal.Action, object, reason string) error {
	return j.recorder.Repeating(ctx, a.Did(action, object, reason))
}

// Recorded does a change between the two events of it. It returns the change's error, or
// [journal.ErrUnrecorded] (wrapped).
func (j *Journal) Recorded(ctx context.Context, a Actor, action journal.Action, object string, change func() error) error {
	return j.recorder.Change(ctx, a.Did(action, object, ""), change)
}

// Run writes the events of what was merged, until ctx ends, and then those that are left.
func (j *Journal) Run(ctx context.Context) { j.recorder.Run(ctx) }

// TokenRefused records that a client was refused a token, whatever becomes of that. Of a
// client without a secret only misuse of what is genuine is recorded: anybody could be that
// client, and could fill the disk.
func (j *Journal) TokenRefused(ctx context.Context, c Client, requestID string, e *Error) {
	if c.Public() && !misuse[e.EventReason()] {
		return
	}
	j.recorder.Refused(ctx, Actor{c.ID, requestID}.Did(journal.ActionTokenRefuse, c.ID, e.EventReason()))
}

// misuse are reasons for refusing a code or a refresh token that somebody was given.
var misuse = map[string]bool{
	"code_client": true, "code_redirect_uri": true, "code_verifier": true, "code_tries": true, "code_reuse": true, "refresh_client": true, "refresh_reuse": true,
}

// recordTimeout adds to the time that a request takes at most: see api.RequestWithin.
const recordTimeout = 5 * time.Second

// ToTheEnd returns a context for what is done even if the caller hangs up.
func ToTheEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
}

// reasonOf returns the reason code of a failed change, for its event.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*RegistrationError](err); ok {
		return e.Reason
	}
	switch {
	case errors.Is(err, ErrExists):
		return "exists"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrConflict):
		return "conflict"
	}
	return identity.ReasonOf(err)
}

package oidc

import (
	"context"
	"errors"
	"log/slog"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Actor is who does something.
type Actor struct {
	ID        string // client id; "cli" for an operator's command, followed by ":" and the operator's name
	RequestID string // the HTTP request's id, for finding the request in the log
}

// Did returns the fact that the actor did something, for its event.
func (a Actor) Did(action journal.Action, subject, result string) journal.Fact {
	return journal.Fact{Actor: journal.Actor{ID: a.ID}, Action: action, Subject: subject, RequestID: a.RequestID, Result: result}
}

// NewRecorder returns the recorder of the provider's events and of package identity's. If log
// is nil, log lines are discarded.
func NewRecorder(store journal.Appender, log *slog.Logger) *journal.Recorder {
	return journal.NewRecorder(journal.Config{Log: journal.Provider, Store: store, Reason: reasonOf, Logger: log})
}

// RefusedToken records that a client was refused a token; the refusal stands even if the event
// can't be stored. For a client without a secret, it records only the misuse of a genuine code
// or token: anybody can pose as that client, and could fill the disk with events.
func RefusedToken(ctx context.Context, r *journal.Recorder, c Client, requestID string, e *Error) {
	if c.Public() && !misuse[e.Reason] {
		return
	}
	r.Refused(ctx, Actor{c.ID, requestID}.Did(journal.ActionTokenRefuse, c.ID, e.EventReason()))
}

// misuse has the reasons for refusing a code or a refresh token that was really issued.
var misuse = map[Reason]bool{
	ReasonCodeClient: true, ReasonCodeRedirectURI: true, ReasonCodeVerifier: true, ReasonCodeTries: true, ReasonCodeReuse: true,
	ReasonRefreshClient: true, ReasonRefreshReuse: true,
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

package identity

import (
	"errors"

	"yizheng.internal/signing/journal"
)

// Did returns the fact that an actor did something to an account or a party, for its event. The
// actor is an account's id, "cli", or empty for somebody unknown. For a change, the Recorder
// fills in the result; for anything else, result gives it.
func Did(actor string, action journal.Action, subject, requestID, result string) journal.Fact {
	return journal.Fact{Actor: journal.Actor{ID: actor}, Action: action, Subject: subject, RequestID: requestID, Result: result}
}

// ReasonOf returns the result of an action for its event; err is the action's error, or nil.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Reason)
	}
	switch {
	case err == nil:
		return journal.ResultOK
	case errors.Is(err, ErrExists):
		return "exists"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrConflict):
		return "conflict"
	}
	return "failed"
}

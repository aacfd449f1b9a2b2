package identity

import (
	"errors"

	"yizheng.internal/signing/journal"
)

// Did returns the fact that somebody (an account's id, "cli", or empty for somebody
// unknown) did something to an account or a party, for its event. The Recorder says how
// a change ended; result is that of all else.
func Did(actor string, action journal.Action, subject, requestID, result string) journal.Fact {
	return journal.Fact{Actor: journal.Actor{ID: actor}, Action: action, Subject: subject, RequestID: requestID, Result: result}
}

// ReasonOf returns the result of what ended with an error, or with none, for its event.
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

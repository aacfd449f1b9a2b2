package passkey

import (
	"errors"
	"time"

	"yizheng.internal/oidc/identity"
)

// Why a passkey is refused, in events. The person is told [identity.ReasonPasskeyRefused] instead, whichever
// it is.
const (
	ReasonWrong   identity.Reason = "passkey_wrong"   // it didn't sign what was asked
	ReasonUnknown identity.Reason = "passkey_unknown" // no account has it, or this one doesn't
	ReasonCopied  identity.Reason = "passkey_copied"
)

// Refuse refuses a passkey for a reason.
func Refuse(why identity.Reason, err error) *identity.Error {
	return &identity.Error{Reason: why, Detail: "This passkey can't be used. Log in in another way.", Err: err}
}

// Refusal turns an error of this package into an *Error.
func Refusal(err error) error {
	switch {
	case errors.Is(err, ErrExpired):
		return &identity.Error{Reason: identity.ReasonPasskeyExpired, Detail: "The page was open for too long, or was used before. Try again.", Err: err}
	case errors.Is(err, ErrCount):
		return Refuse(ReasonCopied, err)
	case errors.Is(err, ErrUnknown):
		return Refuse(ReasonUnknown, err)
	case errors.Is(err, ErrRefused):
		return Refuse(ReasonWrong, err)
	case errors.Is(err, ErrAway):
		return &identity.Error{Reason: identity.ReasonUnavailable, Detail: "Logins are not available just now. Try again in a minute.", Err: err, Retry: time.Minute}
	}
	return err
}

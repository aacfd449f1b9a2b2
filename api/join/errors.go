package join

import (
	"errors"
	"strings"

	"yizheng.internal/license"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
)

// joinError maps an error of the library to one that the provider knows. The client learns
// nothing of a fault.
func joinError(err error) error {
	if errors.Is(err, license.ErrUnavailable) {
		return &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: "the service can not answer now; try again shortly", Err: err}
	}
	e, ok := errors.AsType[*refusal.Error](err)
	if !ok {
		return err
	}
	out := &oidc.Error{Code: oidc.InvalidGrant, Description: oauthText(e), Reason: oidc.Reason(e.Reason), Err: e}
	switch {
	case e.Reason == refusal.ReasonOfferChanged:
		return oidc.ErrShownChanged
	case e.Reason == refusal.ReasonHolderChosePaper:
		return oidc.ErrRefusedAll
	case e.Reason == refusal.ReasonAssuranceTooLow:
		out.Code = oidc.UnmetAuthenticationRequirements
	case e.Kind == refusal.KindInvalid:
		out.Code = oidc.InvalidAuthorizationDetails
	}
	return out
}

// askError is joinError where a page of ours asks: a representation that is no longer proved is refused to whoever
// sits there, and not to the client's token request.
func askError(err error) error {
	err = joinError(err)
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Reason == oidc.Reason(refusal.ReasonRepresentationUnproved) {
		e.Code = oidc.AccessDenied
	}
	return err
}

// itemChanged are reasons for refusing a detail that was good when it came in:
// its item is another one now.
var itemChanged = map[refusal.Reason]bool{
	refusal.ReasonItemUnknown: true, refusal.ReasonAskOutside: true, refusal.ReasonAskLarge: true,
	refusal.ReasonMaterialUnknown: true, refusal.ReasonTypeOutside: true, refusal.ReasonFieldOutside: true,
}

// oauthText says what is wrong in the characters that RFC 6749 section 5.2
// allows. A first violation is named by its place; neither names a value.
func oauthText(e *refusal.Error) string {
	s := e.Detail
	if len(e.Violations) > 0 {
		v := e.Violations[0]
		if place := v.Pointer + " " + v.Message; s != place { // a single one may be the detail itself
			s = strings.TrimSuffix(strings.TrimSuffix(s, "; see violations."), ".") + ": " + place
		}
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, strings.TrimSuffix(s, "."))
}

package oidc

// Code is an OAuth error code, the "error" member of an answer.
type Code string

// Codes of RFC 6749 section 5.2, RFC 6750 section 3.1, RFC 8707 section 2 and,
// by analogy to RFC 6749 section 4.1.2.1, temporarily_unavailable.
const (
	InvalidRequest         Code = "invalid_request"
	InvalidClient          Code = "invalid_client"
	InvalidGrant           Code = "invalid_grant"
	UnauthorizedClient     Code = "unauthorized_client"
	UnsupportedGrantType   Code = "unsupported_grant_type"
	InvalidScope           Code = "invalid_scope"
	InvalidTarget          Code = "invalid_target"
	InvalidToken           Code = "invalid_token"
	InsufficientScope      Code = "insufficient_scope"
	TemporarilyUnavailable Code = "temporarily_unavailable"

	// Codes of the authorization endpoint: RFC 6749 section 4.1.2.1, OpenID Connect Core
	// section 3.1.2.6, RFC 9396 section 5, and OpenID Connect Unmet Authentication
	// Requirements 1.0.
	AccessDenied                    Code = "access_denied"
	UnsupportedResponseType         Code = "unsupported_response_type"
	LoginRequired                   Code = "login_required"
	ConsentRequired                 Code = "consent_required"
	InteractionRequired             Code = "interaction_required"
	AccountSelectionRequired        Code = "account_selection_required"
	InvalidRequestURI               Code = "invalid_request_uri"
	RequestNotSupported             Code = "request_not_supported"
	RegistrationNotSupported        Code = "registration_not_supported"
	InvalidAuthorizationDetails     Code = "invalid_authorization_details"
	UnmetAuthenticationRequirements Code = "unmet_authentication_requirements"
	ServerError                     Code = "server_error"
)

// Reason says more exactly than a Code what is wrong: a word in snake_case that never changes.
// Most reasons are written where they are raised; a reason that other code tests for is a constant.
type Reason string

// Reasons that other code tests for.
const (
	ReasonRedirectURIUnregistered Reason = "redirect_uri_unregistered"
	ReasonRedirectURIInvalid      Reason = "redirect_uri_invalid"
	ReasonRequestURIGone          Reason = "request_uri_gone"
	ReasonNoSecondFactor          Reason = "no_second_factor"
	ReasonPhoneWaits              Reason = "phone_waits"
	ReasonConsentRefused          Reason = "consent_refused"
	ReasonHolderChosePaper        Reason = "holder_chose_paper"
	ReasonNoRepresentation        Reason = "no_representation"
	ReasonRepresentationEnded     Reason = "representation_ended"

	// Misuse of a code or a refresh token that was really issued.
	ReasonCodeClient      Reason = "code_client"
	ReasonCodeRedirectURI Reason = "code_redirect_uri"
	ReasonCodeVerifier    Reason = "code_verifier"
	ReasonCodeTries       Reason = "code_tries"
	ReasonCodeReuse       Reason = "code_reuse"
	ReasonRefreshClient   Reason = "refresh_client"
	ReasonRefreshReuse    Reason = "refresh_reuse"
)

// Error is a refusal. The client may see all of it except its cause and, if Shown is set, Reason.
type Error struct {
	Code Code
	// Description says what is wrong and what to do, in the characters that
	// RFC 6749 section 5.2 allows: ASCII without quotes and backslashes. It
	// echoes nothing that the caller sent.
	Description string
	Reason      Reason // a finer code, for the client, the log and the events; may be empty
	Shown       Reason // shown to the client in place of Reason, where Reason would tell too much
	Err         error  // the cause, for the log alone; nil: none
}

// Error returns the code, the description and the cause: it is for the log.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Description != "" {
		s += ": " + e.Description
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonShown returns the finer code that the client may see, or "". Refusals with different
// descriptions show different codes; refusals with the same description show the same one.
func (e *Error) ReasonShown() Reason {
	if e.Shown != "" {
		return e.Shown
	}
	return e.Reason
}

// EventReason returns the finest code there is.
func (e *Error) EventReason() string {
	if e.Reason != "" {
		return string(e.Reason)
	}
	return string(e.Code)
}

// BadGrant refuses a code or a refresh token.
func BadGrant(reason Reason, description string) *Error {
	return &Error{Code: InvalidGrant, Description: description, Reason: reason}
}

// Unavailable returns the refusal for a failure that may pass in a moment; err is the cause,
// for the log.
func Unavailable(err error) error {
	return &Error{Code: TemporarilyUnavailable, Description: "the service can not answer now; try again shortly", Err: err}
}

// RegistrationError says why a client can't be registered or changed as asked. Reason
// is one of: name_invalid, names_invalid, participant_unknown, participant_disabled,
// participant_fixed, subject_type_fixed, scopes_missing, scope_unknown, scope_repeated,
// scopes_combined, people_refused, people_source_missing, people_source_unused,
// people_source_invalid, people_level_invalid, scopes_without_login, offline_without_refresh,
// grant_type_unknown, grant_types_combined, auth_method_unknown,
// auth_methods_combined, public_client, public_fixed, redirect_uri_missing,
// redirect_uri_invalid, redirect_uri_unused, logout_uri_invalid,
// home_uri_invalid, subject_type_unknown, id_token_alg_unknown, pkce_required,
// service_item_invalid, service_items_refused, assurance_invalid, max_age_invalid,
// overlap_invalid. It echoes no value.
type RegistrationError struct {
	Reason string
	Detail string // one sentence: what is wrong and what to do
}

// Error returns the reason and what to do.
func (e *RegistrationError) Error() string { return e.Reason + ": " + e.Detail }

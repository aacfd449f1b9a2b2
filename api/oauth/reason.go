package oauth

import (
	"net/http"
	"slices"
)

// Reason is a reason code that endpoints of the provider give beside OAuth's error.
// The table below is the only place that says which there are; tests compare it with the
// source, and with each answer that they get.
type Reason struct {
	Status  int
	Reason  string
	Meaning string // what is wrong, and what the client can do
	of      []string
}

// Endpoints of the provider that have reasons, by the ids of their operations.
var (
	ofClients  = []string{"push-request", "token", "introspect", "revoke"} // where a client authenticates
	ofRequests = []string{"push-request", "authorize"}                     // where a login is asked for
	ofPushing  = []string{"push-request"}
	ofTokens   = []string{"token"}
	ofLogin    = []string{"authorize"}
	ofScopes   = []string{"push-request", "authorize", "token"}
)

// Back is the status under which an authorization request's reasons are listed: they go
// back to the redirect URI.
const Back = http.StatusFound

// reasons are what the provider's endpoints are refused for. Codes and refresh tokens
// have one reason each, and so has a client that didn't authenticate: why stands in the
// event alone.
var reasons = []Reason{
	{http.StatusMethodNotAllowed, "method_not_allowed", "The endpoint takes POST alone.", ofClients},
	{http.StatusBadRequest, "parameters_in_url", "The URL has a query: send all parameters in the body, where no log keeps them.", ofClients},
	{http.StatusUnsupportedMediaType, "media_type", "Send the body as application/x-www-form-urlencoded, without a Content-Encoding.", ofClients},
	{http.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than 64 KiB: send less.", ofClients},
	{http.StatusBadRequest, "body_unreadable", "The body ended before its length was reached: send the request again.", ofClients},
	{http.StatusBadRequest, "form_malformed", "The body is no well-formed form: encode each name and value.", ofClients},
	{http.StatusBadRequest, "parameter_repeated", "A parameter is there twice: send it once.", ofClients},
	{http.StatusBadRequest, "parameter_missing", "A parameter is missing: error_description names it.", []string{"token", "introspect", "revoke"}},
	{http.StatusBadRequest, "parameter_text", "A parameter is not UTF-8, or has control characters: mend your encoding.", ofClients},
	{http.StatusBadRequest, "authorization_repeated", "There are two Authorization headers: send one.", ofClients},
	{http.StatusBadRequest, "authentication_twice", "The secret stands in the header and in the form: send it in one place.", ofClients},
	{http.StatusBadRequest, "client_id_differs", "client_id is not the client that authenticates: leave it out, or mend it.", ofClients},
	{http.StatusUnauthorized, "credentials_missing", "There are no credentials: send id and secret of the client.", ofClients},
	{http.StatusUnauthorized, "basic_malformed", "The Authorization header is no HTTP Basic: encode id and secret as a form, join them by a colon, encode that as Base64.", ofClients},
	{http.StatusUnauthorized, "assertion_unsupported", "Client assertions are not taken: send the secret.", ofClients},
	{http.StatusUnauthorized, "credentials", "The client is unknown, or its secret is wrong: compare both with what the operator gave you.", ofClients},
	{http.StatusUnauthorized, "auth_method", "The secret is right, but the client is registered to send it in another way: use that.", ofClients},
	{http.StatusUnauthorized, "client_disabled", "The client is disabled: ask the operator.", ofClients},
	{http.StatusUnauthorized, "participant_disabled", "The client's participant is disabled: ask the operator.", ofClients},
	{http.StatusUnauthorized, "public_client", "A client without a secret can't look at tokens.", []string{"introspect"}},
	{http.StatusTooManyRequests, "too_many_failures", "There were too many wrong secrets from your address: wait for Retry-After.", ofClients},
	{http.StatusTooManyRequests, "rate_limited", "You push too many requests, or too large ones: wait for Retry-After.", ofPushing},

	{http.StatusBadRequest, "grant_type_missing", "grant_type is missing: send it.", ofTokens},
	{http.StatusBadRequest, "grant_type_unsupported", "There is no such grant type here: the metadata lists those that there are.", ofTokens},
	{http.StatusBadRequest, "grant_unregistered", "The client is not registered for this grant type: ask the operator to register it.", []string{"token", "revoke"}},
	{http.StatusBadRequest, "code_invalid", "The code is unknown, expired, used before or not this client's: begin the login again.", ofTokens},
	{http.StatusBadRequest, "code_redirect_uri", "redirect_uri is not that of the authorization request: send the same.", ofTokens},
	{http.StatusBadRequest, "code_verifier", "code_verifier doesn't fit the code_challenge of the authorization request: send the one that it was made of.", ofTokens},
	{http.StatusBadRequest, "code_tries", "The code was presented three times with a wrong code_verifier or redirect_uri, and has ended: begin the login again.", ofTokens},
	{http.StatusBadRequest, "refresh_token_invalid", "The refresh token is unknown, over, used before or not this client's: begin a login.", ofTokens},
	{http.StatusBadRequest, "representation_ended", "The person represents no longer whom they acted for: begin the login again.", ofTokens},
	{http.StatusBadRequest, "scope_not_granted", "The refresh token brings fewer scopes: ask for some of those that were granted.", ofTokens},
	{http.StatusBadRequest, "scope_unknown", "There is no scope of that name: compare it with the metadata.", ofTokens},
	{http.StatusBadRequest, "scope_of_person", "The scope belongs to the login of a person: ask for it there.", ofTokens},
	{http.StatusBadRequest, "details_not_pushed", "authorization_details come in the pushed authorization request, and nowhere else.", []string{"push-request", "authorize", "token"}},
	{http.StatusBadRequest, "resource_unknown", "There is no such resource: leave the parameter out for the API of this service.", ofScopes},
	{http.StatusBadRequest, "scope_malformed", "scope is a list of names with one space between them: mend it.", ofScopes},
	{http.StatusBadRequest, "scope_too_long", "scope is longer than 1,024 bytes: ask for fewer.", ofScopes},
	{http.StatusBadRequest, "scope_unregistered", "The client is not registered for a scope: ask the operator to register it.", ofScopes},

	{http.StatusBadRequest, "resource_repeated", "Name one resource at most.", ofPushing},
	{http.StatusBadRequest, "request_uri_pushed", "A pushed request has no request_uri: leave it out.", ofPushing},
	{http.StatusBadRequest, "grant_type", "The client is not registered for logins of people: ask the operator.", ofPushing},
	{http.StatusBadRequest, "too_large", "The parameters are longer than 40 KiB together: send less.", ofPushing},
	{http.StatusBadRequest, "redirect_uri_missing", "redirect_uri is missing: send one that is registered.", ofPushing},
	{http.StatusBadRequest, "redirect_uri_invalid", "redirect_uri is no absolute URI in ASCII of at most 512 characters: mend it.", ofPushing},
	{http.StatusBadRequest, "redirect_uri_unregistered", "redirect_uri is not registered: send it as registered, character for character.", ofPushing},
	{http.StatusBadRequest, "details_unregistered", "The client is registered for no service item, or without PKCE: ask the operator.", ofPushing},
	{http.StatusBadRequest, "details_too_large", "authorization_details are longer than 16 KiB: ask for less.", ofPushing},
	{http.StatusBadRequest, "details_malformed", "authorization_details are not well-formed: send a JSON array of one object.", ofPushing},
	{http.StatusBadRequest, "details_number", "authorization_details have one element: send one request for each service item.", ofPushing},
	{http.StatusBadRequest, "details_type", "The type of authorization details is license.", ofPushing},
	{http.StatusBadRequest, "item_unregistered", "The client is not registered for this service item: ask the operator.", ofPushing},

	{http.StatusBadRequest, "request_unsupported", "Request objects are not taken: push the parameters.", ofRequests},
	{http.StatusBadRequest, "registration_unsupported", "Clients are registered by the operator: leave the parameter out.", ofRequests},
	{http.StatusBadRequest, "request_uri_invalid", "request_uri is not one that the endpoint for pushed requests returned.", ofRequests},
	{http.StatusBadRequest, "response_type_missing", "response_type is missing: send code.", ofRequests},
	{http.StatusBadRequest, "response_type_unsupported", "The response type is code.", ofRequests},
	{http.StatusBadRequest, "response_mode_invalid", "The response modes are query and form_post.", ofRequests},
	{http.StatusBadRequest, "response_mode_redirect", "form_post needs a redirect_uri of http or https.", ofRequests},
	{http.StatusBadRequest, "pkce_required", "code_challenge is missing: make one of a code_verifier (RFC 7636).", ofRequests},
	{http.StatusBadRequest, "pkce_method", "code_challenge_method is S256.", ofRequests},
	{http.StatusBadRequest, "pkce_challenge", "code_challenge is no SHA-256 in base64url, 43 characters: make it of the code_verifier.", ofRequests},
	{http.StatusBadRequest, "scope_of_client", "The scope is for clients that act for themselves: ask for it with client_credentials.", ofRequests},
	{http.StatusBadRequest, "state_invalid", "state has at most 2,048 bytes of visible ASCII: shorten it.", ofRequests},
	{http.StatusBadRequest, "nonce_invalid", "nonce has at most 512 bytes without control characters: shorten it.", ofRequests},
	{http.StatusBadRequest, "login_hint_invalid", "login_hint has at most 256 bytes without control characters: leave it out.", ofRequests},
	{http.StatusBadRequest, "ui_locales_invalid", "ui_locales is a list of language tags, at most 256 bytes: mend it.", ofRequests},
	{http.StatusBadRequest, "prompt_invalid", "prompt has values of none, login, consent and select_account: mend it.", ofRequests},
	{http.StatusBadRequest, "prompt_none", "prompt none stands alone: take the others out.", ofRequests},
	{http.StatusBadRequest, "acr_values_invalid", "acr_values has at most 1,024 bytes: name fewer.", ofRequests},
	{http.StatusBadRequest, "max_age_invalid", "max_age is a number of seconds: mend it.", ofRequests},
	{http.StatusBadRequest, "hint_invalid", "id_token_hint is no ID token of this provider: leave it out.", ofRequests},
	{http.StatusBadRequest, "hint_audience", "id_token_hint is an ID token of another client: leave it out.", ofRequests},

	{Back, "par_required", "The client is registered to push its requests: push them.", ofLogin},
	{Back, "second_factor", "The person must log in with a second factor, and prompt is none: ask without it.", ofLogin},
	{Back, "acting", "The person must say for whom they act, and prompt is none: ask without it.", ofLogin},
	{Back, "no_representation", "The detail demands somebody who acts for an organization or a person, and the person represents none: tell them what they can do for themselves.", ofLogin},
	{Back, "hint_mismatch", "Somebody else logged in than whom id_token_hint names: begin again.", ofLogin},
	{Back, "proofing_too_low", "The person's identity is not proofed well enough: the person has it proofed first.", ofLogin},
	{Back, "assurance_unreachable", "No login here reaches the assurance that is asked for: ask for a lower one.", ofLogin},
	{Back, "phone_waits", "The person's phone was changed, or recovered the password, less than a day ago, and they have no other second factor: they come back a day later.", ofLogin},
	{Back, "no_second_factor", "The person has no second factor: the person sets one up first.", ofLogin},
	{Back, "cancelled", "The person did not go on: offer the login again.", ofLogin},
	{Back, "consent_refused", "The person did not agree: go on without.", ofLogin},
	{Back, "holder_chose_paper", "The holder gives no license: take the documents on paper.", ofLogin},
}

// ReasonsOf returns the reasons that an endpoint gives, by the id of its operation in the
// OpenAPI document.
func ReasonsOf(id string) []Reason {
	return slices.DeleteFunc(slices.Clone(reasons), func(f Reason) bool { return !slices.Contains(f.of, id) })
}

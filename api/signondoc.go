package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/api/oauth"
	"yizheng.internal/license"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
)

// signOn describes an endpoint of the OpenID provider, which isn't served through
// register: its forms, its answers and its error codes are those of OAuth 2.0.
type signOn struct {
	methods, path, id, summary, text string
	who                              string // how a client authenticates: client, token, or nobody
	people                           bool   // it is there where people log in
	form                             []parameter
	done                             []answerDoc
	codes                            []oidc.Code // of errors
	page                             bool        // errors are pages, or go back to the redirect URI
	document                         bool        // it is a public document: nothing is refused
}

type answerDoc struct {
	status      int
	text, media string
}

// Parameters of several endpoints. Lengths are those that oidc checks.
func authorizationParameters() []parameter {
	bound := oidc.ParameterBounds()
	about := oauth.MetadataOf("", true)
	most := func(name string) string { return fmt.Sprintf("at most %d bytes", bound[name]) }
	return []parameter{
		{name: "client_id", text: "the client's id", kind: "string", required: true},
		{name: "request_uri", text: "of a pushed request; nothing but client_id stands beside it. It lives for the seconds that the answer said, and serves once", kind: "string"},
		{name: "response_type", text: listed(about.ResponseTypes), kind: "string"},
		{name: "redirect_uri", text: "as registered, character for character; " + most("redirect_uri"), kind: "string"},
		{name: "scope", text: "openid, and more of those that the client is registered for, with spaces", kind: "string"},
		{name: "state", text: "comes back as it is; " + most("state"), kind: "string"},
		{name: "nonce", text: "stands in the ID token; " + most("nonce"), kind: "string"},
		{name: "code_challenge", text: "SHA-256 of the code_verifier in base64url, 43 characters; required but for clients registered without", kind: "string"},
		{name: "code_challenge_method", text: listed(about.Challenges), kind: "string"},
		{name: "response_mode", text: listed(about.ResponseModes), kind: "string"},
		{name: "prompt", text: "of " + listed(about.Prompts) + "; none alone, others with spaces", kind: "string"},
		{name: "max_age", text: "how old the login may be, in seconds", kind: "integer"},
		{name: "acr_values", text: "the assurance that the login shall have at least: " + listed(about.ACRs), kind: "string"},
		{name: "login_hint", text: "who is expected; " + most("login_hint"), kind: "string"},
		{name: "id_token_hint", text: "an ID token of whoever is expected; " + most("id_token_hint"), kind: "string"},
		{name: "ui_locales", text: listed(about.Locales) + "; " + most("ui_locales"), kind: "string"},
		{name: "resource", text: "the API that the access token is for, one at most (RFC 8707)", kind: "string"},
		{name: "authorization_details", text: "licenses that are asked for (RFC 9396), in pushed requests alone; " + most("authorization_details"), kind: "string"},
	}
}

// ofLogins are errors that only come of what a person does, or is.
var ofLogins = []oidc.Code{oidc.AccessDenied, oidc.LoginRequired, oidc.ConsentRequired, oidc.InteractionRequired, oidc.AccountSelectionRequired, oidc.UnmetAuthenticationRequirements}

func listed[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

var tokenErrors = []oidc.Code{oidc.InvalidRequest, oidc.InvalidClient, oidc.TemporarilyUnavailable, oidc.ServerError}

// authorizationErrors are those of an authorization request.
var authorizationErrors = []oidc.Code{
	oidc.AccessDenied, oidc.LoginRequired, oidc.ConsentRequired, oidc.InteractionRequired, oidc.AccountSelectionRequired,
	oidc.UnmetAuthenticationRequirements, oidc.InvalidRequest, oidc.InvalidRequestURI, oidc.RequestNotSupported, oidc.RegistrationNotSupported,
	oidc.InvalidScope, oidc.InvalidTarget, oidc.UnauthorizedClient, oidc.UnsupportedResponseType, oidc.InvalidAuthorizationDetails,
	oidc.TemporarilyUnavailable, oidc.ServerError,
}

// signOns lists the provider's endpoints.
func signOns() []signOn {
	pushed := slices.DeleteFunc(authorizationParameters(), func(p parameter) bool { return p.name == "request_uri" || p.name == "client_id" })
	token := []parameter{
		{name: "token", text: "the access or refresh token", kind: "string", required: true},
		{name: "token_type_hint", text: "access_token or refresh_token", kind: "string"},
	}
	documents := []answerDoc{{200, "The document.", "application/json"}, {304, "The caller has it already.", ""}}
	return []signOn{
		{methods: "GET POST", path: oauth.AuthorizePath, id: "authorize", summary: "Begin a login (authorization endpoint)", people: true, page: true,
			text: "The browser is sent here. It comes back to the redirect URI with code, state and iss, or with error, error_description, state and iss (RFC 9207). " +
				"What is wrong with client or redirect URI is shown on a page. HEAD has no effect.",
			form: authorizationParameters(), codes: authorizationErrors,
			done: []answerDoc{{200, "A page: the way back by form_post.", "text/html"}, {302, "On to the login, or back to the redirect URI.", ""}, {303, "On to the login, or back to the redirect URI.", ""}}},
		{methods: "POST", path: oauth.PARPath, id: "push-request", summary: "Push an authorization request (RFC 9126)", who: "client", people: true, form: pushed,
			text:  "A client may push 30,000 requests a minute, 6,000 at once; requests larger than 2 KiB count several times. All parameters together have at most 40 KiB.",
			codes: slices.Concat(tokenErrors, slices.DeleteFunc(slices.Clone(authorizationErrors), func(c oidc.Code) bool { return slices.Contains(slices.Concat(tokenErrors, ofLogins), c) })),
			done:  []answerDoc{{201, "request_uri, and expires_in in seconds.", "application/json"}}},
		{methods: "POST", path: oauth.TokenPath, id: "token", summary: "Get tokens (token endpoint)", who: "client",
			text: "A code is good for a minute, and once: used twice, it ends what it yielded. A refresh token is good once, too; a repetition within 10 seconds gets the same answer. " +
				"Access tokens live five minutes.",
			form: []parameter{
				{name: "grant_type", text: listed(oauth.MetadataOf("", true).GrantTypes), kind: "string", required: true},
				{name: "code", text: "of authorization_code", kind: "string"},
				{name: "redirect_uri", text: "as in the authorization request", kind: "string"},
				{name: "code_verifier", text: "43 to 128 characters (RFC 7636)", kind: "string"},
				{name: "refresh_token", text: "of refresh_token", kind: "string"},
				{name: "scope", text: "fewer scopes than were granted; of client_credentials some of the client's", kind: "string"},
				{name: "resource", text: "the API that the access token is for, one at most (RFC 8707)", kind: "string"},
			},
			codes: slices.Concat(tokenErrors, []oidc.Code{oidc.InvalidGrant, oidc.UnauthorizedClient, oidc.UnsupportedGrantType, oidc.InvalidScope, oidc.InvalidTarget, oidc.InvalidAuthorizationDetails}),
			done:  []answerDoc{{200, "access_token, token_type, expires_in, scope, and of a login id_token, refresh_token and authorization_details.", "application/json"}}},
		{methods: "POST", path: oauth.IntrospectionPath, id: "introspect", summary: "Look at a token (RFC 7662)", who: "client", form: token,
			text: "Answers active: true to the token's client and to the API that it is for, active: false to all others.", codes: slices.Concat(tokenErrors, []oidc.Code{oidc.UnauthorizedClient}),
			done: []answerDoc{{200, "active, and of an active token what it says.", "application/json"}}},
		{methods: "POST", path: oauth.RevocationPath, id: "revoke", summary: "Revoke a token (RFC 7009)", who: "client", form: token,
			text: "With a refresh token all tokens of its login end, with an access token that login's too; a token that isn't known is no error.", codes: slices.Concat(tokenErrors, []oidc.Code{oidc.UnauthorizedClient}),
			done: []answerDoc{{200, "Nothing.", ""}}},
		{methods: "GET POST", path: oauth.UserInfoPath, id: "userinfo", summary: "Read who logged in (userinfo endpoint)", who: "token", people: true,
			text: "The access token of a login stands in the Authorization header; with POST it may be the form's access_token.", codes: []oidc.Code{oidc.InvalidRequest, oidc.InvalidToken, oidc.InsufficientScope},
			done: []answerDoc{{200, "sub, and the claims of the granted scopes.", "application/json"}}},
		{methods: "GET POST", path: oauth.EndSessionPath, id: "end-session", summary: "Log out (end_session endpoint)", people: true, page: true,
			text: "The browser is sent here; the person is asked. A way back that isn't registered is dropped.",
			form: []parameter{
				{name: "id_token_hint", text: fmt.Sprintf("an ID token of the login; at most %d bytes", oidc.ParameterBounds()["id_token_hint"]), kind: "string"},
				{name: "client_id", text: "the client's id", kind: "string"},
				{name: "post_logout_redirect_uri", text: "as registered", kind: "string"},
				{name: "state", text: fmt.Sprintf("comes back as it is; at most %d bytes", oidc.ParameterBounds()["state"]), kind: "string"},
				{name: "ui_locales", text: "zh-CN or en", kind: "string"},
			},
			done: []answerDoc{{200, "A page, which asks.", "text/html"}, {303, "On, where nobody is logged in.", ""}}},
		{methods: "GET", path: oauth.JWKSPath, id: "jwks", summary: "The keys of tokens (JWK set)", document: true, done: documents,
			text: "A key is named by its thumbprint (RFC 7638); those of earlier versions by other names. It stands here well before it signs."},
		{methods: "GET", path: oauth.MetadataPath, id: "oauth-metadata", summary: "Metadata (RFC 8414)", document: true, done: documents},
		{methods: "GET", path: oauth.DiscoveryPath, id: "openid-configuration", summary: "Metadata (OpenID Connect Discovery)", people: true, document: true, done: documents},
	}
}

// describeSignOn adds the provider's endpoints to the document.
func (s *Server) describeSignOn() {
	for _, d := range signOns() {
		if d.people && s.c.Identity == nil {
			continue
		}
		for method := range strings.FieldsSeq(d.methods) {
			s.openapi.AddOperation(d.operation(method))
		}
	}
}

func (d *signOn) operation(method string) *huma.Operation {
	op := &huma.Operation{
		Method: method, Path: d.path, OperationID: d.id, Summary: d.summary, Description: d.text, Tags: []string{tagSignOn},
		Security: []map[string][]string{}, Responses: map[string]*huma.Response{},
	}
	if method == "POST" && strings.Contains(d.methods, "GET") {
		op.OperationID += "-post"
		op.Summary += ", by POST"
	}
	switch d.who {
	case "client":
		op.Security = []map[string][]string{{schemeSecret: {}}}
	case "token":
		op.Security = []map[string][]string{{schemeToken: {string(oidc.ScopeOpenID)}}}
	}
	if len(d.form) > 0 && method == "GET" {
		for _, p := range d.form {
			op.Parameters = append(op.Parameters, p.describe("query"))
		}
	} else if len(d.form) > 0 {
		form := &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{}}
		for _, p := range d.form {
			form.Properties[p.name] = &huma.Schema{Type: p.kind, Description: p.text}
			if p.required {
				form.Required = append(form.Required, p.name)
			}
		}
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{oauth.FormMedia: {Schema: form}}}
	}
	for _, a := range d.done {
		r := &huma.Response{Description: a.text}
		if a.media != "" {
			r.Content = map[string]*huma.MediaType{a.media: {Schema: &huma.Schema{Type: mediaKind(a.media)}}}
		}
		op.Responses[strconv.Itoa(a.status)] = r
	}
	for status, text := range d.refusals(method) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: text}
	}
	for _, f := range d.reasons() {
		addReason(op.Responses[strconv.Itoa(f.status)], f)
	}
	return op
}

func mediaKind(media string) string {
	if media == "application/json" {
		return "object"
	}
	return "string"
}

// refusals are the statuses of what isn't done, with their codes.
func (d *signOn) refusals(method string) map[int]string {
	all := map[int]string{http.StatusInternalServerError: d.coded("Failed.", oidc.ServerError),
		http.StatusServiceUnavailable: d.coded("Not now: wait for Retry-After, then send the same again.", oidc.TemporarilyUnavailable)}
	if d.document {
		return all
	}
	if d.page {
		all[http.StatusBadRequest] = "A page, which says what is wrong with client, redirect URI or form."
		if len(d.codes) > 0 {
			all[http.StatusBadRequest] += " All other errors go back to the redirect URI: " + joinCodes(d.codes) + "."
		}
		all[http.StatusTooManyRequests] = "A page: too many requests of this address."
		all[http.StatusRequestURITooLong] = "A page: the URL is too long."
	} else {
		var rest []oidc.Code
		for _, c := range d.codes {
			if c != oidc.InvalidClient && c != oidc.TemporarilyUnavailable && c != oidc.ServerError && (d.who == "client" || c == oidc.InvalidRequest) {
				rest = append(rest, c)
			}
		}
		all[http.StatusBadRequest] = d.coded("Refused.", rest...)
		all[http.StatusRequestURITooLong] = "The URL is too long."
	}
	switch d.who {
	case "client":
		all[http.StatusUnauthorized] = d.coded("The client did not authenticate.", oidc.InvalidClient)
		all[http.StatusMethodNotAllowed] = d.coded("Anything but POST.", oidc.InvalidRequest)
		all[http.StatusTooManyRequests] = d.coded("Too many wrong secrets, or too many pushed requests: wait for Retry-After.", oidc.TemporarilyUnavailable)
	case "token":
		all[http.StatusUnauthorized] = d.coded("There is no token, or it is no longer good.", oidc.InvalidToken)
		all[http.StatusForbidden] = d.coded("The token is not of a login.", oidc.InsufficientScope)
	}
	if method == "POST" {
		all[http.StatusRequestEntityTooLarge] = d.coded("The body is larger than 64 KiB.", oidc.InvalidRequest)
		all[http.StatusUnsupportedMediaType] = d.coded("The body is not "+oauth.FormMedia+".", oidc.InvalidRequest)
	}
	return all
}

// coded says which codes the member error has.
func (d *signOn) coded(text string, codes ...oidc.Code) string {
	if d.page || len(codes) == 0 {
		return text
	}
	return text + " " + joinCodes(codes) + "."
}

func joinCodes(codes []oidc.Code) string {
	texts := make([]string, len(codes))
	for i, c := range codes {
		texts[i] = "`" + string(c) + "`"
	}
	return strings.Join(texts, ", ")
}

// reasons returns all that an endpoint of the provider is refused for, by status and
// reason: also what the registry says of the licenses that are asked for.
func (d *signOn) reasons() []reasonCode {
	var all []reasonCode
	for _, f := range oauth.ReasonsOf(d.id) {
		status := f.Status
		if d.page {
			status = oauth.Back
		}
		all = append(all, reasonCode{status: status, reason: f.Reason, meaning: f.Meaning})
	}
	for id, a := range map[string]license.Action{"push-request": license.ActionOffer, "token": license.ActionDeliver} {
		if d.id != id {
			continue
		}
		for _, f := range license.RefusalsOf(a) {
			listed := slices.ContainsFunc(all, func(r reasonCode) bool { return r.reason == f.Reason })
			if !listed && (f.Kind == refusal.KindInvalid || a == license.ActionDeliver) {
				all = append(all, reasonCode{status: http.StatusBadRequest, reason: f.Reason, meaning: f.Meaning})
			}
		}
	}
	slices.SortFunc(all, func(a, b reasonCode) int { return cmp.Or(a.status-b.status, strings.Compare(a.reason, b.reason)) })
	return slices.CompactFunc(all, func(a, b reasonCode) bool { return a.status == b.status && a.reason == b.reason })
}

package openapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/api/oauth"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/request"
	"yizheng.internal/signing/journal"
)

// signOn describes an endpoint of the OpenID provider, which isn't served through
// register: its forms, its answers and its error codes are those of OAuth 2.0.
type signOn struct {
	methods, path, id, summary, text string
	who                              string // how a client authenticates: client, token, or nobody
	people                           bool   // it is there where people log in
	form                             []Parameter
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
func authorizationParameters() []Parameter {
	bound := request.ParameterBounds()
	about := oauth.MetadataOf("", true)
	most := func(name string) string { return fmt.Sprintf("at most %d bytes", bound[name]) }
	return []Parameter{
		{Name: "client_id", Text: "the client's id", Kind: "string", Required: true},
		{Name: "request_uri", Text: "of a pushed request; nothing but client_id stands beside it. It lives for the seconds that the answer said, and serves once", Kind: "string"},
		{Name: "response_type", Text: listed(about.ResponseTypes), Kind: "string"},
		{Name: "redirect_uri", Text: "as registered, character for character; " + most("redirect_uri"), Kind: "string"},
		{Name: "scope", Text: "openid, and more of those that the client is registered for, with spaces", Kind: "string"},
		{Name: "state", Text: "comes back as it is; " + most("state"), Kind: "string"},
		{Name: "nonce", Text: "stands in the ID token; " + most("nonce"), Kind: "string"},
		{Name: "code_challenge", Text: "SHA-256 of the code_verifier in base64url, 43 characters; required but for clients registered without", Kind: "string"},
		{Name: "code_challenge_method", Text: listed(about.Challenges), Kind: "string"},
		{Name: "response_mode", Text: listed(about.ResponseModes), Kind: "string"},
		{Name: "prompt", Text: "of " + listed(about.Prompts) + "; none alone, others with spaces", Kind: "string"},
		{Name: "max_age", Text: "how old the login may be, in seconds", Kind: "integer"},
		{Name: "acr_values", Text: "the assurance that the login shall have at least: " + listed(about.ACRs), Kind: "string"},
		{Name: "login_hint", Text: "who is expected; " + most("login_hint"), Kind: "string"},
		{Name: "id_token_hint", Text: "an ID token of whoever is expected; " + most("id_token_hint"), Kind: "string"},
		{Name: "ui_locales", Text: listed(about.Locales) + "; " + most("ui_locales"), Kind: "string"},
		{Name: "resource", Text: "the API that the access token is for, one at most (RFC 8707)", Kind: "string"},
		{Name: "authorization_details", Text: "licenses that are asked for (RFC 9396), in pushed requests alone; " + most("authorization_details"), Kind: "string"},
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
	pushed := slices.DeleteFunc(authorizationParameters(), func(p Parameter) bool { return p.Name == "request_uri" || p.Name == "client_id" })
	token := []Parameter{
		{Name: "token", Text: "the access or refresh token", Kind: "string", Required: true},
		{Name: "token_type_hint", Text: "access_token or refresh_token", Kind: "string"},
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
			form: []Parameter{
				{Name: "grant_type", Text: listed(oauth.MetadataOf("", true).GrantTypes), Kind: "string", Required: true},
				{Name: "code", Text: "of authorization_code", Kind: "string"},
				{Name: "redirect_uri", Text: "as in the authorization request", Kind: "string"},
				{Name: "code_verifier", Text: "43 to 128 characters (RFC 7636)", Kind: "string"},
				{Name: "refresh_token", Text: "of refresh_token", Kind: "string"},
				{Name: "scope", Text: "fewer scopes than were granted; of client_credentials some of the client's", Kind: "string"},
				{Name: "resource", Text: "the API that the access token is for, one at most (RFC 8707)", Kind: "string"},
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
			form: []Parameter{
				{Name: "id_token_hint", Text: fmt.Sprintf("an ID token of the login; at most %d bytes", request.ParameterBounds()["id_token_hint"]), Kind: "string"},
				{Name: "client_id", Text: "the client's id", Kind: "string"},
				{Name: "post_logout_redirect_uri", Text: "as registered", Kind: "string"},
				{Name: "state", Text: fmt.Sprintf("comes back as it is; at most %d bytes", request.ParameterBounds()["state"]), Kind: "string"},
				{Name: "ui_locales", Text: "zh-CN or en", Kind: "string"},
			},
			done: []answerDoc{{200, "A page, which asks.", "text/html"}, {303, "On, where nobody is logged in.", ""}}},
		{methods: "GET", path: oauth.JWKSPath, id: "jwks", summary: "The keys of tokens (JWK set)", document: true, done: documents,
			text: "A key is named by its thumbprint (RFC 7638); those of earlier versions by other names. It stands here well before it signs."},
		{methods: "GET", path: oauth.MetadataPath, id: "oauth-metadata", summary: "Metadata (RFC 8414)", document: true, done: documents},
		{methods: "GET", path: oauth.DiscoveryPath, id: "openid-configuration", summary: "Metadata (OpenID Connect Discovery)", people: true, document: true, done: documents},
	}
}

// addSignOn adds the provider's endpoints to the document.
func (o *Document) addSignOn() {
	for _, d := range signOns() {
		if d.people && !o.people {
			continue
		}
		for method := range strings.FieldsSeq(d.methods) {
			o.api.AddOperation(d.operation(method))
		}
	}
}

func (d *signOn) operation(method string) *huma.Operation {
	op := &huma.Operation{
		Method: method, Path: d.path, OperationID: d.id, Summary: d.summary, Description: d.text, Tags: []string{TagSignOn},
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
			form.Properties[p.Name] = &huma.Schema{Type: p.Kind, Description: p.Text}
			if p.Required {
				form.Required = append(form.Required, p.Name)
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
	for _, f := range d.Reasons() {
		addReason(op.Responses[strconv.Itoa(f.Status)], f)
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

// Reasons returns all that an endpoint of the provider is refused for, by status and
// reason: also what the registry says of the licenses that are asked for.
func (d *signOn) Reasons() []Reason {
	var all []Reason
	for _, f := range oauth.ReasonsOf(d.id) {
		status := f.Status
		if d.page {
			status = oauth.Back
		}
		all = append(all, Reason{Status: status, Reason: f.Reason, Meaning: f.Meaning})
	}
	for id, a := range map[string]journal.Action{"push-request": journal.ActionGrantOffer, "token": journal.ActionGrantDeliver} {
		if d.id != id {
			continue
		}
		for _, f := range refusal.Of(a) {
			listed := slices.ContainsFunc(all, func(r Reason) bool { return r.Reason == string(f.Reason) })
			if !listed && (f.Kind == refusal.KindInvalid || a == journal.ActionGrantDeliver) {
				all = append(all, Reason{Status: http.StatusBadRequest, Reason: string(f.Reason), Meaning: f.Meaning})
			}
		}
	}
	slices.SortFunc(all, func(a, b Reason) int { return cmp.Or(a.Status-b.Status, strings.Compare(a.Reason, b.Reason)) })
	return slices.CompactFunc(all, func(a, b Reason) bool { return a.Status == b.Status && a.Reason == b.Reason })
}

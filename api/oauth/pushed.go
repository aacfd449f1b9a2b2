package oauth

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/oidc"
)

// PushRequest serves the pushed authorization request endpoint (RFC 9126), all
// methods.
func (o *Endpoints) PushRequest(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	x, err := o.readRequest(w, r)
	if err != nil {
		o.refuse(w, r, x, err)
		return
	}
	answer, err := o.push(r, x)
	if err != nil {
		o.refuse(w, r, x, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.MarshalWrite(w, answer) // an error is the connection's
}

// pushed is the answer of RFC 9126 section 2.2.
type pushed struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

func (o *Endpoints) push(r *http.Request, x *exchange) (pushed, error) {
	client, err := o.authenticate(r.Context(), x)
	if err != nil {
		return pushed{}, err
	}
	if client.Public() { // anybody, and what they push is kept
		if wait := o.c.Askers.WaitAddress(x.address, sizeOf(x.form), time.Now()); wait > 0 {
			return pushed{}, x.tooMany(wait, "rate_limited", "too many requests from this address; try again later")
		}
	} else if wait := o.c.Pushers.WaitKey(client.ID, sizeOf(x.form), time.Now()); wait > 0 {
		return pushed{}, x.tooMany(wait, "rate_limited", "this client pushes too many requests, or too large ones; try again after Retry-After")
	}
	if x.form.Has("request_uri") { // RFC 9126 section 2.1
		return pushed{}, invalidRequest("request_uri_pushed", "a pushed request has no request_uri")
	}
	params, err := parametersOf(x.form)
	if err != nil {
		return pushed{}, err
	}
	params["client_id"] = client.ID
	uri, life, err := o.c.Requests.Push(r.Context(), client, params, x.credentials.RequestID)
	if err != nil {
		return pushed{}, err
	}
	return pushed{uri, int64(life / time.Second)}, nil
}

// sizeOf returns how long a form's parameters are, in bytes.
func sizeOf(form map[string][]string) (n int) {
	for name, values := range form {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return n
}

// parametersOf returns a form's parameters as the provider takes them.
func parametersOf(form map[string][]string) (oidc.Parameters, error) {
	params := make(oidc.Parameters, len(form)+1)
	for name, values := range form {
		if len(values) > 1 { // readForm lets only resource stand twice
			return nil, &oidc.Error{Code: oidc.InvalidTarget, Description: "name one resource at most", Reason: "resource_repeated"}
		}
		params[name] = values[0]
	}
	return params, nil
}

// maxParameters is how many parameters a request of OAuth may have.
const maxParameters = 64

// RequestParameters returns the parameters of an OAuth request. One without a value
// counts as left out, and none may come twice (RFC 6749 section 3.1).
func RequestParameters(form url.Values) (oidc.Parameters, error) {
	if len(form) > maxParameters {
		return nil, &oidc.RequestError{Refusal: &oidc.Error{Code: oidc.InvalidRequest, Description: "the request has too many parameters", Reason: "parameters_many"}}
	}
	params := oidc.Parameters{}
	for name, values := range form {
		if len(values) > 1 {
			return nil, &oidc.RequestError{Refusal: &oidc.Error{Code: oidc.InvalidRequest, Description: "a parameter is there twice", Reason: "parameter_repeated"}}
		}
		if !oidc.IsText(name) || !oidc.IsText(values[0]) {
			return nil, &oidc.RequestError{Refusal: &oidc.Error{Code: oidc.InvalidRequest, Description: "a parameter is not printable UTF-8", Reason: "parameter_text"}}
		}
		if values[0] != "" {
			params[name] = values[0]
		}
	}
	return params, nil
}

package oauth

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
)

const (
	maxFormBytes = 64 << 10
	FormMedia    = "application/x-www-form-urlencoded"
)

// exchange is what is known of a client's request under way.
type exchange struct {
	credentials client.Credentials
	form        url.Values // without credentials
	address     netip.Addr
	retryAfter  time.Duration // to be told to the client; 0: nothing
	refused     *answer       // what the client is told; nil: nothing was refused yet
}

// readRequest reads a client's request, and refuses what the protocol doesn't have. A request
// that passes has one set of credentials, which are not checked yet.
func (o *Endpoints) readRequest(w http.ResponseWriter, r *http.Request) (*exchange, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &refusal{http.StatusMethodNotAllowed, invalidRequest("method_not_allowed", "this endpoint takes POST only")}
	}
	// Queries end up in logs and histories, so they may have no parameters, and above all no
	// secret (RFC 6749 section 2.3.1).
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return nil, invalidRequest("parameters_in_url", "parameters belong into the body, not into the URL")
	}
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	x := &exchange{form: form, address: o.c.Address(r)}
	if x.credentials, err = readCredentials(r.Header.Values("Authorization"), form); err != nil {
		return nil, err
	}
	x.credentials.RequestID = problem.RequestID(r.Context())
	form.Del("client_id")
	form.Del("client_secret")
	return x, nil
}

func invalidRequest(reason oidc.Reason, description string) *oidc.Error {
	return &oidc.Error{Code: oidc.InvalidRequest, Description: description, Reason: reason}
}

// readForm reads a body of parameters (RFC 6749 appendix B). Parameters without
// a value count as left out and none may be repeated (section 3.2), but for
// resource (RFC 8707 section 2).
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if !isForm(r.Header.Get("Content-Type")) || len(r.Header.Values("Content-Type")) != 1 || r.Header.Get("Content-Encoding") != "" {
		return nil, &refusal{http.StatusUnsupportedMediaType, invalidRequest("media_type", "the body is "+FormMedia)}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFormBytes))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &refusal{http.StatusRequestEntityTooLarge, invalidRequest("body_too_large", "the body is larger than 64 KiB")}
	}
	if err != nil {
		return nil, invalidRequest("body_unreadable", "the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("form_malformed", "the body is not well-formed "+FormMedia)
	}
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return nil, invalidRequest("parameter_repeated", "a parameter is there twice")
		}
		for _, value := range values {
			if !oidc.IsText(value) {
				return nil, invalidRequest("parameter_text", "a parameter is not printable UTF-8")
			}
		}
		if len(values) == 1 && values[0] == "" {
			delete(form, name)
		}
	}
	return form, nil
}

// isForm reports whether a media type is a form's, whatever its parameters.
func isForm(media string) bool {
	if media == FormMedia { // as almost everybody writes it
		return true
	}
	media, _, err := mime.ParseMediaType(media)
	return err == nil && media == FormMedia
}

// readCredentials finds the client's credentials in the Authorization header or
// in the form; the id alone is that of a public client. Two ways at once are refused (RFC 6749 section 2.3); a client_id
// beside the header may only repeat it.
func readCredentials(headers []string, form url.Values) (client.Credentials, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return client.Credentials{}, &oidc.Error{Code: oidc.InvalidClient, Description: "client assertions are not supported; use client_secret_basic or client_secret_post", Reason: "assertion_unsupported"}
	}
	if len(headers) == 0 {
		switch {
		case id == "":
			return client.Credentials{}, &oidc.Error{Code: oidc.InvalidClient, Description: "client_id and client_secret are missing", Reason: "credentials_missing"}
		case secret == "":
			return client.Credentials{ID: id, Method: oidc.AuthNone}, nil // of a public client
		}
		return client.Credentials{ID: id, Method: oidc.AuthPost, Secret: oidc.SecretOf(secret)}, nil
	}
	if len(headers) > 1 {
		return client.Credentials{}, invalidRequest("authorization_repeated", "there are two Authorization headers")
	}
	c, err := parseBasic(headers[0])
	if err != nil {
		return client.Credentials{}, err
	}
	if secret != "" {
		return client.Credentials{}, invalidRequest("authentication_twice", "use one way to authenticate, not two")
	}
	if id != "" && id != c.ID {
		return client.Credentials{}, invalidRequest("client_id_differs", "client_id differs from the one in the Authorization header")
	}
	return c, nil
}

// parseBasic reads an Authorization header of HTTP Basic (RFC 7617), whose user
// and password are form-encoded (RFC 6749 section 2.3.1).
func parseBasic(header string) (client.Credentials, error) {
	malformed := &oidc.Error{Code: oidc.InvalidClient, Description: "the Authorization header is not well-formed HTTP Basic", Reason: "basic_malformed"}
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return client.Credentials{}, malformed
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return client.Credentials{}, malformed
	}
	user, password, ok := strings.Cut(string(decoded), ":")
	if !ok {
		return client.Credentials{}, malformed
	}
	id, err := url.QueryUnescape(user)
	if err != nil || id == "" || !oidc.IsText(id) {
		return client.Credentials{}, malformed
	}
	secret, err := url.QueryUnescape(password)
	if err != nil || !oidc.IsText(secret) {
		return client.Credentials{}, malformed
	}
	return client.Credentials{ID: id, Method: oidc.AuthBasic, Secret: oidc.SecretOf(secret)}, nil
}

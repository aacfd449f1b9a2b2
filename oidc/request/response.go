package request

import (
	"net/url"
	"strings"

	"yizheng.internal/oidc"
)

// Response returns the response that takes the browser back to the client with some
// parameters. It adds state, if there is one, and iss (RFC 9207), as in every answer.
func (p *Reader) Response(d *Destination, params ...oidc.Parameter) *oidc.Response {
	if d.State != "" {
		params = append(params, oidc.Parameter{Name: "state", Value: d.State})
	}
	params = append(params, oidc.Parameter{Name: "iss", Value: p.c.Issuer})
	r := &oidc.Response{RedirectURI: d.RedirectURI, Mode: d.Mode, Parameters: params}
	if d.Mode == oidc.ModeQuery {
		r.RedirectURI = withQuery(d.RedirectURI, params...)
	}
	return r
}

// withQuery appends parameters to a registered URI. The URI's own query stays unchanged.
func withQuery(uri string, params ...oidc.Parameter) string {
	var b strings.Builder
	b.WriteString(uri)
	separator := byte('?')
	if strings.Contains(uri, "?") {
		separator = '&'
		if strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&") {
			separator = 0
		}
	}
	for _, param := range params {
		if separator != 0 {
			b.WriteByte(separator)
		}
		separator = '&'
		b.WriteString(param.Name)
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(param.Value))
	}
	return b.String()
}

// ErrorResponse returns the response that takes a refusal back (RFC 6749 section 4.1.2.1).
// The finer reason has a parameter of its own and also begins the description, so that
// programs can tell refusals with the same code apart.
func (p *Reader) ErrorResponse(d *Destination, e *oidc.Error) *oidc.Response {
	description, reason := e.Description, e.ReasonShown()
	if reason != "" && description != "" {
		description = string(reason) + ": " + description
	}
	params := []oidc.Parameter{{Name: "error", Value: string(e.Code)}}
	if description != "" {
		params = append(params, oidc.Parameter{Name: "error_description", Value: description})
	}
	if reason != "" {
		params = append(params, oidc.Parameter{Name: "reason", Value: string(reason)})
	}
	return p.Response(d, params...)
}

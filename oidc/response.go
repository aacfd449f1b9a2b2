package oidc

import (
	"net/url"
	"strings"
)

// response returns what takes the browser back with some parameters, and with
// state and iss (RFC 9207), which are in every answer.
func (p *Provider) response(d *destination, params ...Parameter) *Response {
	if d.State != "" {
		params = append(params, Parameter{"state", d.State})
	}
	params = append(params, Parameter{"iss", p.c.Issuer})
	r := &Response{RedirectURI: d.RedirectURI, Mode: d.Mode, Parameters: params}
	if d.Mode == ModeQuery {
		r.RedirectURI = withQuery(d.RedirectURI, params...)
	}
	return r
}

// withQuery appends parameters to a registered URI's query, which is kept as it is.
func withQuery(uri string, params ...Parameter) string {
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

// errorResponse takes a refusal back (RFC 6749 section 4.1.2.1). A finer reason
// stands in a parameter of its own, and as ever before the description, so that
// programs can tell refusals apart that have one code.
func (p *Provider) errorResponse(d *destination, e *Error) *Response {
	description, reason := e.Description, e.ReasonShown()
	if reason != "" && description != "" {
		description = reason + ": " + description
	}
	params := []Parameter{{"error", string(e.Code)}}
	if description != "" {
		params = append(params, Parameter{"error_description", description})
	}
	if reason != "" {
		params = append(params, Parameter{"reason", reason})
	}
	return p.response(d, params...)
}

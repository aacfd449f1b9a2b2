package request

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
)

// readDetails reads authorization_details (RFC 9396). They are accepted only through
// PAR, from a client that proved who it is and whose code nobody else can redeem. So
// nobody else can make a link that asks for licenses.
func (p *Reader) readDetails(ctx context.Context, r *Request, c oidc.Client, param string, pushed bool) error {
	if param == "" {
		return nil
	}
	refuse := func(reason oidc.Reason, description string) error {
		return &oidc.Error{Code: oidc.InvalidAuthorizationDetails, Description: description, Reason: reason}
	}
	switch {
	case !pushed:
		return refuse("details_not_pushed", "authorization_details come through the pushed authorization request endpoint")
	case p.c.Details == nil || c.Public() || r.Challenge == "" || len(c.ServiceItems) == 0:
		return refuse("details_unregistered", "the client is not registered for any service item")
	case len(param) > maxDetailBytes:
		return refuse("details_too_large", "authorization_details are longer than 16 KiB")
	}
	detail, err := parseDetails(param)
	if err != nil {
		return err
	}
	d, err := p.c.Details.Read(ctx, c, detail)
	if err != nil {
		return err
	}
	r.Detail = &d
	r.Assurance = max(r.Assurance, licenseAssurance)
	return nil
}

// licenseAssurance is the least assurance at which licenses are shown.
const licenseAssurance = 2

// maxDetailDepth is how deep arrays and objects may be nested.
const maxDetailDepth = 8

// parseDetails reads authorization_details: a JSON array with one detail of the type
// license, whose objects have unique names.
func parseDetails(param string) (jsontext.Value, error) {
	refuse := func(reason oidc.Reason, description string) (jsontext.Value, error) {
		return nil, &oidc.Error{Code: oidc.InvalidAuthorizationDetails, Description: description, Reason: reason}
	}
	if !shallow(param) {
		return refuse("details_malformed", "authorization_details are not JSON, or nested too deep")
	}
	var details []jsontext.Value
	if err := json.Unmarshal([]byte(param), &details); err != nil {
		return refuse("details_malformed", "authorization_details are not a JSON array with unique names in its objects")
	}
	if len(details) != 1 {
		return refuse("details_number", "authorization_details have one element")
	}
	var detail struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(details[0], &detail); err != nil {
		return refuse("details_malformed", "an authorization detail is an object with a type")
	}
	if detail.Type != oidc.DetailLicense {
		return refuse("details_type", "the type of authorization details is license")
	}
	if err := details[0].Compact(); err != nil {
		return refuse("details_malformed", "authorization_details are not JSON")
	}
	return details[0], nil
}

// shallow reports whether a text is JSON whose arrays and objects are nested no deeper
// than maxDetailDepth.
func shallow(text string) bool {
	d := jsontext.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.ReadToken()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if d.StackDepth() > maxDetailDepth {
			return false
		}
	}
}

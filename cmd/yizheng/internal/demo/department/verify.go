package department

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// doubt is a reason not to take a license. Its text is for people.
type doubt struct {
	text string
	err  error
}

func (d *doubt) Error() string { return d.text + ": " + fmt.Sprint(d.err) }

func (d *doubt) Unwrap() error { return d.err }

// presented is a license that passed every check.
type presented struct {
	TypeName   string
	Authority  string
	Number     string
	Holders    []holder
	ValidFrom  string
	ValidUntil string // empty: long-term
	Fields     []field
	Withheld   int // parts that were not released
}

type holder struct {
	Name     string `json:"name"`
	CodeType string `json:"code_type"`
	Code     string `json:"code"`
	Role     string `json:"role"`
}

// field is one face field, labeled.
type field struct{ Name, Label, Text string }

// verification is what the registry says of a credential.
type verification struct {
	Verdict string `json:"verdict"`
	Checks  []struct {
		Name   string `json:"name"`
		Result string `json:"result"`
		Reason string `json:"reason"`
	} `json:"checks"`
	License *struct {
		TypeName  string `json:"type_name"`
		Authority struct {
			Name string `json:"name"`
		} `json:"authority"`
		ValidFrom  string         `json:"valid_from"`
		ValidUntil string         `json:"valid_until"`
		Number     string         `json:"number"`
		Holders    []holder       `json:"holders"`
		Fields     map[string]any `json:"fields"`
		Withheld   int            `json:"withheld"`
	} `json:"license"`
}

// verify checks a credential that was released to us for a nonce: that it was
// made for us just now by whoever keeps the license, which we see for ourselves,
// and that the license is genuine and in force, which the registry tells; whom it
// was released to, it then looks at too.
func (s *System) verify(ctx context.Context, credential, nonce string) (*presented, error) {
	if err := checkBinding(credential, s.c.ClientID, nonce); err != nil {
		return nil, &doubt{"证照不是发给本系统的", err}
	}
	body, err := json.Marshal(map[string]string{"credential": credential, "audience": s.c.ClientID, "nonce": nonce})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.Issuer+"/v1/verify", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	var v verification
	if err := s.call(r, http.StatusOK, &v); err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	if v.Verdict != "valid" || v.License == nil {
		return nil, &doubt{"证照无效或无法核实", fmt.Errorf("the verdict is %s: %v", v.Verdict, v.Checks)}
	}
	l := v.License
	p := &presented{
		TypeName: l.TypeName, Authority: l.Authority.Name, Number: l.Number, Holders: l.Holders,
		ValidFrom: l.ValidFrom, ValidUntil: l.ValidUntil, Withheld: l.Withheld,
	}
	for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
		p.Fields = append(p.Fields, field{name, s.c.Profile.label(name), text(l.Fields[name])})
	}
	return p, nil
}

// text writes the value of a face field for people.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, text(e))
		}
		return strings.Join(parts, "、")
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, k+" "+text(v[k]))
		}
		return strings.Join(parts, "，")
	}
	return fmt.Sprint(value)
}

// holds reports whether the applicant is among the license's holders, as far as those are shown. The provider says under
// which code: a person may have several, and another one today than when the license was issued.
func (p *presented) holds(by *holder) bool {
	return len(p.Holders) == 0 || by != nil && slices.ContainsFunc(p.Holders, func(h holder) bool { return h.CodeType == by.CodeType && h.Code == by.Code })
}

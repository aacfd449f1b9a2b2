package openapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/web"
)

// Page makes the documentation's page in a language.
func (o *Document) Page(p *web.Pages, l web.Language) ([]byte, error) {
	m := o.Manual()
	m.translate(p, l)
	page, err := p.RenderPlain(l, "docs", m)
	if err != nil {
		return nil, fmt.Errorf("making the documentation's page: %w", err)
	}
	return page, nil
}

// Manual is what the documentation's page shows.
type Manual struct {
	Lang    web.Language
	Other   web.Language // that it may be switched to
	Issuer  string
	Title   string
	Text    []string
	Groups  []manualGroup
	Reasons []manualReason // of the REST API
	SignOn  []manualReason // of the provider
	Schemas []manualSchema
}

type manualGroup struct {
	Name, Text string
	Operations []manualOperation
}

type manualOperation struct {
	Method, Path, ID, Summary, Text, Scope string
	Public, Secret                         bool
	Others                                 []manualAnswer // that aren't 2xx
	Parameters                             []*huma.Param
	Body, Answer                           string // names of schemas
	Media, Status                          string
}

type manualAnswer struct {
	Status, Text string
	Reasons      []string
	Anchor       string // of the table with these reasons
}

// manualReason is a reason code at a status.
type manualReason struct {
	Status       int
	Reason, Text string
}

type manualSchema struct {
	Name    string
	Members []manualMember
}

type manualMember struct {
	Name, Type, Ref, Text string
	Values                []any
	Required              bool
}

// Manual returns what the page shows, in English.
func (o *Document) Manual() Manual {
	api := o.api
	m := Manual{Issuer: o.issuer, Title: api.Info.Title, Text: strings.Split(api.Info.Description, "\n\n")}
	groups := map[string]int{}
	for i, tag := range api.Tags {
		groups[tag.Name] = i
		m.Groups = append(m.Groups, manualGroup{Name: tag.Name, Text: tag.Description})
	}
	for _, path := range sortedKeys(api.Paths) {
		for _, op := range operations(api.Paths[path]) {
			g := &m.Groups[groups[op.Tags[0]]]
			g.Operations = append(g.Operations, describeOperation(op))
		}
	}
	m.Reasons, m.SignOn = o.allReasons(), o.signOnReasons()
	schemas := api.Components.Schemas.Map()
	for _, name := range sortedKeys(schemas) {
		m.Schemas = append(m.Schemas, describeSchema(name, schemas[name]))
	}
	return m
}

// allReasons lists all that the endpoints can be refused for, once, by reason.
func (o *Document) allReasons() []manualReason {
	known := map[manualReason]bool{}
	for i := range o.endpoints {
		for _, f := range o.endpoints[i].Reasons() {
			known[manualReason{f.Status, f.Reason, f.Meaning}] = true
		}
	}
	return inOrder(known)
}

// signOnReasons lists likewise what the provider's endpoints are refused for.
func (o *Document) signOnReasons() []manualReason {
	known := map[manualReason]bool{}
	for _, d := range signOns() {
		if !d.people || o.people {
			for _, f := range d.Reasons() {
				known[manualReason{f.Status, f.Reason, f.Meaning}] = true
			}
		}
	}
	return inOrder(known)
}

func inOrder(known map[manualReason]bool) []manualReason {
	return slices.SortedFunc(maps.Keys(known), func(a, b manualReason) int {
		return cmp.Or(strings.Compare(a.Reason, b.Reason), a.Status-b.Status)
	})
}

func describeOperation(op *huma.Operation) manualOperation {
	out := manualOperation{
		Method: op.Method, Path: op.Path, ID: op.OperationID, Summary: op.Summary, Text: op.Description,
		Public: len(op.Security) == 0, Parameters: op.Parameters,
	}
	for _, need := range op.Security {
		_, out.Secret = need[schemeSecret]
		out.Scope = strings.Join(need[schemeToken], " ")
	}
	if op.RequestBody != nil {
		if body := op.RequestBody.Content["application/json"]; body != nil {
			out.Body, _ = typeName(body.Schema)
		}
		if form := op.RequestBody.Content[oauth.FormMedia]; form != nil {
			for _, name := range sortedKeys(form.Schema.Properties) {
				p := form.Schema.Properties[name]
				out.Parameters = append(out.Parameters, &huma.Param{Name: name, In: "form", Description: p.Description, Schema: p,
					Required: slices.Contains(form.Schema.Required, name)})
			}
		}
	}
	for _, status := range sortedKeys(op.Responses) {
		r := op.Responses[status]
		if status[0] != '2' {
			text, _, _ := strings.Cut(r.Description, "\n")
			reasons, _ := r.Extensions[ReasonsExtension].([]string)
			anchor := "reason"
			if op.Tags[0] == TagSignOn {
				anchor = "oauth"
			}
			out.Others = append(out.Others, manualAnswer{status, text, reasons, anchor})
			continue
		}
		out.Status = strings.TrimPrefix(out.Status+" or "+status, " or ")
		for media, content := range r.Content {
			out.Media = media
			if content.Schema.Ref != "" {
				out.Answer, _ = typeName(content.Schema)
			}
		}
	}
	return out
}

func describeSchema(name string, schema *huma.Schema) manualSchema {
	out := manualSchema{Name: name}
	for _, member := range sortedKeys(schema.Properties) {
		p := schema.Properties[member]
		shown, ref := typeName(p)
		out.Members = append(out.Members, manualMember{
			Name: member, Type: shown, Ref: ref, Text: p.Description, Values: p.Enum, Required: slices.Contains(schema.Required, member),
		})
	}
	return out
}

// typeName returns how a schema is shown, and the schema it leads to, if any.
func typeName(s *huma.Schema) (shown, ref string) {
	switch {
	case s == nil:
		return "", ""
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return name, name
	case s.Type == "array":
		shown, ref = typeName(s.Items)
		return "list of " + shown, ref
	case s.Format != "":
		return s.Type + " (" + s.Format + ")", ""
	case s.Type == "":
		return "any", ""
	}
	return s.Type, ""
}

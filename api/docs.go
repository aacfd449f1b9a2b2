package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
)

// pages reads the pages, and makes that of the documentation, once.
func (s *Server) pages() (err error) {
	if s.web, err = web.New(); err != nil {
		return fmt.Errorf("api: reading the pages: %w", err)
	}
	s.docs = map[web.Language][]byte{}
	for _, l := range web.Languages() {
		m := s.manual()
		m.translate(s.web, l)
		if s.docs[l], err = s.web.RenderPlain(l, "docs", m); err != nil {
			return fmt.Errorf("api: making the documentation's page: %w", err)
		}
	}
	return nil
}

// manual is what the documentation's page shows.
type manual struct {
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

func (s *Server) manual() manual {
	o := s.openapi
	m := manual{Issuer: s.c.Issuer, Title: o.Info.Title, Text: strings.Split(o.Info.Description, "\n\n")}
	groups := map[string]int{}
	for i, tag := range o.Tags {
		groups[tag.Name] = i
		m.Groups = append(m.Groups, manualGroup{Name: tag.Name, Text: tag.Description})
	}
	for _, path := range sortedKeys(o.Paths) {
		for _, op := range operations(o.Paths[path]) {
			g := &m.Groups[groups[op.Tags[0]]]
			g.Operations = append(g.Operations, describeOperation(op))
		}
	}
	m.Reasons, m.SignOn = s.allReasons(), s.signOnReasons()
	schemas := o.Components.Schemas.Map()
	for _, name := range sortedKeys(schemas) {
		m.Schemas = append(m.Schemas, describeSchema(name, schemas[name]))
	}
	return m
}

// allReasons lists all that the endpoints can be refused for, once, by reason.
func (s *Server) allReasons() []manualReason {
	known := map[manualReason]bool{}
	for _, es := range s.endpoints() {
		for _, e := range es {
			for _, f := range e.reasons() {
				known[manualReason{f.status, f.reason, f.meaning}] = true
			}
		}
	}
	return inOrder(known)
}

// signOnReasons lists likewise what the provider's endpoints are refused for.
func (s *Server) signOnReasons() []manualReason {
	known := map[manualReason]bool{}
	for _, d := range signOns() {
		if !d.people || s.c.Identity != nil {
			for _, f := range d.reasons() {
				known[manualReason{f.status, f.reason, f.meaning}] = true
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
			reasons, _ := r.Extensions[extensionReasons].([]string)
			anchor := "reason"
			if op.Tags[0] == tagSignOn {
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

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	return document(w, "application/vnd.oai.openapi+json;version=3.1", s.document)
}

// pagePolicy lets a page have the service's style and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// documentation serves the page in the language of ui_locales, or else in that of the
// other pages.
func (s *Server) documentation(w http.ResponseWriter, r *http.Request) error {
	lang := s.visit(w, r).lang
	for tag := range strings.FieldsSeq(r.URL.Query().Get("ui_locales")) {
		if l, ok := web.ParseLanguage(tag); ok {
			lang = l
			break
		}
	}
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Content-Language", string(lang))
	w.Header().Set("Vary", "Accept-Language, Cookie")
	return document(w, "text/html; charset=utf-8", s.docs[lang])
}

func document(w http.ResponseWriter, media string, body []byte) error {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(body)
	return nil
}

// nowhere answers what no route is for: with 405 if the path has a route for
// another method.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, m := range []string{"GET", "HEAD", "PUT", "POST"} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := s.mux.Handler(other); pattern != "/" && pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return problem.Refuse(http.StatusMethodNotAllowed, "method_not_allowed", "This path takes "+strings.Join(allowed, ", ")+".")
	}
	return errNowhere()
}

func errNowhere() error {
	return problem.Refuse(http.StatusNotFound, "not_found", "There is nothing at this path. /docs lists what there is.")
}

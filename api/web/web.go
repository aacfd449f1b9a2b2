// Package web is the service's pages: templates, style, script and texts. It
// knows how they look and read, and nothing of what they are about: api fills
// the views in.
package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"sync"
)

//go:embed templates/*.html static/* texts/*.json
var files embed.FS

// Pages renders views. Safe for concurrent use.
type Pages struct {
	templates map[Language]func() *template.Template // read when a page is asked for: many installations show none, or in one language
	texts     map[Language]texts
	manual    map[string]string // texts of the documentation in Chinese, by those in English
	assets    map[string]Asset  // by the name in their URL
	urls      map[string]string
}

// New reads the templates, in each language, and the static files. An error
// means that a file of this package is wrong.
func New() (*Pages, error) {
	p := &Pages{templates: map[Language]func() *template.Template{}, texts: map[Language]texts{}}
	if err := p.readAssets(); err != nil {
		return nil, err
	}
	if err := p.readManual(); err != nil {
		return nil, err
	}
	for _, l := range Languages() {
		texts, err := readTexts(l)
		if err != nil {
			return nil, err
		}
		p.texts[l] = texts
		if _, err := p.readTemplates(l, texts); err != nil {
			return nil, err
		}
		p.templates[l] = sync.OnceValue(func() *template.Template { return template.Must(p.readTemplates(l, texts)) }) // they could be read just now
	}
	return p, nil
}

// readTemplates reads all templates into one set, so that what pages share is in memory once.
// A page has two, NAME/title and NAME/main; the layout puts them in.
func (p *Pages) readTemplates(l Language, texts texts) (*template.Template, error) {
	set, err := template.New("").Funcs(p.functions(l, texts)).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	return set, nil
}

// functions are what templates may call.
func (p *Pages) functions(l Language, texts texts) template.FuncMap {
	return template.FuncMap{
		"t":  texts.text,
		"tb": texts.around(l, "<strong>", "</strong>"),
		"tw": texts.around(l, `<span class="whole">`, "</span>"),
		"tc": texts.around(l, "", ""),
		"or_else": func(key, other string) (string, error) {
			if texts[key] == "" {
				key = other
			}
			return texts.text(key)
		},
		"or_key": func(key, other string) string {
			if texts[key] == "" {
				return other
			}
			return key
		},
		"said":   l.said,
		"list":   l.list,
		"apart":  l.apart,
		"day":    l.day,
		"moment": l.moment,
		"value":  l.value,
		"period": func(seconds int) string { return texts.period(seconds) },
		"static": p.URL,
		"marked": marked,
	}
}

// Frame is what every page shows around its view.
type Frame struct {
	Lang      Language
	Elder     bool   // large text and targets
	Here      string // path and query of the page, for coming back to it
	RequestID string
	Nonce     string   // of the page's own script; empty: it has none
	User      string   // who is logged in; empty: nobody, or it doesn't matter here
	ActsFor   *ActsFor // for whom they act here; nil: for themself
	Section   string   // of the menu that is open
	Notice    string   // key of a text about what was just done, without "notice."
	Posted    bool     // the page answers a form: reloading it shall not send that again
	Quiet     bool     // without the menu and the links at the foot
	Passing   bool     // the page leads on at once: nobody comes back to it
}

// Whose returns the name of who acts, or for whom they do.
func (f Frame) Whose() string {
	if f.ActsFor != nil {
		return f.ActsFor.Name
	}
	return f.User
}

// page is what a page's templates see.
type page struct {
	Frame
	V View
}

// whole is what the layout sees. Its parts were made by templates, which escaped what they show.
type whole struct {
	page
	Title, Main template.HTML
}

// Other is the language that the page may be switched to.
func (p page) Other() Language {
	if p.Lang == Chinese {
		return English
	}
	return Chinese
}

// Switch is the address that sets a preference and leads back here.
func (p page) Switch(name, value string) string {
	to := p.Here
	if len(to) > maxHere {
		to = "/" // encoded once more it would be longer than addresses may be
	}
	return PreferencesPath + "?" + url.Values{name: {value}, "to": {to}}.Encode()
}

// maxHere is how long the address of a page is that is led back to.
const maxHere = 7 << 10

// PreferencesPath is where language and text size are set: in the query, language
// or text with the value, and to with where to go on.
const PreferencesPath = "/preferences"

// Render returns a page's HTML.
func (p *Pages) Render(f Frame, v View) ([]byte, error) {
	if _, ok := p.templates[f.Lang]; !ok {
		f.Lang = Chinese
	}
	inner := page{f, v}
	title, err := p.execute(f.Lang, v.template()+"/title", inner)
	if err != nil {
		return nil, err
	}
	main, err := p.execute(f.Lang, v.template()+"/main", inner)
	if err != nil {
		return nil, err
	}
	return p.execute(f.Lang, "layout", whole{inner, template.HTML(title), template.HTML(main)})
}

// RenderPlain returns a page that has a layout of its own.
func (p *Pages) RenderPlain(l Language, name string, data any) ([]byte, error) {
	return p.execute(l, name+".html", data)
}

func (p *Pages) execute(l Language, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := p.templates[l]().ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	return b.Bytes(), nil
}

// marked shows what stands between backquotes as code.
func marked(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if part = template.HTMLEscapeString(part); i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

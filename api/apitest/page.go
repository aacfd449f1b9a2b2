package apitest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Has reports whether the page has an element with that id.
func (p *Page) Has(id string) bool { return byID(p.root, id) != nil }

// Text returns the text of the element with that id, or "".
func (p *Page) Text(id string) string {
	n := byID(p.root, id)
	if n == nil {
		return ""
	}
	return textOf(n)
}

func textOf(n *html.Node) string {
	var s strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			s.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(s.String()), " ")
}

// String tells in a line what the page is, for failures of tests.
func (p *Page) String() string {
	heading := ""
	for d := range p.root.Descendants() {
		if d.Type == html.ElementNode && d.Data == "h1" {
			heading = textOf(d)
		}
	}
	return fmt.Sprintf("%s: %d %q %q to %v", p.URL.Path, p.Status, heading, p.Text("problem"), p.To)
}

// Form is a form as it stands, to be changed and sent.
type Form struct {
	Action string // URL
	Values url.Values
	page   *Page
}

// Form returns the form that would be sent by the button with that id, as it is
// filled in.
func (p *Page) Form(button string) *Form {
	p.b.T.Helper()
	n := byID(p.root, button)
	form := n
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		p.b.T.Fatalf("%s: no form has a button %q: %v", p.URL, button, p)
	}
	return p.formOf(form, n)
}

// FormAt returns the page's first form that is sent to a path, as if by a button
// without a name.
func (p *Page) FormAt(path string) *Form {
	p.b.T.Helper()
	for d := range p.root.Descendants() {
		if d.Data == "form" && attribute(d, "action") == path {
			return p.formOf(d, nil)
		}
	}
	p.b.T.Fatalf("%s: no form goes to %s: %v", p.URL, path, p)
	return nil
}

// FormIn returns the first form inside the element with that id, as its first
// button would send it.
func (p *Page) FormIn(id string) *Form {
	p.b.T.Helper()
	if n := byID(p.root, id); n != nil {
		for form := range n.Descendants() {
			if form.Data != "form" {
				continue
			}
			for d := range form.Descendants() {
				if d.Data == "button" {
					return p.formOf(form, d)
				}
			}
		}
	}
	p.b.T.Fatalf("%s: no form is in %q: %v", p.URL, id, p)
	return nil
}

// formOf returns a form that is sent by one of its buttons, or by none.
func (p *Page) formOf(form, n *html.Node) *Form {
	p.b.T.Helper()
	if method := attribute(form, "method"); !strings.EqualFold(method, "post") {
		p.b.T.Fatalf("%s: a form has the method %q", p.URL, method)
	}
	action, err := p.URL.Parse(attribute(form, "action"))
	if err != nil {
		p.b.T.Fatal(err)
	}
	f := &Form{Action: action.String(), Values: url.Values{}, page: p}
	for d := range form.Descendants() {
		name := attribute(d, "name")
		if d.Type != html.ElementNode || name == "" {
			continue
		}
		switch d.Data {
		case "input":
			kind := attribute(d, "type")
			if ticked := kind == "checkbox" || kind == "radio"; !ticked || has(d, "checked") {
				f.Values.Add(name, attribute(d, "value"))
			}
		case "textarea":
			f.Values.Add(name, textOf(d))
		case "button":
			if d == n {
				f.Values.Add(name, attribute(d, "value"))
			}
		}
	}
	return f
}

// With sets fields, in pairs of name and value, and returns the form.
func (f *Form) With(pairs ...string) *Form {
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Values.Set(pairs[i], pairs[i+1])
	}
	return f
}

// Choices returns the values of the fields with that name, chosen or not.
func (p *Page) Choices(name string) []string {
	var values []string
	for d := range p.root.Descendants() {
		if d.Data == "input" && attribute(d, "name") == name {
			values = append(values, attribute(d, "value"))
		}
	}
	return values
}

// Names returns the names of the page's fields that begin so, in order, each once.
func (p *Page) Names(prefix string) []string {
	var names []string
	seen := map[string]bool{}
	for d := range p.root.Descendants() {
		if name := attribute(d, "name"); d.Data == "input" && strings.HasPrefix(name, prefix) && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// Browser returns the browser that shows the form.
func (f *Form) Browser() *Browser { return f.page.b }

// Request returns the form's request, for a browser to send.
func (f *Form) Request() *http.Request { return f.page.b.form(f.Action, f.Values) }

// Send sends the form.
func (f *Form) Send() *Page {
	f.page.b.T.Helper()
	return f.page.b.Do(f.Request())
}

// Press sends the form of a button, with fields set in pairs of name and value.
func (p *Page) Press(button string, pairs ...string) *Page {
	p.b.T.Helper()
	return p.Form(button).With(pairs...).Send()
}

// Follow opens the link with that id.
func (p *Page) Follow(id string) *Page {
	p.b.T.Helper()
	n := byID(p.root, id)
	if n == nil || n.Data != "a" {
		p.b.T.Fatalf("%v has no link %s", p, id)
	}
	to, err := p.URL.Parse(attribute(n, "href"))
	if err != nil {
		p.b.T.Fatal(err)
	}
	return p.b.Get(to.String())
}

// Person is somebody who can log in.
type Person struct {
	Login, Password string
	Code            func() string // the code that was sent last
}

// LogIn goes through login and second factor, as far as the page asks for them.
func (p *Page) LogIn(who Person) *Page {
	p.b.T.Helper()
	for range 4 {
		switch {
		case p.Has("username"):
			p = p.Press("submit", "username", who.Login, "password", who.Password)
		case p.Has("code"):
			p = p.Press("submit", "code", who.Code())
		case p.Has("send"):
			p = p.Press("send")
		default:
			return p
		}
	}
	p.b.T.Fatalf("%s: the login doesn't end: %v", p.URL, p)
	return p
}

func byID(n *html.Node, id string) *html.Node {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && attribute(d, "id") == id {
			return d
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

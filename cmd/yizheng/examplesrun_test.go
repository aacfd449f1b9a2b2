package main_test

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/api/apitest"
	"yizheng.internal/cmd/yizheng/internal/toolcheck"
)

// TestExamples runs what stands in the documents' shell blocks. A command that
// fails, is refused, or exits otherwise than the document says fails the test by
// file and line.
func TestExamples(t *testing.T) {
	for _, tool := range []string{"curl", "openssl"} {
		toolcheck.Need(t, tool)
	}
	t.Parallel()
	r := newReader(t)
	left := map[string]bool{}
	for _, file := range documents {
		r.prepare(t, file)
		for _, e := range readExamples(t, file) {
			if e.language != "sh" {
				continue
			}
			script, without := e.script()
			for _, beginning := range without {
				left[beginning] = true
			}
			r.run(t, e, script)
		}
	}
	r.prepare(t, docsPage)
	page := r.openDocs(t)
	script, _ := page.script()
	r.run(t, page, script)
	for beginning := range notRun {
		if !left[beginning] {
			t.Errorf("notRun has %q, which no document has any more", beginning)
		}
	}
}

// reader is who reads the documents and tries what they say, beside a demo.
type reader struct {
	city     *city
	dir      string            // where they paste
	scratch  string            // where the test keeps what they don't see
	values   map[string]string // the shell's variables
	pasted   *strings.Replacer // what stands in the documents, by what it is here
	printed  []printedClient   // by client add
	released struct{ audience, nonce string }
}

// printedClient is what client add printed.
type printedClient struct{ id, secret, scope string }

// newReader opens a demo and lays out the files that the documents speak of.
func newReader(t *testing.T) *reader {
	t.Helper()
	c := openCity(t)
	r := &reader{city: c, dir: filepath.Dir(c.process.Options.Data), scratch: t.TempDir(), values: map[string]string{}}
	at := func(name string) string { return filepath.Join(r.dir, name) }
	r.pasted = strings.NewReplacer(
		"http://localhost:8080", c.Issuer, "https://license.example.gov", c.Issuer,
		"/var/lib/yizheng-new", at("new"), "/var/lib/yizheng", c.process.Options.Data,
		"/media/safe/", c.process.Options.Data+"/", "/safe/", at("safe")+"/", "/backup/", at("backup")+"/", "/archive", at("archive"),
	)
	for _, name := range []string{"safe", "backup"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pass, err := os.ReadFile(filepath.Join(c.process.Options.Data, "keys.pass"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "safe/keys.pass", pass)
	if err := os.Symlink(program(t, ""), at("yizheng")); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reader) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs an example and takes from its output what its reader would.
func (r *reader) run(t *testing.T, e example, script string) {
	t.Helper()
	file := filepath.Join(r.scratch, filepath.FromSlash(e.file)) // so that bash names it, and the line
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(r.pasted.Replace(script)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.act(t, e)
	functions, err := filepath.Abs(filepath.Join("testdata", "examples.sh"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	state := filepath.Join(r.scratch, "state")
	cmd := exec.CommandContext(ctx, "bash", "-c", `. "$1"; . "$2"; env -0 >"$3"`, "bash", functions, file, state)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "PATH="+r.dir+string(os.PathListSeparator)+os.Getenv("PATH"), "SCRATCH="+r.scratch)
	for name, value := range r.values {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", e, err, out.Bytes(), bytes.ReplaceAll(errs.Bytes(), []byte(r.scratch+"/"), nil))
	}
	r.remember(t, state)
	r.harvest(t, e, out.String())
	r.serve(t, e)
}

// remember keeps the variables that the example set.
func (r *reader) remember(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for entry := range strings.SplitSeq(string(text), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		if _, inherited := os.LookupEnv(name); !inherited && variable.MatchString(name) && name != "SCRATCH" && name != "SHLVL" {
			r.values[name] = value
		}
	}
}

// variable is the name of one that a document sets.
var variable = regexp.MustCompile(`^[A-Z][A-Z_]*$`)

// What is read off an example's output.
var (
	clientPrinted = regexp.MustCompile(`(?m)^client_id +(\S+)\n(?:.*\n)*?client_secret +(\S+)\n(?:.*\n)*?scope +(.+)$`)
	answered      = map[string]*regexp.Regexp{
		"TOKEN":    regexp.MustCompile(`"access_token":"([^"]+)"`),
		"USE_CODE": regexp.MustCompile(`"use_code":"([^"]+)"`),
		"ID":       regexp.MustCompile(`"id":"([a-z2-7]{26})"`),
		"PERSON":   regexp.MustCompile(`"id":"([a-z2-7]{26})"`),
	}
	requestURI    = regexp.MustCompile(`"request_uri":"([^"]+)"`)
	oneCredential = regexp.MustCompile(`"credential":"([^"]+)"`)
)

// harvest sets the variables that the documents say to take from what was printed.
func (r *reader) harvest(t *testing.T, e example, out string) {
	t.Helper()
	for _, m := range clientPrinted.FindAllStringSubmatch(out, -1) {
		r.printed = append(r.printed, printedClient{m[1], m[2], m[3]})
		r.values["CLIENT_ID"], r.values["CLIENT_SECRET"] = m[1], m[2]
	}
	if m := requestURI.FindStringSubmatch(out); m != nil && e.file == "docs/integrating.md" {
		r.values["CODE"] = r.logIn(t, m[1])
	}
	from := map[string]string{"TOKEN": "/oauth/token", "USE_CODE": "/oauth/token", "ID": `/v1/licenses" `, "PERSON": `/v1/admin/people" `}
	for name, pattern := range answered {
		if m := pattern.FindStringSubmatch(out); m != nil && strings.Contains(e.text(), from[name]) {
			r.values[name] = m[1]
		}
	}
	if m := oneCredential.FindStringSubmatch(out); m != nil && strings.Contains(e.text(), "/v1/use-codes/redeem") {
		r.released.audience, r.released.nonce = r.values["CLIENT_ID"], r.values["NONCE"]
		r.write(t, "released.sdjwt", []byte(m[1]))
	}
	if strings.Contains(e.text(), "/v1/verify") && !strings.Contains(out, `"verdict":"valid"`) {
		t.Fatalf("%s: this is not valid:\n%s", e, out)
	}
}

// logIn goes through a request that was pushed, as the first sample person, and
// returns the code that comes back.
func (r *reader) logIn(t *testing.T, requestURI string) string {
	t.Helper()
	b := apitest.NewBrowser(t)
	b.Stop = func(u *url.URL) bool { return u.Host == "dept.example.gov" }
	ask := url.Values{"client_id": {r.values["CLIENT_ID"]}, "request_uri": {requestURI}}
	p := agree(t, b.Get(r.city.Issuer+"/oauth/authorize?"+ask.Encode()).LogIn(r.city.person(t, 0)))
	if p.To == nil || p.To.Query().Get("code") == "" {
		t.Fatalf("the login ends with %v", p)
	}
	return p.To.Query().Get("code")
}

// act is what the documents say whose token is meant, by heading.
func (r *reader) act(t *testing.T, e example) {
	t.Helper()
	scope, ok := map[string]string{
		"Define a type": "catalog:write", "Issue": "license:issue", "Change": "license:issue", "Define a service item": "item:write",
		"Bring somebody in": "people:write", "Keep it right": "people:write",
	}[e.heading]
	if !ok {
		return
	}
	i := slices.IndexFunc(r.printed, func(c printedClient) bool { return strings.Contains(c.scope, scope) })
	if i < 0 {
		t.Fatalf("%s: no client has %s", e, scope)
	}
	c := &apiClient{BaseURL: r.city.Issuer, ID: r.printed[i].id, Secret: r.printed[i].secret}
	token, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.values["TOKEN"] = token
}

// serve starts the service as an example says, elsewhere and on free ports, and
// stops it when it is ready.
func (r *reader) serve(t *testing.T, e example) {
	t.Helper()
	file := filepath.Join(r.scratch, "serves")
	text, err := os.ReadFile(file)
	if err != nil {
		return // it doesn't
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	s := newProcess(t, nil, append(args, "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")...)
	lines, err := s.start(t)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case line := <-lines:
		if err := s.Stop(); err != nil || !readyLine.MatchString(line) {
			t.Fatalf("%s: %q says %q and ends with %v\n%s", e, args, line, err, s.Log())
		}
	case <-s.done:
		t.Fatalf("%s: %q ended: %v\n%s", e, args, s.err, s.Log())
	case <-time.After(readyWithin):
		t.Fatalf("%s: %q isn't ready\n%s", e, args, s.Log())
	}
}

// prepare sets what a document takes for granted: what stands on a license, who
// issues, and files.
func (r *reader) prepare(t *testing.T, file string) {
	t.Helper()
	c := r.issuing(t)
	shown := r.city.facts.Licenses[0]
	r.values["IDENTIFIER"], r.values["VERIFICATION_CODE"] = string(shown.Identifier), shown.VerificationCode
	switch file {
	case "docs/verifying.md":
		r.values["CLIENT_ID"], r.values["NONCE"] = r.released.audience, r.released.nonce
		var held string
		if err := c.Do(t.Context(), "GET", "/v1/licenses/"+string(shown.ID)+"/credential", nil, &held); err != nil {
			t.Fatal(err)
		}
		r.write(t, "license.sdjwt", []byte(held))
	case "README.md":
		token, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.values["TOKEN"] = token
		if err := download(r.city.Issuer+"/v1/trust/status-lists/1", filepath.Join(r.dir, "status.jwt")); err != nil {
			t.Fatal(err)
		}
		today := time.Now().Format(time.DateOnly)
		r.write(t, "license.json", fmt.Appendf(nil, `{"type_code": %q, "number": "样例-1", "valid_from": %q, "valid_until": %q, "area_code": "990102",
			"holders": [{"name": %q, "code_type": %q, "code": %q, "role": "holder"}],
			"fields": {"sex": "男", "residence_address": "青禾市样例区样例路1号", "issue_date": %q}}`,
			shown.TypeCode, today, time.Now().AddDate(0, 6, 0).Format(time.DateOnly), r.city.code.Name, r.city.code.CodeType, r.city.code.Code, today))
	case "docs/operating.md":
		r.write(t, "item.json", itemDefinition(t, "119901000000300310-food-permit"))
	case docsPage:
		r.values["CLIENT_ID"], r.values["CLIENT_SECRET"] = c.ID, c.Secret
	}
}

// issuing returns the sample client that issued the first license.
func (r *reader) issuing(t *testing.T) *apiClient {
	t.Helper()
	for _, c := range r.city.facts.Clients {
		if slices.Contains(c.Scopes, "license:issue") {
			return &apiClient{BaseURL: r.city.Issuer, ID: c.ID, Secret: c.Secret}
		}
	}
	t.Fatal("no sample client issues licenses")
	return nil
}

// itemDefinition returns that of a sample, as item put takes it.
func itemDefinition(t *testing.T, code string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("internal", "demo", "samples", "items.json"))
	if err != nil {
		t.Fatal(err)
	}
	var items []struct {
		Code       string         `json:"code"`
		Definition jsontext.Value `json:"definition"`
	}
	if err := json.Unmarshal(text, &items); err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i.Code == code {
			return i.Definition
		}
	}
	t.Fatalf("no sample item is %s", code)
	return nil
}

// docsPage is the template of the service's own page of its API.
const docsPage = "api/web/templates/docs.html"

// pre is the example on that page.
var pre = regexp.MustCompile(`(?s)<pre[^>]*>(.*?)</pre>`)

// openDocs returns that example, as the service shows it.
func (r *reader) openDocs(t *testing.T) example {
	t.Helper()
	file := filepath.Join(r.scratch, "docs.html")
	if err := download(r.city.Issuer+"/docs", file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(docsPage)))
	if err != nil {
		t.Fatal(err)
	}
	found, at := pre.FindAllSubmatch(text, -1), pre.FindIndex(source)
	if len(found) != 1 || at == nil {
		t.Fatalf("/docs has %d examples: all shall be run", len(found))
	}
	return example{file: docsPage, line: 1 + bytes.Count(source[:at[0]], []byte("\n")), language: "sh",
		lines: strings.Split(html.UnescapeString(string(found[0][1])), "\n")}
}

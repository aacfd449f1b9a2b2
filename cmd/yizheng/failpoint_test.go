package main_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/rest"
	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing/journal"
)

// commit is what a transaction passes, on either database.
var commit = []string{"tx.begin", "tx.write", "tx.commit", "tx.committed"}

// way is an operation, and each step that it passes from the request to the
// answer where nothing else goes on. A server's first version takes entries of a
// status list in a transaction before that of the change itself, which is last.
type way struct {
	action journal.Action
	steps  []string
}

var ways = []way{
	{journal.ActionLicenseIssue, slices.Concat(
		[]string{"request.received", "request.authorized", "request.decoded", "issue.checked"}, commit,
		[]string{"issue.signed"}, commit, []string{"issue.saved", "reply.writing", "reply.written"})},
	{journal.ActionLicenseReplace, slices.Concat(
		[]string{"request.received", "request.authorized", "request.decoded"}, commit,
		[]string{"replace.signed"}, commit, []string{"reply.writing", "reply.written"})},
	{journal.ActionLicenseSuspend, slices.Concat(
		[]string{"request.received", "request.authorized", "request.decoded"}, commit,
		[]string{"change.saved", "reply.writing", "reply.written"})},
}

// TestFailpointList compares the steps in ways and loginWays with those in the sources, so
// that none is forgotten here.
func TestFailpointList(t *testing.T) {
	tried := map[string]bool{}
	for _, w := range loginWays {
		for _, step := range w.steps {
			tried[step] = true
		}
	}
	for _, w := range ways {
		for _, step := range w.steps {
			tried[step] = true
		}
	}
	named := map[string]bool{}
	for _, f := range goFiles(t) {
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if name, ok := stepName(n); ok {
				named[name] = true
			}
			return true
		})
	}
	if len(named) == 0 {
		t.Error("the sources name no steps")
	}
	for name := range named {
		if !tried[name] {
			t.Errorf("step %s is in the sources, and no way passes it: add it to ways", name)
		}
	}
	for name := range tried {
		if !named[name] {
			t.Errorf("step %s is in ways, and not in the sources", name)
		}
	}
}

// stepName returns the name in a call such as s.step("request.received").
func stepName(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return "", false
	}
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	function := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		function = f.Name
	case *ast.SelectorExpr:
		function = f.Sel.Name
	}
	if !strings.EqualFold(function, "step") {
		return "", false
	}
	name, err := strconv.Unquote(literal.Value)
	return name, err == nil
}

// TestFailpoints kills the service at every step of every way, once for each
// time that the way passes it, and repeats the request: what was committed is
// answered again, what wasn't is done now, and neither is done twice.
func TestFailpoints(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		first := startServer(t, serverOptions{DatabaseURL: databaseURL, Tags: "failpoints"})
		p := &failpoints{options: first.Options, client: first.setUp(t), dir: t.TempDir()}
		for _, w := range ways {
			for i := range w.steps {
				// The licenses that are changed are made before, by one server: the
				// one that is killed shall have made none.
				p.tries = append(p.tries, newTry(t, p.client, w, i))
			}
		}
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
		for _, y := range p.tries {
			t.Run(fmt.Sprintf("%s/%d-%s", y.action, y.at+1, y.steps[y.at]), func(t *testing.T) { p.try(t, y) })
		}
	})
}

// failpoints is an installation, and what is tried with it.
type failpoints struct {
	options serverOptions
	client  *apiClient
	dir     string
	tries   []*try
}

// try is a request that is killed at the step with that index.
type try struct {
	way
	at   int
	held *held
	made *made // the request
}

// newTry issues the license that is to be changed, if one is.
func newTry(t *testing.T, c *apiClient, w way, at int) *try {
	t.Helper()
	number := fmt.Sprintf("%s-%d", w.action, at)
	y := &try{w, at, &held{number: number, changes: map[journal.Action]int{}}, &made{key: number, state: license.Active}}
	var body any
	switch w.action {
	case journal.ActionLicenseIssue:
		y.made.path, y.made.status, body = "/v1/licenses", http.StatusCreated, issueRequest(number)
	case journal.ActionLicenseReplace:
		y.made.path, y.made.seen, y.made.status, body = y.base(t, c)+"/replace", 1, http.StatusOK, replaceRequest(number, license.Correction)
	case journal.ActionLicenseSuspend:
		y.made.path, y.made.key, body = y.base(t, c)+"/suspend", "", suspending()
	}
	var err error
	if y.made.request, err = json.Marshal(body); err != nil {
		t.Fatal(err)
	}
	return y
}

// base issues a license, and returns its path.
func (y *try) base(t *testing.T, c *apiClient) string {
	t.Helper()
	m := &made{path: "/v1/licenses", key: y.held.number + "-base", state: license.Active, status: http.StatusCreated}
	var err error
	if m.request, err = json.Marshal(issueRequest(y.held.number)); err != nil {
		t.Fatal(err)
	}
	r, err := c.ask(t.Context(), "POST", m.path, m.key, m.request)
	if err == nil {
		err = m.take(r)
	}
	if err != nil {
		t.Fatalf("issuing %s: %v", y.held.number, err)
	}
	y.held.id = m.ID
	y.held.add(m, journal.ActionLicenseIssue)
	return "/v1/licenses/" + string(m.ID)
}

// committed reports whether the change is committed when the step is reached:
// its transaction is the last one.
func (y *try) committed() bool { return !slices.Contains(y.steps[y.at+1:], "tx.committed") }

// try has the request killed, and repeats it at another server.
func (p *failpoints) try(t *testing.T, y *try) {
	partial := p.kill(t, y)
	s := startServer(t, p.options)
	c := p.client.at(s)
	if done := y.done(t, c); done != y.committed() {
		t.Fatalf("before the request is repeated, it was done: %t", done)
	}
	r, err := c.ask(t.Context(), "POST", y.made.path, y.made.key, y.made.request, y.made.seen)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log())
	}
	y.take(t, r)
	if partial != nil && !bytes.Equal(partial, r.body) {
		t.Errorf("the answers differ:\n%s\n%s", partial, r.body)
	}
	lists := &statusLists{client: c, anchors: trustAnchors(t, c), known: map[string]credential.StatusSource{}}
	if err := y.held.check(t.Context(), c, lists); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// kill sends the request to a server that dies at the step. It returns the
// answer if there was a whole one, which the last step can't prevent.
func (p *failpoints) kill(t *testing.T, y *try) []byte {
	t.Helper()
	name := y.steps[y.at]
	passing := 0
	for _, step := range y.steps[:y.at+1] {
		if step == name {
			passing++
		}
	}
	armed := filepath.Join(p.dir, fmt.Sprintf("%s-%d", y.action, y.at))
	o := p.options
	o.Env = []string{fmt.Sprintf("YIZHENG_FAILPOINT=%s:%d@%s", name, passing, armed)}
	s := startServer(t, o)
	c := p.client.at(s)
	if _, err := c.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(armed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := c.ask(t.Context(), "POST", y.made.path, y.made.key, y.made.request, y.made.seen)
	if err == nil && name != "reply.written" {
		t.Fatalf("the server was to die at %s and answered %v\n%s", name, r, s.Log())
	}
	if err := s.Wait(); !s.Killed() {
		t.Fatalf("the server was to die at %s and ended so: %v\n%s", name, err, s.Log())
	}
	var passed []string
	for line := range strings.Lines(s.Log()) {
		if step, ok := strings.CutPrefix(strings.TrimSpace(line), "step "); ok {
			passed = append(passed, step)
		}
	}
	if !slices.Equal(passed, y.steps[:y.at+1]) {
		t.Fatalf("the request passed %q, and was to die after %q", passed, y.steps[:y.at+1])
	}
	if err != nil {
		return nil
	}
	return r.body
}

// done reports whether the server has done what the try asks for.
func (y *try) done(t *testing.T, c *apiClient) bool {
	t.Helper()
	if y.action == journal.ActionLicenseIssue {
		var found rest.SearchResult
		if err := c.load(t.Context(), "POST", "/v1/licenses/search", rest.SearchRequest{Number: y.held.number, TypeCode: sampleType}, &found); err != nil {
			t.Fatal(err)
		}
		return len(found.Licenses) > 0
	}
	changes, err := history(t.Context(), c, y.held.id)
	if err != nil {
		t.Fatal(err)
	}
	return !maps.Equal(changes, y.held.changes)
}

// take checks how the repeated request was answered, and takes it as the truth.
func (y *try) take(t *testing.T, r reply) {
	t.Helper()
	newest := func() *made { return y.held.versions[len(y.held.versions)-1] }
	if y.action == journal.ActionLicenseSuspend { // without a key: it finds that it was done
		if again := r.status == http.StatusConflict && r.reason() == "not_active"; again != y.committed() || !again && r.status != http.StatusOK {
			t.Errorf("repeated: %v", r)
		}
		y.held.state, newest().state = license.Suspended, license.Suspended
		y.held.changes[y.action]++
		return
	}
	if replayed := r.header.Get("Idempotency-Replayed") == "true"; replayed != y.committed() {
		t.Errorf("repeated: Idempotency-Replayed is %t", replayed)
	}
	if err := y.made.take(r); err != nil {
		t.Fatalf("repeated: %v", err)
	}
	if y.action == journal.ActionLicenseReplace {
		newest().state = license.Superseded
	}
	y.held.id = y.made.ID
	y.held.add(y.made, y.action)
}

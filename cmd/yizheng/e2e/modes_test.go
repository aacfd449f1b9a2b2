package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// site is a client of the test's own, as a department's system or a company's
// has one: its callback notes what arrives, and leads on to another origin of its.
type site struct {
	d        *demo
	id       string // the client's
	callback string
	mu       sync.Mutex
	arrived  []arrival
}

// arrival is an answer that a browser brought.
type arrival struct {
	method string
	params url.Values
}

// siteCodes are codes of participants by class, that nobody has.
var siteCodes = map[string]string{"government": "11990101MB0000772B", "enterprise": "91990101MA0000779N"}

// newSite registers a participant of a class and a client of it, with some more
// flags, whose callback is on loopback.
func newSite(t *testing.T, d *demo, data, class string, flags ...string) *site {
	t.Helper()
	s := &site{d: d}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>client</title><h1 id="client">arrived</h1>`)
	}))
	t.Cleanup(elsewhere.Close)
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" || r.ParseForm() != nil {
			http.NotFound(w, r)
			return
		}
		s.mu.Lock()
		s.arrived = append(s.arrived, arrival{r.Method, r.Form})
		s.mu.Unlock()
		http.Redirect(w, r, elsewhere.URL+"/welcome", http.StatusSeeOther)
	}))
	t.Cleanup(callback.Close)
	s.callback = callback.URL + "/callback"
	var p struct {
		ID string `json:"id"`
	}
	yizheng(t, &p, "participant", "add", "--data", data, "--json", "--uscc", siteCodes[class], "--name", "样例"+class, "--class", class, "--area-code", "990101", "--level", "3")
	var c struct {
		ID string `json:"client_id"`
	}
	yizheng(t, &c, append([]string{"client", "add", "--data", data, "--json", "--participant", p.ID, "--name", "样例系统", "--scope", "openid,profile",
		"--redirect-uri", s.callback, "--without-pkce"}, flags...)...)
	s.id = c.ID
	return s
}

// yizheng runs a command that prints JSON.
func yizheng(t *testing.T, out any, args ...string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(path, args...).Output()
	if e, ok := err.(*exec.ExitError); ok {
		t.Fatalf("yizheng %v: %v\n%s", args, err, e.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("yizheng %v: %v\n%s", args, err, text)
	}
}

// request returns the address of an authorization request.
func (s *site) request(pairs ...string) string {
	q := url.Values{"client_id": {s.id}, "redirect_uri": {s.callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"a b&c"}, "nonce": {"n"}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return s.d.Issuer + "/oauth/authorize?" + q.Encode()
}

// answered waits until the browser is where the client leads it, and returns
// what it brought.
func (s *site) answered(b *browser) arrival {
	b.t.Helper()
	b.wait(`document.readyState === 'complete' && document.querySelector('#client')`)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.arrived) != 1 {
		b.fail("%d answers arrived", len(s.arrived))
	}
	a := s.arrived[0]
	s.arrived = nil
	return a
}

// Every way to answer gets to the client in a real browser, with nobody pressing
// anything: in each response mode, with a code and with an error, from each page
// and from none.
func TestResponseModes(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "demo")
	d := startDemo(t, "--data", data)
	s := newSite(t, d, data, "government")
	for mode, method := range map[string]string{"query": "GET", "form_post": "POST"} {
		t.Run(mode, func(t *testing.T) {
			b := newBrowser(t, phone)
			want := func(what, param, value string) {
				t.Helper()
				a := s.answered(b)
				got := a.params.Get(param)
				if a.method != method || value != "" && got != value || got == "" || a.params.Get("state") != "a b&c" || a.params.Get("iss") != d.Issuer {
					t.Errorf("%s: by %s %v", what, a.method, a.params)
				}
			}
			b.open(s.request("response_mode", mode, "prompt", "none"))
			want("nobody is logged in", "error", "login_required")
			b.open(s.request("response_mode", mode, "scope", "openid license:read"))
			want("a wrong scope", "error", "invalid_scope")
			b.open(s.request("response_mode", mode))
			b.click("#cancel")
			want("given up at the login", "error", "access_denied")
			b.open(s.request("response_mode", mode))
			b.fill("#username", d.People[0].Login)
			b.fill("#password", d.People[0].Password)
			b.click("#submit")
			want("logged in", "code", "")
			b.open(s.request("response_mode", mode, "prompt", "none"))
			want("somebody is logged in, silently", "code", "")
			b.open(s.request("response_mode", mode))
			want("somebody is logged in", "code", "")
			b.open(s.request("response_mode", mode, "prompt", "consent", "scope", "openid profile"))
			b.click("#refuse")
			want("refused", "error", "access_denied")
			b.open(s.request("response_mode", mode, "prompt", "consent", "scope", "openid profile"))
			b.click("#approve")
			want("agreed", "code", "")
			b.open(s.request("response_mode", mode, "prompt", "select_account"))
			b.click("#submit")
			want("went on as who is logged in", "code", "")
		})
	}

	// Where scripts don't run a button leads on.
	b := newBrowser(t, phone)
	b.scripts(false)
	b.open(s.request("response_mode", "form_post", "prompt", "none"))
	b.says("正在返回")
	b.click("#submit")
	if a := s.answered(b); a.method != "POST" || a.params.Get("error") != "login_required" {
		t.Errorf("without scripts: %v", a)
	}
}

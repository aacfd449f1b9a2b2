package main_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/apitest"
)

// citizen is the demo's first person with a browser, and the first department's
// client at which they log in: the program of a test instead of the sample's.
type citizen struct {
	t      testing.TB
	facts  demoFacts
	at     string // where the client reaches the service: the issuer, or another node
	b      *apitest.Browser
	id     string // of the client
	secret string
	uri    string // redirect URI
}

const sampleItem = "11990100000020028W-residence-endorsement"

func newCitizen(t testing.TB, facts demoFacts) *citizen {
	t.Helper()
	c := &citizen{t: t, facts: facts, at: facts.Issuer, b: apitest.NewBrowser(t)}
	for _, client := range facts.Clients {
		if len(client.RedirectURIs) > 0 && c.id == "" {
			c.id, c.secret, c.uri = client.ID, client.Secret, client.RedirectURIs[0]
		}
	}
	c.b.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.String(), c.uri) }
	return c
}

// visit is one authorization request of a citizen's.
type visit struct{ verifier, state, number string }

// answer is what came of a request: a status of 0 means that no answer came.
type answer struct {
	status int
	body   []byte
}

// member returns a member of the answer that is a text.
func (a answer) member(name string) string {
	var all map[string]any
	if json.Unmarshal(a.body, &all) != nil {
		return ""
	}
	text, _ := all[name].(string)
	return text
}

// post sends a form as the client.
func (c *citizen) post(path string, form url.Values) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), "POST", c.at+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(c.id, c.secret)
	return c.send(r)
}

func (c *citizen) send(r *http.Request) answer {
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return answer{}
	}
	return answer{reply.StatusCode, body}
}

// ask begins a request, up to the first page.
func (c *citizen) ask() (visit, *apitest.Page) {
	c.t.Helper()
	v := visit{rand.Text() + rand.Text(), rand.Text(), "case-" + rand.Text()}
	challenge := sha256.Sum256([]byte(v.verifier))
	pushed := c.post("/oauth/par", url.Values{
		"response_type": {"code"}, "redirect_uri": {c.uri}, "scope": {"openid profile identity"}, "state": {v.state}, "nonce": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		"acr_values":            {"urn:yizheng:assurance:2"},
		"authorization_details": {fmt.Sprintf(`[{"type":"license","service_item":%q,"case":%q}]`, sampleItem, v.number)},
	})
	if pushed.status != http.StatusCreated {
		c.t.Fatalf("pushing a request: %d %s", pushed.status, pushed.body)
	}
	q := url.Values{"client_id": {c.id}, "request_uri": {pushed.member("request_uri")}}
	return v, c.b.Get(c.facts.Issuer + "/oauth/authorize?" + q.Encode())
}

// consent begins a request and logs in, if nobody is, up to the consent page.
func (c *citizen) consent() (visit, *apitest.Page) {
	c.t.Helper()
	v, p := c.ask()
	if p = c.logIn(p); !p.Has("approve") {
		c.t.Fatalf("no consent page: %v", p)
	}
	return v, p
}

func (c *citizen) logIn(p *apitest.Page) *apitest.Page {
	c.t.Helper()
	who := c.facts.People[0]
	before := len(c.codes())
	return p.LogIn(apitest.Person{Login: who.Login, Password: who.Password, Code: func() string { return c.code(before) }})
}

// codes returns the codes that were sent to the person, newest first.
func (c *citizen) codes() (codes []string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), "GET", c.facts.MessagesURL+"/messages.json", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	var document struct {
		Messages []struct {
			Phone string `json:"phone"`
			Code  string `json:"code"`
		} `json:"messages"`
	}
	if a := c.send(r); json.Unmarshal(a.body, &document) != nil {
		c.t.Fatalf("the messages: %d %s", a.status, a.body)
	}
	for _, m := range document.Messages {
		if m.Phone == c.facts.People[0].Phone {
			codes = append(codes, m.Code)
		}
	}
	return codes
}

func (c *citizen) code(before int) string {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if codes := c.codes(); len(codes) > before {
			return codes[0]
		}
	}
	c.t.Fatal("no code was sent")
	return ""
}

// agreement is the consent page's form, with the first of the homes chosen.
func (c *citizen) agreement(p *apitest.Page) *apitest.Form {
	c.t.Helper()
	return p.Form("approve").With("license-dwelling", p.Choices("license-dwelling")[0])
}

// given returns the authorization code with which the browser was sent back.
func (c *citizen) given(v visit, p *apitest.Page) string {
	c.t.Helper()
	if p.To == nil || p.To.Query().Get("state") != v.state || p.To.Query().Get("code") == "" {
		c.t.Fatalf("the browser was not sent back with a code: %v", p)
	}
	return p.To.Query().Get("code")
}

// agree goes the whole way to an authorization code.
func (c *citizen) agree() (visit, string) {
	c.t.Helper()
	v, p := c.consent()
	return v, c.given(v, c.agreement(p).Send())
}

// exchange redeems an authorization code.
func (c *citizen) exchange(v visit, code string) answer {
	c.t.Helper()
	return c.post("/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.uri}, "code_verifier": {v.verifier},
	})
}

// tokens is what a code yields.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Details []struct {
		Materials []struct {
			UseCode string `json:"use_code"`
		} `json:"materials"`
	} `json:"authorization_details"`
}

// take decodes the answer to an exchange that must have gone well.
func (c *citizen) take(a answer) (t tokens) {
	c.t.Helper()
	if err := json.Unmarshal(a.body, &t); a.status != http.StatusOK || err != nil || t.Access == "" {
		c.t.Fatalf("no tokens: %d %s", a.status, a.body)
	}
	return t
}

// useCode returns a use code that the tokens came with.
func (t tokens) useCode() string {
	for _, d := range t.Details {
		for _, m := range d.Materials {
			if m.UseCode != "" {
				return m.UseCode
			}
		}
	}
	return ""
}

// reading is a request for a license: the same again is the same reading.
type reading struct {
	UseCode   string `json:"use_code"`
	RequestID string `json:"request_id"`
	Nonce     string `json:"nonce"`
}

func (c *citizen) read(t tokens, q reading) answer {
	c.t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), "POST", c.at+"/v1/use-codes/redeem", strings.NewReader(string(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+t.Access)
	return c.send(r)
}

// grant returns what the holder's page says of the grant for a case: one of the
// standings below.
func (c *citizen) grant(v visit) string {
	c.t.Helper()
	p := c.b.Get(c.facts.Issuer + "/grants")
	if p.Status != http.StatusOK || p.Has("username") {
		c.t.Fatalf("the holder's grants can't be seen: %v", p)
	}
	found := ""
	for _, entry := range strings.Split(p.Body, `<li id="grant-`)[1:] {
		if !strings.Contains(entry, v.number) {
			continue
		}
		if found != "" {
			c.t.Fatalf("case %s has two grants", v.number)
		}
		switch {
		case strings.Contains(entry, "等待用证单位读取"):
			found = grantPending
		case strings.Contains(entry, "is-good"):
			found = grantActive
		default:
			found = grantEnded
		}
	}
	return found
}

// Standings of a grant; "" is none.
const (
	grantPending = "pending"
	grantActive  = "active"
	grantEnded   = "ended"
)

// readings counts what the holder's page says was read for a case.
func (c *citizen) readings(v visit) int {
	c.t.Helper()
	p := c.b.Get(c.facts.Issuer + "/records")
	if p.Status != http.StatusOK || p.Has("username") {
		c.t.Fatalf("the holder's records can't be seen: %v", p)
	}
	return strings.Count(p.Body, v.number)
}

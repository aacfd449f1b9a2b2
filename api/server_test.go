package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/license"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/storage/sqlite"
)

// What the tests' requests hold. The vectors of GB 32100 serve as departments'
// codes. TestNothingPersonalLeaks looks for the personal ones in what comes out.
const (
	registryUSCC   = "11100000000013338W"
	departmentUSCC = "11430000006122244L"
	strangerUSCC   = "11110000000021135M"
	sampleType     = "11100000000013338W032"
	sampleCitizen  = "11010519491231002X"
	sampleName     = "样例䶮"
	sampleField    = "样例电工作业"
	sampleNumber   = "样例证号"
)

// Headers and sizes of bodies, as the documentation promises them.
const (
	idempotencyKey = "Idempotency-Key"
	ifMatch        = "If-Match"
	smallBody      = 16 << 10
	largeBody      = 256 << 10
)

// sortedKeys returns a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// service is a whole server on SQLite with real keys, used over HTTP.
type service struct {
	*Server
	url, dir string
	db       *sqlite.DB
	keys     *installation.Installation
	people   *people.People // nil: nobody can log in
	phone    *phone         // where their codes arrive
	rules    *provider.Provider
	library  *library.Library
	log      *buffer
	client   *http.Client
	started  time.Time

	catalog    *clientOfTest // defines types
	department *clientOfTest // issues
	reader     *clientOfTest // of the same department; may only read
	stranger   *clientOfTest // of another department: issues and reads
	rival      *clientOfTest // of that one: defines types
	items      *clientOfTest // defines service items
}

// clientOfTest is a client with a token.
type clientOfTest struct{ id, secret, token string }

// serviceConfig says how a test's service differs from a plain one.
type serviceConfig struct {
	Limits   Limits
	Proxies  []netip.Prefix
	VFS      string
	Verifier sm2.Config
	Step     func(string)
	Empty    bool // no type is published
	People   bool // people can log in
	Quiet    bool // the log begins at info, as in production
}

// newService starts a service with a published type and some clients.
func newService(t testing.TB, c serviceConfig) *service {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	must := mustOf(t)
	s := &service{log: new(buffer), started: time.Now(), dir: dir}
	level := slog.LevelDebug
	if c.Quiet {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: level}))
	var err error
	s.db, err = sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "yizheng.db"), VFS: c.VFS, Log: log})
	must(err)
	t.Cleanup(func() { _ = s.db.Close() })
	_, err = s.db.Migrate(ctx)
	must(err)
	s.keys, err = installation.Open(ctx, installation.Config{
		Dir: dir, Records: s.db.Keys(), RegistryName: "样例证照库", RegistryUSCC: registryUSCC, Log: log, Lists: s.db.Keys(),
	}, time.Now())
	must(err)
	ca, err := installation.OpenRoot(filepath.Join(dir, "root"), filepath.Join(dir, "root.pass"))
	must(err)
	_, err = s.keys.AddAuthority(ctx, ca, pki.Subject{Name: "样例厅", USCC: departmentUSCC}, time.Now())
	must(err)

	front := httptest.NewUnstartedServer(nil)
	s.url = "http://" + front.Listener.Addr().String()
	verifier := jose.NewVerifier(c.Verifier)
	stores := s.db.Provider()
	s.library, err = library.New(ctx, library.Config{
		Stores: s.db.Licenses(), Journal: s.db.Journal(), Keyrings: s.keys.Keyrings(), Vault: s.keys.Vault(), Anchors: s.keys.Anchors(),
		Verifier: verifier, PublicURL: s.url, Log: log, AuthorityName: authorityNames(stores),
	})
	must(err)
	rules := provider.Config{
		Issuer: s.url, Clients: stores, Participants: stores, Events: s.db.Journal(), Keyrings: s.keys.Keyrings(), Log: log,
	}
	if c.People {
		s.addPeople(t, &rules)
	}
	s.rules, err = provider.New(rules)
	must(err)
	who := new(people.People)
	if s.people != nil {
		who = s.people
	}
	s.Server, err = New(Config{
		Issuer: s.url, Library: s.library, Provider: s.rules, Keyrings: s.keys.Keyrings(), Anchors: s.keys.Anchors(), Lists: s.db.Keys(),
		Identity: who.Service, Factors: who.Factors, Phones: who.Phones != nil, Authenticators: who.Authenticators, Tickets: who.Tickets, Trail: who.Trail, Registrar: who.Registrar, Acting: who.Acting, Verifier: verifier, Limits: c.Limits, TrustedProxies: c.Proxies, Log: log, Step: c.Step,
	})
	must(err)
	front.Config.Handler = s.Handler()
	front.Start()
	t.Cleanup(front.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.populate(t, c)
	return s
}

func mustOf(t testing.TB) func(error) {
	return func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// authorityNames finds departments' names among the participants, as the
// program does.
func authorityNames(stores identity.Participants) func(context.Context, party.USCC) (string, error) {
	return func(ctx context.Context, code party.USCC) (string, error) {
		p, err := stores.FindParticipant(ctx, code)
		if errors.Is(err, identity.ErrNotFound) {
			return "", license.ErrNotFound
		}
		return p.Name, err
	}
}

func (s *service) populate(t testing.TB, c serviceConfig) {
	t.Helper()
	registry := s.participant(t, registryUSCC, "样例证照中心")
	department := s.participant(t, departmentUSCC, "样例厅")
	stranger := s.participant(t, strangerUSCC, "样例局")
	s.catalog = s.newClient(t, registry, oidc.ScopeCatalogWrite)
	s.department = s.newClient(t, department, oidc.ScopeLicenseIssue, oidc.ScopeLicenseRead)
	s.reader = s.newClient(t, department, oidc.ScopeLicenseRead)
	s.stranger = s.newClient(t, stranger, oidc.ScopeLicenseIssue, oidc.ScopeLicenseRead)
	s.rival = s.newClient(t, stranger, oidc.ScopeCatalogWrite)
	s.items = s.newClient(t, registry, oidc.ScopeItemWrite)
	if !c.Empty {
		s.publish(t, sampleType, definition(nil))
	}
}

func (s *service) participant(t testing.TB, code, name string) identity.Participant {
	t.Helper()
	p, err := s.rules.Clients.CreateParticipant(t.Context(), operator, identity.Spec{
		USCC: code, Name: name, Class: identity.Government, AreaCode: "990101", Level: 3,
	})
	mustOf(t)(err)
	return p
}

// newClient registers a client and gets it a token, over HTTP.
func (s *service) newClient(t testing.TB, p identity.Participant, scopes ...oidc.Scope) *clientOfTest {
	t.Helper()
	spec := client.Spec{Name: "样例系统", Participant: p.ID, Scopes: scopes}
	if slices.Contains(scopes, oidc.ScopePeopleWrite) {
		spec.PeopleSources, spec.PeopleLevel = []string{"portal"}, 1
	}
	c, secret, err := s.rules.Clients.CreateClient(t.Context(), operator, spec)
	mustOf(t)(err)
	out := &clientOfTest{id: c.ID, secret: secret.Reveal()}
	out.token = s.token(t, out)
	return out
}

func (s *service) token(t testing.TB, c *clientOfTest) string {
	t.Helper()
	r := s.request(t, "POST", oauth.TokenPath, url.Values{"grant_type": {"client_credentials"}}.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.SetBasicAuth(c.id, c.secret)
	a := s.do(t, r)
	if a.StatusCode != 200 {
		t.Fatalf("token: %d %s", a.StatusCode, a.body)
	}
	return a.member("access_token")
}

func (s *service) request(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	mustOf(t)(err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (s *service) do(t testing.TB, r *http.Request) answer {
	t.Helper()
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{response, string(b)}
	s.documented(t, r, a)
	return a
}

// call sends a JSON body, made of v unless that is a string or nil, as a
// client, nil for nobody. Headers come in pairs.
func (s *service) call(t testing.TB, c *clientOfTest, method, path string, v any, headers ...string) answer {
	t.Helper()
	r := s.request(t, method, path, text(t, v))
	if c != nil {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(t, r)
}

// text returns a body: strings as they are, nothing for nil, the rest as JSON.
func text(t testing.TB, v any) string {
	t.Helper()
	if s, ok := v.(string); ok || v == nil {
		return s
	}
	b, err := json.Marshal(v)
	mustOf(t)(err)
	return string(b)
}

// object is a JSON object in the tests' hands.
type object = map[string]any

// want checks an answer's status, and its reason if that is not empty.
func (a answer) want(t testing.TB, status int, reason string) answer {
	t.Helper()
	if a.StatusCode != status || reason != "" && a.member("reason") != reason {
		t.Fatalf("%s %s: got %d %s, want %d %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.body, status, reason)
	}
	return a
}

// decode reads a JSON answer strictly into a value.
func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// definition returns the definition of the sample type, changed by members.
func definition(change object) object {
	d := object{
		"name": "样例特种作业操作证", "name_en": "Sample operator certificate",
		"schema": object{
			"type": "object", "additionalProperties": false, "required": []string{"category"},
			"properties": object{
				"category": object{"type": "string", "title": "作业类别", "maxLength": 50},
				"grade":    object{"type": "integer", "title": "级别", "minimum": 1, "maximum": 5},
			},
		},
		"holders":  []object{{"role": "holder", "name": "持证人", "min": 1, "max": 2, "code_types": []string{"111"}}},
		"validity": object{"long_term": true, "max_months": 72}, "number_policy": "unique", "approval": "one_step",
		"authorities": []string{departmentUSCC}, "sensitive": []string{"grade"},
	}
	return merge(d, change)
}

// issueBody returns an acceptable request, changed by members.
func issueBody(number string, change object) object {
	today := party.DateOf(time.Now())
	return merge(object{
		"type_code": sampleType, "number": number,
		"holders":    []object{{"name": sampleName, "code_type": "111", "code": sampleCitizen, "role": "holder"}},
		"valid_from": today.String(), "valid_until": today.AddMonths(60).String(),
		"area_code": "430000", "fields": object{"category": sampleField, "grade": 3},
	}, change)
}

// merge sets members of an object, and deletes those set to nil.
func merge(o, change object) object {
	for k, v := range change {
		if o[k] = v; v == nil {
			delete(o, k)
		}
	}
	return o
}

func (s *service) publish(t testing.TB, code string, d object) {
	t.Helper()
	s.call(t, s.catalog, "PUT", "/v1/license-types/"+code, d).want(t, 201, "")
	s.call(t, s.catalog, "POST", "/v1/license-types/"+code+"/publish", nil).want(t, 200, "")
}

// issue issues a license of the sample type over HTTP; the number is its
// idempotency key, too.
func (s *service) issue(t testing.TB, number string) issuedOfTest {
	t.Helper()
	var out issuedOfTest
	s.call(t, s.department, "POST", "/v1/licenses", issueBody(number, nil), idempotencyKey, fmt.Sprintf("%x", number)).
		want(t, 201, "").decode(t, &out)
	return out
}

// issuedOfTest is the answer to issuing, written down here once more: its shape
// is a promise to clients.
type issuedOfTest struct {
	ID               string `json:"id"`
	Identifier       string `json:"identifier"`
	VerificationCode string `json:"verification_code"`
	Version          int    `json:"version"`
	Revision         int64  `json:"revision"`
	State            string `json:"state"`
	Credential       string `json:"credential"`
}

// verdictOfTest is the answer to verifying, likewise.
type verdictOfTest struct {
	Verdict   string    `json:"verdict"`
	CheckedAt time.Time `json:"checked_at"`
	Checks    []struct{ Name, Result, Reason string }
	License   object `json:"license"`
}

func (v verdictOfTest) check(name string) string {
	for _, c := range v.Checks {
		if c.Name == name {
			return c.Result + " " + c.Reason
		}
	}
	return ""
}

func (s *service) verifyCredential(t testing.TB, credential string) verdictOfTest {
	t.Helper()
	var v verdictOfTest
	s.call(t, nil, "POST", "/v1/verify", object{"credential": credential}).want(t, 200, "").decode(t, &v)
	return v
}

// wantVerdict checks the verdict and one check, written "name result reason".
func (v verdictOfTest) wantVerdict(t testing.TB, verdict, check string) {
	t.Helper()
	name, rest, _ := strings.Cut(check, " ")
	if v.Verdict != verdict || cmp.Or(rest, v.check(name)) != v.check(name) {
		t.Errorf("got %s with %+v, want %s with %s", v.Verdict, v.Checks, verdict, check)
	}
}

// jsonInto reads a JSON answer, members unknown to v or not.
func jsonInto(a answer, v any) error { return json.Unmarshal([]byte(a.body), v) }

func jsonText(v any) string {
	b, _ := json.Marshal(v) // of plain values: it can't fail
	return string(b)
}

package main_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// demoCopy returns the data directory of a demo that isn't running.
func demoCopy(t *testing.T) string {
	t.Helper()
	from, err := demoDirectory(t)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := copyTree(dir, from); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "d")
}

// cli runs commands on a data directory.
type cli struct {
	t    *testing.T
	data string
}

// run runs a command and returns what it printed, on standard error if it failed
// as it should.
func (c cli) run(code int, args ...string) string {
	c.t.Helper()
	out, errs, got := runProgram(c.t, "", append(args, "--data", c.data)...)
	if got != code {
		c.t.Fatalf("yizheng %q: exit code %d, not %d\n%s%s", args, got, code, out, errs)
	}
	if code != 0 {
		return errs
	}
	return out
}

// object runs a command that prints a JSON object.
func (c cli) object(args ...string) map[string]any {
	c.t.Helper()
	return decoded(c.t, c.run(0, args...))
}

func decoded(t *testing.T, text string) (object map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return object
}

// TestClientUpdate changes a client by its command: what is named changes, all else
// stays, and nobody's change is lost.
func TestClientUpdate(t *testing.T) {
	t.Parallel()
	c := cli{t, demoCopy(t)}
	added := c.object("client", "add", "--participant", departmentUSCC, "--name", "旧名样例", "--scope", "openid,identity",
		"--redirect-uri", "https://app.example/cb", "--logout-uri", "https://app.example/", "--default-max-age", "600",
		"--service-item", sampleItem, "--name-in", "en=Old name", "--json")
	id := added["client_id"].(string)
	before := c.object("client", "show", id)

	after := c.object("client", "update", id, "--name", "新名样例", "--redirect-uri", "https://app.example/a,b", "--redirect-uri", "https://app.example/c",
		"--require-par", "--clear", "default-max-age", "--min-assurance", "3", "--json")
	for name, want := range map[string]any{
		"name": "新名样例", "revision": 2.0, "require_pushed_authorization_requests": true, "min_assurance": 3.0, "default_max_age": nil,
	} {
		if after[name] != want {
			t.Errorf("%s is %v, want %v", name, after[name], want)
		}
	}
	if uris := after["redirect_uris"].([]any); len(uris) != 2 || uris[0] != "https://app.example/a,b" {
		t.Errorf("the redirect URIs are %v", uris)
	}
	for _, name := range []string{"id", "participant", "subject_type", "scopes", "grant_types", "service_items", "post_logout_redirect_uris", "names", "live_secrets", "created"} {
		a, _ := json.Marshal(before[name])
		b, _ := json.Marshal(after[name])
		if string(a) != string(b) || before[name] == nil {
			t.Errorf("%s was %s and is %s", name, a, b)
		}
	}
	if named := c.object("client", "update", id, "--name-in", "bo=དཔེ", "--name-in", "en=New, name", "--json")["names"].(map[string]any); len(named) != 2 || named["en"] != "New, name" {
		t.Errorf("the names are %v", named)
	}
	if named := c.object("client", "update", id, "--name-in", "bo=", "--json")["names"].(map[string]any); len(named) != 1 {
		t.Errorf("a name that was taken away stays: %v", named)
	}
	c.run(0, "client", "update", id, "--no-require-par", "--no-pkce", "--clear", "service-item")
	if now := c.object("client", "show", id); now["without_pkce"] != true || now["require_pushed_authorization_requests"] != false || now["service_items"] != nil {
		t.Errorf("taken back: %v", now)
	}

	for want, args := range map[string][]string{
		"has revision 5 now, not 1": {"1", "--name", "x", "--if-revision", "1"},
		"redirect_uri_invalid":      {"1", "--redirect-uri", "http://app.example/"},
		"redirect_uri_missing":      {"1", "--clear", "redirect-uri"},
		"service_items_refused":     {"1", "--service-item", sampleItem},
		"name_invalid":              {"1", "--name", " "},
		"names_language":            {"1", "--name-in", "english=x"},
		"nothing would change":      {"2", "--name", "新名样例"},
		"contradict each other":     {"2", "--clear", "home-uri", "--home-uri", "https://app.example/"},
		"there is no service item":  {"2", "--service-item", "nope"},
		"unknown flag --subject":    {"2", "--subject", "public"},
		"unknown flag --public":     {"2", "--public"},
		"no client has the id \"no": nil,
	} {
		code, ref := 1, id
		if args == nil {
			args, ref = []string{"1", "--name", "x"}, "nobody"
		}
		if args[0] == "2" {
			code = 2
		}
		if got := c.run(code, append([]string{"client", "update", ref}, args[1:]...)...); !strings.Contains(got, want) {
			t.Errorf("client update %q: %s", args[1:], got)
		}
	}
	if now := c.object("client", "show", id); now["revision"] != 5.0 {
		t.Errorf("refusals changed the client: %v", now)
	}
}

// TestParticipantRename renames a participant: its code and id stay, and so does all
// that isn't named.
func TestParticipantRename(t *testing.T) {
	t.Parallel()
	c := cli{t, demoCopy(t)}
	renamed := c.object("participant", "rename", departmentUSCC, "青禾市公安局（新名样例）", "--json")
	if renamed["name"] != "青禾市公安局（新名样例）" || renamed["uscc"] != departmentUSCC || renamed["revision"] != 2.0 {
		t.Errorf("renamed: %v", renamed)
	}
	named := renamed["names"].(map[string]any)
	if named["en"] == nil {
		t.Errorf("the other names went: %v", renamed)
	}
	if again := c.object("participant", "rename", departmentUSCC, "青禾市公安局（新名样例）", "--name-in", "en=Another bureau", "--json"); again["names"].(map[string]any)["en"] != "Another bureau" {
		t.Errorf("renamed in English: %v", again)
	}
	moved := c.object("participant", "update", departmentUSCC, "--level", "4", "--area-code", "990102", "--successor", "11990100000060062D", "--json")
	for _, name := range []string{"id", "uscc", "name", "class", "created"} {
		if moved[name] != renamed[name] || moved[name] == nil {
			t.Errorf("%s is %v and was %v", name, moved[name], renamed[name])
		}
	}
	if moved["level"] != 4.0 || moved["area_code"] != "990102" || moved["successor"] == nil || moved["revision"] != 4.0 {
		t.Errorf("updated: %v", moved)
	}
	if back := c.object("participant", "update", departmentUSCC, "--successor", "", "--json"); back["successor"] != nil {
		t.Errorf("the successor stays: %v", back)
	}
	if text := c.run(0, "participant", "rename", departmentUSCC, "青禾市公安局"); !strings.Contains(text, "key rotate authority --owner "+departmentUSCC) {
		t.Errorf("nothing of the certificate: %s", text)
	}
	for want, args := range map[string][]string{
		"has revision 6 now, not 2": {"rename", departmentUSCC, "x", "--if-revision", "2"},
		"name_invalid":              {"rename", departmentUSCC, "\u202e"},
		"parent_invalid":            {"update", departmentUSCC, "--parent", departmentUSCC},
		"level_invalid":             {"update", departmentUSCC, "--level", "9"},
		"--successor: no part":      {"update", departmentUSCC, "--successor", "91990103MA0009095J"},
	} {
		if got := c.run(1, append([]string{"participant"}, args...)...); !strings.Contains(got, want) {
			t.Errorf("participant %q: %s", args, got)
		}
	}
	for want, args := range map[string][]string{
		"has this name already": {"rename", departmentUSCC, "青禾市公安局"},
		"nothing would change":  {"update", departmentUSCC},
	} {
		if got := c.run(2, append([]string{"participant"}, args...)...); !strings.Contains(got, want) {
			t.Errorf("participant %q: %s", args, got)
		}
	}
}

// TestRenamedBesideTheService renames a department and its client while they are
// used: the pages show it at once, and new licenses carry it.
func TestRenamedBesideTheService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, facts, err := startDemo(t, nil, "--listen", "127.0.0.1:0", "--data", dir)
	if err != nil {
		t.Fatal(err)
	}
	c, z := cli{t, dir}, newCitizen(t, facts)
	client := c.object("client", "show", z.id)
	for _, name := range []string{"name", "participant_name"} {
		if text := client[name].(string); !strings.Contains(z.consentText(), text) {
			t.Fatalf("the consent page has no %q before", text)
		}
	}
	c.run(0, "client", "update", z.id, "--name", "改名后的系统")
	c.run(0, "participant", "rename", client["participant"].(string), "改名后的单位")
	for deadline := time.Now().Add(readyWithin); ; time.Sleep(50 * time.Millisecond) {
		text := z.consentText()
		if strings.Contains(text, "改名后的单位") && strings.Contains(text, "改名后的系统") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the consent page has the old names: %s\n%s", text, s.Log())
		}
	}
}

// consentText returns the text of a consent page.
func (c *citizen) consentText() string {
	c.t.Helper()
	_, p := c.consent()
	return p.Body
}

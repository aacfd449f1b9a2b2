package main_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/apitest"
	"yizheng.internal/cmd/yizheng/internal/toolcheck"
	"yizheng.internal/storage/porttest"
)

// The programs below docs/snippets are what a department's developer begins
// with. They know us by public specifications alone: here each of them runs
// against the demo, as its own process, and a person's browser goes through it.

// snippet is a program of docs/snippets.
type snippet struct {
	folder   string
	tools    []string // of .ci/tools.txt, that it is built and run with
	build    []string // command that installs and builds it
	run      []string // command that serves, but for what port adds
	verify   []string // command that verifies a file, but for its arguments
	port     func(port string) []string
	login    string // path where a login begins
	callback string
	logout   string
}

var snippets = map[string]snippet{
	"node": {
		folder: "node",
		tools:  []string{"node", "npm"},
		build:  []string{"npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"},
		run:    []string{"node", "app.js"}, verify: []string{"node", "license.js"},
		login: "/login", callback: "/callback", logout: "/logout",
	},
	"go": {
		folder: "go",
		build:  []string{"go", "build", "-o", "first-hour", "yizheng.internal/docs/snippets/go"},
		run:    []string{"./first-hour"}, verify: []string{"./first-hour"},
		login: "/login", callback: "/callback", logout: "/logout",
	},
	"python": {
		folder: "python",
		tools:  []string{"python3"},
		build:  []string{"sh", "-c", "python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt"},
		run:    []string{".venv/bin/python", "app.py"}, verify: []string{".venv/bin/python", "license.py"},
		login: "/login", callback: "/callback", logout: "/logout",
	},
	"java": {
		folder: "java-spring",
		tools:  []string{"javac", "mvn"},
		build:  []string{"mvn", "--batch-mode", "--quiet", "-Dorg.slf4j.simpleLogger.log.org.apache.maven.cli.transfer.Slf4jMavenTransferListener=warn", "package"},
		run:    []string{"java", "-XX:TieredStopAtLevel=1", "-jar", "target/first-hour.jar", "--server.address=127.0.0.1"},
		verify: []string{"java", "-XX:TieredStopAtLevel=1", "-cp", "target/first-hour.jar", "-Dloader.main=firsthour.License", "org.springframework.boot.loader.launch.PropertiesLauncher"},
		port:   func(port string) []string { return []string{"--server.port=" + port} },
		login:  "/oauth2/authorization/yizheng", callback: "/login/oauth2/code/yizheng", logout: "/logout",
	},
}

// received is what a snippet shows of a login.
type received struct {
	Subject string `json:"sub"`
	Name    string `json:"name"`
	ACR     string `json:"acr"`
	Account struct {
		ID string `json:"id"`
		By string `json:"by"`
	} `json:"account"`
	Licenses []receivedLicense `json:"licenses"`
}

type receivedLicense struct {
	Material   string         `json:"material"`
	Outcome    string         `json:"outcome"`
	Verified   bool           `json:"verified"`
	TypeName   string         `json:"type_name"`
	Number     string         `json:"number"`
	Fields     map[string]any `json:"fields"`
	Credential string         `json:"credential"`
	Nonce      string         `json:"nonce"`
}

// TestForeignClients takes each program through a department's first hour: a
// login with two factors, one consent, verified licenses, the account that was
// there before; then once more without a login; then the logout. And none of
// them takes a license that was tampered with, or is not meant for it.
func TestForeignClients(t *testing.T) {
	t.Parallel()
	d := openCity(t)
	for name, s := range snippets {
		t.Run(name, func(t *testing.T) {
			for _, tool := range s.tools {
				toolcheck.Need(t, tool)
			}
			t.Parallel()
			dir := s.prepare(t)
			client := d.register(t, s, porttest.FreePort(t))
			app := client.start(t, dir)
			b := apitest.NewBrowser(t)
			who := d.person(t, 0)

			first := app.visit(t, b, who)
			first.check(t, d, "code")
			// Somebody who is logged in is asked for the consent alone.
			second := app.visit(t, b, apitest.Person{})
			second.check(t, d, "sub")
			if second.Subject != first.Subject {
				t.Errorf("one person has two subjects: %s, %s", first.Subject, second.Subject)
			}
			client.checkVerifier(t, dir, first)

			app.logOut(t, b)
			if p := b.Get(app.base + s.login); !p.Has("username") {
				t.Errorf("after the logout, a login is not asked for: %v", p)
			}
		})
	}
}

// prepare builds the program in a directory of its own.
func (s snippet) prepare(t *testing.T) string {
	t.Helper()
	source, dir := filepath.Join(root, "docs", "snippets", s.folder), filepath.Join(t.TempDir(), s.folder)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // npm, pip and Maven download, and wait for long if nobody answers
	defer cancel()
	build := exec.CommandContext(ctx, s.build[0], s.build[1:]...)
	build.Dir = dir
	if s.folder == "go" { // it is a package of this module
		build.Dir = source
		build.Args[3] = filepath.Join(dir, s.build[3])
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	} else if err := copySources(dir, source); err != nil {
		t.Fatal(err)
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", s.build, err, out)
	}
	return dir
}

// copySources copies a folder but for what was installed or built there.
func copySources(to, from string) error {
	return filepath.WalkDir(from, func(file string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		if e.IsDir() {
			switch e.Name() {
			case "node_modules", "target", ".venv", "__pycache__":
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o600)
	})
}

// departmentClient is a snippet as it is registered with the demo.
type departmentClient struct {
	snippet
	demo   *city
	base   string
	id     string
	secret string
}

// register registers a snippet as the operator does.
func (d *city) register(t *testing.T, s snippet, port string) *departmentClient {
	t.Helper()
	c := &departmentClient{snippet: s, demo: d, base: "http://127.0.0.1:" + port}
	out := d.process.Command(t, "client", "add", "--json", "--participant", policeCode, "--name", "居住证系统（样例）",
		"--scope", "openid,profile,identity", "--redirect-uri", c.base+s.callback,
		"--logout-uri", c.base+"/", "--service-item", policeItem)
	var printed struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(out), &printed); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	c.id, c.secret = printed.ClientID, printed.ClientSecret
	return c
}

// What of the samples the tests know.
const (
	policeCode = "11990100000020028W"
	policeItem = "11990100000020028W-residence-endorsement"
	account    = "A-1001" // that the department has already
)

// start starts the program with its configuration and waits until it serves.
func (c *departmentClient) start(t *testing.T, dir string) *departmentClient {
	t.Helper()
	accounts, err := json.Marshal([]map[string]string{{"id": account, "code_type": c.demo.code.CodeType, "code": c.demo.code.Code}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"accounts.json": accounts, "anchor.pem": c.demo.anchor} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := c.run[1:]
	if c.port != nil {
		_, port, _ := strings.Cut(strings.TrimPrefix(c.base, "http://"), ":")
		args = append(args[:len(args):len(args)], c.port(port)...)
	}
	log := &lockedBuffer{}
	cmd := exec.Command(c.run[0], args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(os.Environ(), "ISSUER="+c.demo.Issuer, "CLIENT_ID="+c.id, "CLIENT_SECRET="+c.secret,
		"REDIRECT_URI="+c.base+c.callback, "SERVICE_ITEM="+policeItem, "ANCHOR=anchor.pem", "ACCOUNTS=accounts.json")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", c.folder, log)
		}
	})
	for deadline := time.Now().Add(readyWithin); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get(c.base + "/")
		if err == nil {
			answer.Body.Close()
			return c
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended before it served: %v", c.folder, err)
		default:
		}
	}
	t.Fatalf("%s doesn't serve after %v", c.folder, readyWithin)
	return nil
}

// visit lets a person log in, or somebody who is logged in go on, and agree.
func (c *departmentClient) visit(t *testing.T, b *apitest.Browser, who apitest.Person) received {
	t.Helper()
	p := b.Get(c.base + c.login)
	if who.Login == "" && p.Has("username") {
		t.Fatal("somebody who is logged in is asked to log in")
	}
	p = agree(t, p.LogIn(who))
	var r received
	if err := json.Unmarshal([]byte(p.Body), &r); err != nil || p.Status != http.StatusOK {
		t.Fatalf("%s: the program shows: %v", p.URL, p)
	}
	return r
}

// agree agrees to a consent page's request, with the first of each choice and all parts.
func agree(t *testing.T, p *apitest.Page) *apitest.Page {
	t.Helper()
	if !p.Has("approve") {
		t.Fatalf("%s: this is not the consent page: %v", p.URL, p)
	}
	f := p.Form("approve")
	for _, name := range p.Names("license-") {
		f.Values.Set(name, p.Choices(name)[0])
	}
	f.Values["part"] = p.Choices("part")
	return f.Send()
}

// check checks what a program received of the first sample person.
func (r received) check(t *testing.T, d *city, by string) {
	t.Helper()
	if r.Name != d.code.Name || r.ACR != "urn:yizheng:assurance:2" || r.Subject == "" {
		t.Errorf("received of the person: %+v", r)
	}
	if r.Account.ID != account || r.Account.By != by {
		t.Errorf("the account is %+v, want %s by %s", r.Account, account, by)
	}
	read := 0
	for _, l := range r.Licenses {
		if l.Outcome != "granted" && l.Credential == "" {
			continue
		}
		read++
		if !l.Verified || l.TypeName == "" || len(l.Fields) == 0 {
			t.Errorf("received of a license: %+v", l)
		}
	}
	if read == 0 {
		t.Errorf("no license was received: %+v", r)
	}
}

// checkVerifier gives the program's verifier a license as it came, and others
// that are not to be trusted.
func (c *departmentClient) checkVerifier(t *testing.T, dir string, r received) {
	t.Helper()
	var l receivedLicense
	for _, l = range r.Licenses {
		if l.Credential != "" {
			break
		}
	}
	parts := strings.Split(l.Credential, "~")
	if len(parts) < 4 {
		t.Fatalf("the license has no parts: %q", l.Credential)
	}
	without := strings.Join(append(parts[:1:1], parts[2:]...), "~") // one part withheld by somebody else
	for name, try := range map[string]struct {
		credential, anchor, audience, nonce, problem string
	}{
		"as it came":          {l.Credential, "anchor.pem", c.id, l.Nonce, ""},
		"for another":         {l.Credential, "anchor.pem", "somebody-else", l.Nonce, "released to somebody else"},
		"of another reading":  {l.Credential, "anchor.pem", c.id, "another-nonce", "not the answer to this reading"},
		"with less":           {without, "anchor.pem", c.id, l.Nonce, "bound to other parts"},
		"with a part twice":   {strings.Join(append(parts[:2:2], parts[1:]...), "~"), "anchor.pem", c.id, l.Nonce, ""},
		"with a part of ours": {strings.Join(append(append(parts[:1:1], "WyJzYWx0IiwibmFtZSIsIuabv-aIkeS6uiJd"), parts[1:]...), "~"), "anchor.pem", c.id, l.Nonce, "a part that was not signed"},
		"another signature":   {flip(parts, 0), "anchor.pem", c.id, l.Nonce, "signature is wrong"},
		"another binding":     {flip(parts, len(parts)-1), "anchor.pem", c.id, l.Nonce, ""},
		"without binding":     {strings.Join(parts[:len(parts)-1], "~") + "~", "anchor.pem", c.id, l.Nonce, "malformed"},
		"of another registry": {l.Credential, "other.pem", c.id, l.Nonce, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.demo.writeOtherAnchor(t, filepath.Join(dir, "other.pem"))
			if err := os.WriteFile(filepath.Join(dir, "credential"), []byte(try.credential+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), c.verify[0], append(c.verify[1:len(c.verify):len(c.verify)], "credential", try.anchor, try.audience, try.nonce)...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if good := name == "as it came"; (err == nil) != good {
				t.Fatalf("%q: %v\n%s", cmd.Args, err, out)
			}
			if try.problem != "" && !bytes.Contains(out, []byte(try.problem)) {
				t.Errorf("it says\n%s\nwant %q", out, try.problem)
			}
		})
	}
}

// flip changes a signature's first character.
func flip(parts []string, i int) string {
	changed := append([]string{}, parts...)
	dot := strings.LastIndexByte(changed[i], '.') + 1
	first := "A"
	if changed[i][dot] == 'A' {
		first = "B"
	}
	changed[i] = changed[i][:dot] + first + changed[i][dot+1:]
	return strings.Join(changed, "~")
}

// logOut logs out at the program and at the provider, each of which may ask.
func (c *departmentClient) logOut(t *testing.T, b *apitest.Browser) {
	t.Helper()
	p := b.Get(c.base + c.logout)
	if strings.HasPrefix(p.URL.String(), c.base) { // Spring's own page asks, by a button without an id
		form := url.Values{}
		for _, name := range p.Names("") {
			form.Set(name, p.Choices(name)[0])
		}
		p = b.Post(c.base+c.logout, form)
	}
	if !strings.HasPrefix(p.URL.String(), c.demo.Issuer) || !p.Has("submit") {
		t.Fatalf("%s: this is not the provider's logout page: %v", p.URL, p)
	}
	if p = p.Press("submit"); p.URL.String() != c.base+"/" || p.Status != http.StatusOK {
		t.Errorf("the logout ends at %s: %v", p.URL, p)
	}
}

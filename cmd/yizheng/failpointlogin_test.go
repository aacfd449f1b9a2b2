package main_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/storage/porttest"
)

// ways through the login and the join, each with the steps at which the service
// is killed. What must hold after that, its method of loginFailpoints checks.
var loginWays = []struct {
	name  string
	steps []string
	try   func(*loginFailpoints, string)
}{
	{"login", []string{"login.session"}, (*loginFailpoints).login},
	{"agree", []string{"agree.resolved", "agree.saved", "consent.granted", "consent.recorded", "code.kept"}, (*loginFailpoints).agree},
	{"token", []string{"code.checked", "code.spent", "deliver.minted", "deliver.saved", "code.delivered", "oauth.answering"}, (*loginFailpoints).token},
	{"redeem", []string{"redeem.decided", "redeem.recorded"}, (*loginFailpoints).redeem},
	{"refresh", []string{"refresh.rotated"}, (*loginFailpoints).refresh},
	{"revoke", []string{"family.ended"}, (*loginFailpoints).revoke},
	{"withdraw", []string{"grant.ended"}, (*loginFailpoints).withdraw},
	{"logout", []string{"session.ended"}, (*loginFailpoints).logout},
}

// TestLoginFailpoints kills the service between any two steps of the main job:
// no grant without consent, no data without record, no code twice.
func TestLoginFailpoints(t *testing.T) {
	t.Parallel()
	onEachInstallation(t, func(t *testing.T, args []string, redis bool) {
		p := &loginFailpoints{args: append(args, "--data", filepath.Join(t.TempDir(), "demo"), "--listen", "localhost:"+porttest.FreePort(t)), dir: t.TempDir(), redis: redis}
		for _, w := range loginWays {
			for _, step := range w.steps {
				t.Run(w.name+"/"+step, func(t *testing.T) {
					p.t = t
					p.start("")
					w.try(p, step)
					if err := p.s.Stop(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	})
}

// onEachInstallation runs a test with a demo on SQLite and memory, and with one
// on PostgreSQL and Redis.
func onEachInstallation(t *testing.T, test func(t *testing.T, args []string, redis bool)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, nil, false) })
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, []string{"--database-url", servertest.PostgresURL(t), "--redis-url", servertest.RedisURL(t)}, true)
	})
}

// loginFailpoints is a demo that is killed and started again, and who uses it.
type loginFailpoints struct {
	t     *testing.T
	args  []string
	dir   string
	redis bool // what may be lost outlives the process

	s      *server
	armed  string // file whose presence arms the failpoint
	c      *citizen
	issuer string
}

// start starts the demo, to die at a step, if one is named, once it is armed.
// Whoever was logged in still is: that is on disk.
func (p *loginFailpoints) start(step string) {
	p.t.Helper()
	var env []string
	if step != "" {
		p.armed = filepath.Join(p.dir, strings.ReplaceAll(p.t.Name(), "/", "-"))
		env = []string{"YIZHENG_FAILPOINT=" + step + "@" + p.armed}
	}
	s, facts, err := startTaggedDemo(p.t, "failpoints", env, p.args...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.s, p.issuer = s, facts.Issuer
	c := newCitizen(p.t, facts)
	if p.c != nil {
		c.b = p.c.b
		c.b.T = p.t
	}
	p.c = c
}

// kill restarts the demo so that it dies at a step, and has it asked something.
// what is asked gets no answer.
func (p *loginFailpoints) kill(step string, prepare func() func()) {
	p.t.Helper()
	if err := p.s.Stop(); err != nil {
		p.t.Fatal(err)
	}
	p.start(step)
	act := prepare()
	if err := os.WriteFile(p.armed, nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
	act()
	if err := p.s.Wait(); !p.s.Killed() {
		p.t.Fatalf("the demo was to die at %s and ended so: %v\n%s", step, err, p.s.Log())
	}
	p.start("")
}

// lost sends a form and expects no answer.
func (p *loginFailpoints) lost(f *apitest.Form) {
	p.t.Helper()
	if page, err := p.c.b.Try(f.Request()); err == nil {
		p.t.Errorf("the demo was to die and answered %v", page)
	}
}

// dead expects that no answer came.
func (p *loginFailpoints) dead(a answer) {
	p.t.Helper()
	if a.status != 0 {
		p.t.Errorf("the demo was to die and answered %d %s", a.status, a.body)
	}
}

// login: a session that nobody has the cookie of is worth nothing, and the next try works.
func (p *loginFailpoints) login(step string) {
	p.kill(step, func() func() {
		p.c.b.Forget()
		_, page := p.c.ask()
		who := p.c.facts.People[0]
		f := page.Form("submit").With("username", who.Login, "password", who.Password)
		return func() { p.lost(f) }
	})
	if page := p.c.b.Get(p.issuer + "/grants"); !page.Has("username") {
		p.t.Errorf("after a login without an answer somebody is logged in: %v", page)
	}
	p.finishes()
}

// finishes goes the whole way once more: nothing that happened stands in its way.
func (p *loginFailpoints) finishes() {
	p.t.Helper()
	v, code := p.c.agree()
	t := p.c.take(p.c.exchange(v, code))
	if a := p.c.read(t, reading{t.useCode(), "1", "nonce-of-the-test"}); a.status != http.StatusOK {
		p.t.Errorf("reading: %d %s", a.status, a.body)
	}
	if g := p.c.grant(v); g != grantActive {
		p.t.Errorf("the grant is %q", g)
	}
	if n := p.c.readings(v); n != 1 {
		p.t.Errorf("%d readings are recorded of one", n)
	}
}

// agree: whatever the step, no client has anything to read with. The person
// sends the form again, or begins anew where the request is lost.
func (p *loginFailpoints) agree(step string) {
	var v visit
	var f *apitest.Form
	p.kill(step, func() func() {
		var page *apitest.Page
		v, page = p.c.consent()
		f = p.c.agreement(page)
		return func() { p.lost(f) }
	})
	g := p.c.grant(v)
	switch {
	case step == "agree.resolved" && g != "":
		p.t.Errorf("before the consent was saved there is a grant: %s", g)
	case step != "agree.resolved" && g != grantPending:
		p.t.Errorf("the grant is %q, and not pending", g)
	}
	again := f.Send()
	if !p.redis {
		if again.To != nil || again.Has("approve") {
			p.t.Errorf("the request was lost, and goes on with %v", again)
		}
		p.finishes()
		return
	}
	p.c.take(p.c.exchange(v, p.c.given(v, again)))
	if g := p.c.grant(v); g != grantActive {
		p.t.Errorf("after the form was sent again, the grant is %q", g)
	}
}

// token: the code works once at the most, over the crash too. Where it is spent
// and nobody got what it yields, trying it again ends that.
func (p *loginFailpoints) token(step string) {
	var v visit
	var code string
	p.kill(step, func() func() {
		v, code = p.c.agree()
		return func() { p.dead(p.c.exchange(v, code)) }
	})
	again := p.c.exchange(v, code)
	if good := again.status == http.StatusOK; good != (p.redis && step == "code.checked") {
		p.t.Errorf("the code again: %d %s", again.status, again.body)
	} else if !good && again.member("error") != "invalid_grant" {
		p.t.Errorf("the code again: %d %s", again.status, again.body)
	}
	if g := p.c.grant(v); again.status != http.StatusOK && g == grantActive {
		p.t.Error("nobody has the tokens, and the grant is active")
	}
	if third := p.c.exchange(v, code); third.status == http.StatusOK {
		p.t.Error("the code worked again")
	}
	if n := p.c.readings(v); n != 0 {
		p.t.Errorf("%d readings are recorded of none", n)
	}
	p.finishes()
}

// redeem: a reading that was repeated over the crash is one reading, and none
// is answered that isn't recorded.
func (p *loginFailpoints) redeem(step string) {
	var v visit
	var t tokens
	q := reading{"", "request-1", "nonce-of-the-test"}
	p.kill(step, func() func() {
		var code string
		v, code = p.c.agree()
		t = p.c.take(p.c.exchange(v, code))
		q.UseCode = t.useCode()
		return func() { p.dead(p.c.read(t, q)) }
	})
	if n, want := p.c.readings(v), map[string]int{"redeem.decided": 0, "redeem.recorded": 1}[step]; n != want {
		p.t.Errorf("%d readings are recorded at %s", n, step)
	}
	if a := p.c.read(t, q); a.status != http.StatusOK || !strings.Contains(string(a.body), "credential") {
		p.t.Errorf("the same request again: %d %s", a.status, a.body)
	}
	if n := p.c.readings(v); n != 1 {
		p.t.Errorf("%d readings are recorded of one", n)
	}
}

// refresh: the client that got no answer tries again, and gets the successor.
func (p *loginFailpoints) refresh(step string) {
	var t tokens
	var when time.Time
	p.kill(step, func() func() {
		v, code := p.c.agree()
		t = p.c.take(p.c.exchange(v, code))
		return func() {
			when = time.Now()
			p.dead(p.c.post("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}}))
		}
	})
	again := p.c.post("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}})
	if time.Since(when) > 9*time.Second {
		p.t.Logf("the machine is too slow for the grace of 10 s: it answered %d", again.status)
		return
	}
	next := p.c.take(again)
	if next.Refresh == "" || next.Refresh == t.Refresh {
		p.t.Error("the refresh token was not rotated")
	}
	if last := p.c.post("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {next.Refresh}}); last.status != http.StatusOK {
		p.t.Errorf("the successor: %d %s", last.status, last.body)
	}
}

// revoke: what the client gave back is over, and repeating it mends what was left.
func (p *loginFailpoints) revoke(step string) {
	var v visit
	var t tokens
	give := func() answer { return p.c.post("/oauth/revoke", url.Values{"token": {t.Refresh}}) }
	p.kill(step, func() func() {
		var code string
		v, code = p.c.agree()
		t = p.c.take(p.c.exchange(v, code))
		return func() { p.dead(give()) }
	})
	if a := p.c.post("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}}); a.status != http.StatusBadRequest {
		p.t.Errorf("a refresh token that was revoked: %d %s", a.status, a.body)
	}
	if a := give(); a.status != http.StatusOK {
		p.t.Errorf("revoking again: %d %s", a.status, a.body)
	}
	if g := p.c.grant(v); g != grantEnded {
		p.t.Errorf("after revoking again the grant is %q", g)
	}
	if a := p.c.read(t, reading{t.useCode(), "1", "nonce-of-the-test"}); a.status == http.StatusOK {
		p.t.Error("what was revoked can be read")
	}
}

// withdraw: a grant whose end nobody was told of has ended all the same.
func (p *loginFailpoints) withdraw(step string) {
	var v visit
	var t tokens
	p.kill(step, func() func() {
		var code string
		v, code = p.c.agree()
		t = p.c.take(p.c.exchange(v, code))
		page := p.c.b.Get(p.issuer + "/grants")
		_, entry, _ := strings.Cut(page.Body, `<li id="grant-`)
		id, _, _ := strings.Cut(entry, `"`)
		f := page.FormIn("grant-" + id)
		return func() { p.lost(f) }
	})
	if g := p.c.grant(v); g != grantEnded {
		p.t.Errorf("the grant is %q", g)
	}
	if a := p.c.read(t, reading{t.useCode(), "1", "nonce-of-the-test"}); a.status == http.StatusOK {
		p.t.Error("what was withdrawn can be read")
	}
}

// logout: whoever logged out is logged out, and what dies with the session is dead.
func (p *loginFailpoints) logout(step string) {
	var t tokens
	p.kill(step, func() func() {
		v, code := p.c.agree()
		t = p.c.take(p.c.exchange(v, code))
		f := p.c.b.Get(p.issuer + "/logout").Form("submit")
		return func() { p.lost(f) }
	})
	if page := p.c.b.Get(p.issuer + "/licenses"); !page.Has("username") {
		p.t.Errorf("after the logout somebody is logged in: %v", page)
	}
	if a := p.c.post("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}}); a.status != http.StatusBadRequest {
		p.t.Errorf("the refresh token of a session that ended: %d %s", a.status, a.body)
	}
}

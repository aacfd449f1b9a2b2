package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

// work counts what a login costs the stores, by the names of their methods.
type work struct {
	mu    sync.Mutex
	calls []string
}

func (w *work) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

// take returns what was counted, and begins anew.
func (w *work) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.calls, " ")
	w.calls = nil
	return s
}

// countedAccounts counts the calls of the real store.
type countedAccounts struct {
	identity.Accounts
	*work
}

func (c countedAccounts) LoadAccount(ctx context.Context, id string) (identity.AccountRecord, error) {
	c.note("LoadAccount")
	return c.Accounts.LoadAccount(ctx, id)
}

func (c countedAccounts) FindAccount(ctx context.Context, keys []signing.Lookup) (identity.AccountRecord, error) {
	c.note("FindAccount")
	return c.Accounts.FindAccount(ctx, keys)
}

func (c countedAccounts) UpdateAccount(ctx context.Context, a identity.AccountRecord) error {
	c.note("UpdateAccount")
	return c.Accounts.UpdateAccount(ctx, a)
}

// countedEphemeral does so too.
type countedEphemeral struct {
	ephemeral.Store
	*work
}

func (c countedEphemeral) Put(ctx context.Context, key string, value []byte, k ephemeral.Keeping, now time.Time) error {
	c.note("Put")
	return c.Store.Put(ctx, key, value, k, now)
}

func (c countedEphemeral) Load(ctx context.Context, key string, now time.Time) ([]byte, error) {
	c.note("Load")
	return c.Store.Load(ctx, key, now)
}

func (c countedEphemeral) Swap(ctx context.Context, key string, old, new []byte, k ephemeral.Keeping, now time.Time) error {
	c.note("Swap")
	return c.Store.Swap(ctx, key, old, new, k, now)
}

func (c countedEphemeral) Count(ctx context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error) {
	c.note("Count")
	return c.Store.Count(ctx, key, n, window, now)
}

// An attacker can't tell who has an account here: an unknown login, a wrong
// password and a disabled account get one answer, for one amount of work. That
// the hash is computed too is counted in package identity.
func TestAttackAccountEnumeration(t *testing.T) {
	t.Parallel()
	w := &work{}
	s := newStage(t, stageConfig{
		Accounts:  func(a identity.Accounts) identity.Accounts { return countedAccounts{a, w} },
		Ephemeral: func(e ephemeral.Store) ephemeral.Store { return countedEphemeral{e, w} },
	})
	disabled := s.register(t, "dave", "nine green lanterns", "+8615400000094", "样例丙", "110101199003073335")
	s.disable(t, disabled)
	known := func(login string) (answer string, cost string, status int) {
		b := s.browser(t)
		p := s.clinic.request().open(t, b)
		w.take()
		p = p.Press("submit", "username", login, "password", "nine green lanterns")
		return normalized(p, login), w.take(), p.Status
	}
	answer, cost, status := known("alice")
	if cost == "" || !strings.Contains(cost, "FindAccount") || status != http.StatusForbidden {
		t.Fatalf("a wrong password costs %q and gets %d", cost, status)
	}
	for name, login := range map[string]string{
		"unknown": "nobody", "unknown phone": "13800000000", "unknown number": "110101199003071110", "disabled": "dave", "by phone": strings.TrimPrefix(bobPhone, "+86"),
		"by number": bobCitizen, "nonsense": "\u202e😀", "an address": "a@b.example",
	} {
		a, c, st := known(login)
		if c != cost || st != status || a != answer {
			t.Errorf("%s: status %d, work %q; a wrong password: %d, %q\n%s\n%s", name, st, c, status, cost, a, answer)
		}
	}
	if strings.Contains(s.log.String(), "login_unknown") && strings.Contains(s.log.String(), "nobody") {
		t.Error("the log holds the login")
	}
}

// normalized is a page without what differs by nature.
func normalized(p *apitest.Page, login string) string {
	body := strings.ReplaceAll(p.Body, login, "LOGIN")
	body = regexp.MustCompile(`data-options="[^"]*"`).ReplaceAllString(body, "") // a passkey's challenge
	secrets := []string{p.URL.Query().Get("request"), p.Header.Get("X-Request-Id")}
	for name, values := range p.Form("submit").Values {
		if name == "token" || name == "challenge" || len(values[0]) == 43 {
			secrets = append(secrets, values[0])
		}
	}
	for _, secret := range secrets {
		if secret != "" {
			body = strings.ReplaceAll(body, secret, "SECRET")
		}
	}
	return body
}

// Nobody can lock another person out: whoever tries wrong passwords for them, the
// person's own device still gets in, and others by the code that their phone
// gets. And nobody guesses on: a right password isn't told from a wrong one then.
func TestAttackLockout(t *testing.T) {
	t.Parallel() // the guarded tries take 5 seconds each
	s := newStage(t, stageConfig{})
	own := s.browser(t)
	s.clinic.request().loggedIn(t, own, s.alice)
	own.Get(s.url + pathEndSession).Press("submit")

	attacker := s.browser(t)
	page := s.clinic.request().open(t, attacker)
	try := func(password string) *apitest.Page {
		t.Helper()
		p := page.Press("submit", "username", "alice", "password", password)
		if p.To != nil {
			t.Fatalf("the attacker is in: %v", p)
		}
		return p
	}
	for range 5 {
		try("a wrong password")
	}
	wrong := try("a wrong password")
	sent := len(s.phones.codes())
	right := try(alicePassword)
	if normalized(wrong, "alice") != normalized(right, "alice") || wrong.Status != right.Status || !right.Has("code") {
		t.Errorf("a right password is told from a wrong one: %v, %v", wrong, right)
	}
	if len(s.phones.codes()) != sent+1 {
		t.Errorf("%d codes were sent for the right password, want 1", len(s.phones.codes())-sent)
	}
	if p := wrong.Press("submit", "code", s.alice.Code()); p.To != nil {
		t.Errorf("the code of another try lets the attacker in: %v", p)
	}
	if p := right.Press("submit", "code", s.alice.Code()); p.To == nil {
		t.Errorf("who has the phone isn't let in: %v", p)
	}
	s.clinic.request().loggedIn(t, own, s.alice)
}

// A one-time code has five tries, five minutes and one login.
func TestAttackCodeGuessing(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	p := s.clinic.licensed().open(t, b).Press("submit", "username", s.alice.Login, "password", s.alice.Password)
	for !p.Has("code") {
		p = p.Press("send")
	}
	right := s.alice.Code()
	wrong := "000000"
	if right == wrong {
		wrong = "000001"
	}
	for range 5 {
		if q := p.Press("submit", "code", wrong); q.Has("approve") {
			t.Fatal("a wrong code was taken")
		}
	}
	if q := p.Press("submit", "code", right); q.Has("approve") || q.To != nil {
		t.Error("the right code was taken after five wrong ones")
	}

	// A code is of the login for which it was sent.
	thief := s.browser(t)
	q := s.clinic.licensed().open(t, thief).Press("submit", "username", s.bob.Login, "password", s.bob.Password)
	for !q.Has("code") {
		q = q.Press("send")
	}
	stolen := s.bob.Code()
	own := s.browser(t)
	o := s.clinic.licensed().open(t, own).Press("submit", "username", s.bob.Login, "password", s.bob.Password)
	for !o.Has("code") {
		o = o.Press("send")
	}
	if s.bob.Code() == stolen {
		t.Fatal("two logins share one code")
	}
	if got := o.Press("submit", "code", stolen); got.Has("approve") {
		t.Error("another login's code was taken")
	}
}

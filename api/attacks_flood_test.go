package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/storage/memory"
	"yizheng.internal/storage/porttest"
)

// flood sends n requests of four kilobytes and more straight to a node, each twentieth
// of another IPv4 network, and returns how often each status came.
func (s *stage) flood(t *testing.T, n int) map[int]int {
	t.Helper()
	q := s.clinic.request("state", strings.Repeat(`"`, 2048), "nonce", strings.Repeat("n", 512), "login_hint", strings.Repeat("h", 256)).params
	body := q.Encode()
	var mu sync.Mutex
	answers := map[int]int{}
	var all sync.WaitGroup
	const hands = 8
	for hand := range hands {
		all.Go(func() {
			for i := hand; i < n; i += hands {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathAuthorize, strings.NewReader(body))
				r.Header.Set("Content-Type", oauth.FormMedia)
				r.RemoteAddr = fmt.Sprintf("10.%d.%d.7:4000", i/20>>8, i/20&0xff)
				w := httptest.NewRecorder()
				s.nodes[0].handler.ServeHTTP(w, r)
				mu.Lock()
				answers[w.Code]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answers
}

// 6,500 authorization requests of nobody, from 325 networks, each of them as large as can
// be, where there is an eighth of the room that there is by default: who sees a login page goes
// on, and others log in as ever. YIZHENG_SOAK=1 sends 52,000 and gives all the room.
func TestAttackRequestFlood(t *testing.T) {
	t.Parallel()
	c, requests := stageConfig{Ephemeral: func(ephemeral.Store) ephemeral.Store {
		return memory.New(memory.Config{MaxBytes: 32 << 20})
	}}, 6_500
	if os.Getenv("YIZHENG_SOAK") == "1" {
		c, requests = stageConfig{}, 52_000
	}
	newStage(t, c).survives(t, requests)
}

// The same with a Redis, which has no room for all of them.
func TestAttackRequestFloodOnRedis(t *testing.T) {
	t.Parallel()
	redis := startRedis(t, porttest.FreeAddress(t))
	if answer, err := redis.ask("CONFIG SET maxmemory 28mb"); err != nil || answer != "+OK" {
		t.Fatal(answer, err)
	}
	s := newStage(t, stageConfig{Redis: "redis://" + redis.address + "/0"})
	s.survives(t, 14_000)
}

func (s *stage) survives(t *testing.T, requests int) {
	t.Helper()
	early, f := s.browser(t), s.clinic.request()
	page := f.open(t, early)
	known, g := s.browser(t), s.garage.request()
	g.loggedIn(t, known, s.bob)
	answers := s.flood(t, requests)
	// A Redis that has just become full refuses a few, until room is made.
	if refused := answers[http.StatusServiceUnavailable]; answers[http.StatusSeeOther]+refused != requests || refused > requests/100 {
		t.Errorf("the flood was answered %v: it isn't what it is meant to be", answers)
	}
	if p := page.Press("submit", "username", s.alice.Login, "password", s.alice.Password); p.To == nil {
		t.Errorf("who saw the login page before the flood: %v", p)
	} else {
		f.redeem(t, f.code(t, p)).tokens(t)
	}
	s.clinic.licensed().loggedIn(t, s.browser(t), s.alice) // pushed, with two factors and a consent
	s.garage.request().loggedIn(t, known, s.bob)           // with a session that lives
}

// A client that pushes in a loop is told to wait, and when to come again; others push
// and log in as ever.
func TestAttackPushLoop(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{Limits: Limits{PushPerMinute: 1, PushBurst: 50}}) // the default's 6,000 take a while
	var last answer
	for range 60 {
		if last = s.garage.request().push(t); last.StatusCode != http.StatusCreated {
			break
		}
	}
	last.oauthError(t, http.StatusTooManyRequests, "temporarily_unavailable")
	if wait, err := strconv.Atoi(last.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After is %q, want the seconds until one is taken again", last.Header.Get("Retry-After"))
	}
	s.clinic.licensed().loggedIn(t, s.browser(t), s.alice)

	// Large ones count several times.
	taken := 0
	for range 60 {
		if a := s.clinic.request("unknown", strings.Repeat("x", 30<<10)).push(t); a.StatusCode == http.StatusCreated {
			taken++
		}
	}
	if taken < 2 || taken > 5 {
		t.Errorf("%d requests of 30 KiB were taken, want 3", taken)
	}
}

// 400 addresses with wrong passwords, who try again at once: who has logged in here
// before isn't kept out.
func TestAttackPasswordFlood(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	own := s.browser(t)
	s.clinic.request().loggedIn(t, own, s.alice)
	own.Get(s.url + pathEndSession).Press("submit")

	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for n := range 400 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, err := s.nodes[0].people.Factors.CheckPassword(ctx, factor.Attempt{
					Login: fmt.Sprintf("person.%d.%d", n, i), Password: "wrong password", Address: netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 7}), Binding: "b",
				})
				mu.Lock()
				answers[fmt.Sprint(err)]++
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	for range 3 {
		s.clinic.request("prompt", "login").loggedIn(t, own, s.alice)
	}
	stop()
	all.Wait()
	busy := 0
	for text, n := range answers {
		if strings.Contains(text, "Too many people") {
			busy += n
		}
	}
	if busy == 0 {
		t.Errorf("nobody had to wait: this was no flood: %v", answers)
	}
}

// Three thousand wrong verification codes, each from an address of its own, don't keep
// the right one from being answered.
func TestAttackVerificationCodeLockout(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	issued := s.issue(t, "样例编号-查验")
	for i := range 3_000 {
		if _, err := s.library.Verifications.VerifyIdentifier(t.Context(), issued.Identifier, "00000000", limit.Networks(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7}))...); err != nil {
			t.Fatalf("wrong code %d: %v", i, err)
		}
	}
	s.call(t, nil, "POST", "/v1/verify", object{"identifier": issued.Identifier, "verification_code": issued.VerificationCode}).want(t, 200, "")
}

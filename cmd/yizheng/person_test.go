package main_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/storage/porttest"
)

// smsGateway is a gateway on this machine that keeps what it gets.
type smsGateway struct {
	*httptest.Server
	mu       sync.Mutex
	messages []smsMessage
}

type smsMessage struct{ Phone, Text, Code string }

const gatewaySecret = "gateway-secret-of-the-test"

func newSMSGateway(t *testing.T) *smsGateway {
	t.Helper()
	g := &smsGateway{}
	g.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m smsMessage
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || r.Header.Get("Authorization") != "Bearer "+gatewaySecret {
			t.Errorf("the gateway got %v, %v", r.Header, err)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.messages = append(g.messages, m)
	}))
	t.Cleanup(g.Close)
	return g
}

// last returns the newest message.
func (g *smsGateway) last(t *testing.T) smsMessage {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.messages) == 0 {
		t.Fatal("the gateway got nothing")
	}
	return g.messages[len(g.messages)-1]
}

// TestPersonAtTheCounter registers somebody by command, beside a running
// service: they set a password by the link, log in with a code that a real
// gateway got, are given another link, and are disabled.
func TestPersonAtTheCounter(t *testing.T) {
	t.Parallel()
	gateway := newSMSGateway(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"roots.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gateway.Certificate().Raw})), "secret": gatewaySecret + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := porttest.FreeAddress(t)
	s := startServer(t, serverOptions{
		Args: []string{"--listen", address, "--public-url", "http://" + address, "--sms-url", gateway.URL + "/send", "--sms-secret-file", filepath.Join(dir, "secret"), "--sms-private"},
		Env:  []string{"SSL_CERT_FILE=" + filepath.Join(dir, "roots.pem")},
	})

	ticketOf := func(args ...string) (account, ticket string) {
		t.Helper()
		var out struct {
			Account string
			URL     string `json:"setup_url"`
			Ticket  string
			Expires time.Time
		}
		if err := json.Unmarshal([]byte(s.Command(t, args...)), &out); err != nil {
			t.Fatal(err)
		}
		if out.URL != fmt.Sprintf("http://%s/setup#ticket=%s", address, out.Ticket) || time.Until(out.Expires) > 15*time.Minute || time.Until(out.Expires) < 14*time.Minute {
			t.Errorf("printed %+v", out)
		}
		return out.Account, out.Ticket
	}
	setPassword := func(ticket, password string) *apitest.Page {
		t.Helper()
		return apitest.NewBrowser(t).Get("http://"+address+"/setup").Press("submit", "ticket", ticket, "password", password, "repeat", password)
	}
	account, ticket := ticketOf("person", "add", "--name", "王样例", "--code", "990101199001010051", "--login", "yangli", "--phone", "13800138000", "--json")
	if p := setPassword(ticket, "13800138000"); p.Status != 422 || !p.Has("problem") {
		t.Errorf("a password that is the phone: %d %s", p.Status, p.Body)
	}
	const first, second = "四个词 walnut 轮船 27", "四个词 walnut 轮船 28"
	if p := setPassword(ticket, first); p.Status != 200 {
		t.Fatalf("a good one: %d %s", p.Status, p.Body)
	}
	if p := setPassword(ticket, second); p.Status != 422 {
		t.Errorf("the link again: %d", p.Status)
	}

	who := apitest.Person{Login: "138 0013 8000", Password: first, Code: func() string { return gateway.last(t).Code }}
	b := apitest.NewBrowser(t)
	if p := b.Get("http://" + address + "/licenses").LogIn(who); p.Status != 200 || p.URL.Path != "/licenses" {
		t.Fatalf("logged in: %d %s %s", p.Status, p.URL, p.Body)
	}
	if m := gateway.last(t); m.Phone != "+8613800138000" || !strings.Contains(m.Text, m.Code) || len(m.Code) != 6 {
		t.Errorf("the gateway got %+v", m)
	}
	code := gateway.last(t).Code

	_, again := ticketOf("person", "reset", "--json", account)
	if p := setPassword(again, second); p.Status != 200 {
		t.Fatalf("another password: %d %s", p.Status, p.Body)
	}
	if m := gateway.last(t); m.Code != "" || !strings.Contains(m.Text, "已设置新密码") {
		t.Errorf("of another password the owner is told %+v", m)
	}
	if p := apitest.NewBrowser(t).Get("http://"+address+"/sessions").Press("submit", "username", "yangli", "password", first); p.Status != 403 {
		t.Errorf("the old password: %d", p.Status)
	}
	s.Command(t, "person", "disable", account)
	time.Sleep(2500 * time.Millisecond) // what is read of an account serves for 2 s
	if p := b.Get("http://" + address + "/licenses"); !p.Has("username") {
		t.Errorf("disabled, and still in: %d %s", p.Status, p.URL)
	}
	if p := apitest.NewBrowser(t).Get("http://"+address+"/sessions").Press("submit", "username", "yangli", "password", second); p.Status != 403 {
		t.Errorf("disabled, and logs in: %d", p.Status)
	}
	for _, secret := range []string{ticket, again, first, second, "13800138000", "138****8000", "990101199001010051", "王样例", "yangli", gatewaySecret, code} {
		if strings.Contains(s.Log(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

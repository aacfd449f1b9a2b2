package upstream_test

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/upstream"
)

// platform is a ticket platform that checks what it is asked as its own people would.
type platform struct {
	answer string // to the next question
	asked  []upstream.Question
	body   bool // it wants JSON
}

// Ask implements [upstream.Outside].
func (p *platform) Ask(_ context.Context, q upstream.Question) (int, []byte, error) {
	p.asked = append(p.asked, q)
	fields := map[string]string{}
	for _, f := range q.Form {
		fields[f.Name] = f.Value
	}
	if q.JSON != nil {
		if err := json.Unmarshal(q.JSON, &fields); err != nil {
			return 0, nil, err
		}
	}
	h := hmac.New(sm3.New, []byte(secret))
	_, _ = fmt.Fprintf(h, "appid=%s&ticket=%s&time=%s", fields["appid"], fields["ticket"], fields["time"])
	at, err := strconv.ParseInt(fields["time"], 10, 64)
	switch {
	case fields["sign"] != hex.EncodeToString(h.Sum(nil)):
		return 200, []byte(`{"code":"1001"}`), nil
	case err != nil || time.Since(time.UnixMilli(at)).Abs() > time.Minute || len(fields["nonce"]) != 32 || fields["appid"] != "yz" || p.body != (q.JSON != nil):
		return 200, []byte(`{"code":"1002"}`), nil
	}
	return 200, []byte(p.answer), nil
}

const ticketConfig = `{"providers": [{
	"id": "national", "title": {"zh-CN": "国家政务服务平台（样例）"}, "max_level": 3,
	"levels": {"claim": "data.user.level", "values": {"3": {"proofing": 3, "strength": 2}}, "default": {"proofing": 1, "strength": 1}},
	"ticket": {
		"login_url": "https://national.example/login?x=1", "login_params": {"appid": "yz"}, "fresh_params": {"renew": "true"}, "return_param": "goto", "ticket_param": "ticket",
		"exchange_url": "https://national.example/api/user", "params": {"appid": "yz"}, "time_name": "time", "time_form": "unix_ms", "nonce_name": "nonce",
		"signature": {"kind": "hmac-sm3", "key_file": "secret", "order": ["appid", "ticket", "time"], "join": "&", "named": true},
		"success": "code", "success_is": "0",
		"answer": {"subject": "data.user.id", "name": "data.user.name", "code": "data.user.number", "phone": "data.user.phone", "auth_time": "data.at"}
	}
}]}`

func goodAnswer(level int) string {
	return fmt.Sprintf(`{"code":0,"data":{"at":%d,"user":{"id":"n-1","name":"张小䶮","number":"%s","level":%d}},"more":[1]}`, time.Now().Unix(), identitytest.ZhangCode.Value, level)
}

func newPlatform(t testing.TB, change func(p *upstream.Provider)) (*world, *platform) {
	t.Helper()
	all, err := upstream.ReadProviders([]byte(ticketConfig), files())
	if err != nil {
		t.Fatal(err)
	}
	change(&all[0])
	p := &platform{answer: goodAnswer(3)}
	return worldOf(t, newOP(t), all, func(*upstream.Provider) (upstream.Outside, error) { return p, nil }), p
}

func ticketStart() upstream.Start {
	s := start()
	s.Provider = "national"
	return s
}

// brought returns what a browser brings back from the platform, with the state in the address or a parameter of it.
func brought(t testing.TB, b begun, stateParam, ticket string) upstream.Return {
	t.Helper()
	state := b.to.Query().Get(stateParam)
	if stateParam == "" {
		back := b.to.Query().Get("goto")
		path, query, _ := strings.Cut(back, "?state=")
		if path != "https://id.example/login/upstream/national" {
			t.Errorf("it sends people back to %s", back)
		}
		state, stateParam = query, "state"
	}
	return upstream.Return{Provider: "national", Browser: "browser", RequestID: "r", Answer: map[string]string{stateParam: state, "ticket": ticket}}
}

// Somebody comes back with a ticket, which is exchanged, signed, once.
func TestTicket(t *testing.T) {
	for name, change := range map[string]func(p *upstream.Provider){
		"form, state in the address": func(*upstream.Provider) {},
		"JSON, state as a parameter": func(p *upstream.Provider) { p.Ticket.Body, p.Ticket.StateParam = "json", "relay" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var param string
				w, p := newPlatform(t, func(p *upstream.Provider) { change(p); param = p.Ticket.StateParam })
				p.body = param != ""
				zhang := w.Zhang(t)
				b := w.begin(t, ticketStart())
				if q := b.to.Query(); q.Get("x") != "1" || q.Get("appid") != "yz" || q.Has("renew") {
					t.Errorf("it asks %v", q)
				}
				r := brought(t, b, param, "T-1")
				if request, err := w.Request(t.Context(), r); err != nil || request != "request" {
					t.Errorf("it belongs to %q, %v", request, err)
				}
				got, err := w.Finish(t.Context(), r, "zh-CN")
				identitytest.IsReason(t, "finishing", err, "")
				if got.Account.ID != zhang.ID || got.Proof.Factor != factor.Upstream || got.Proof.Strength != 2 {
					t.Errorf("%v", got.Proof)
				}
				asked := len(p.asked)
				_, err = w.Finish(t.Context(), brought(t, w.begin(t, ticketStart()), param, "T-1"), "zh-CN")
				identitytest.IsReason(t, "the ticket again, with another state", err, string(upstream.ReasonStale))
				if len(p.asked) != asked {
					t.Error("a ticket was sent twice")
				}
			})
		})
	}
}

// What a platform may answer, and what comes of it.
func TestTicketAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		reason identity.Reason
	}{
		"it refuses":                {`{"code":7}`, upstream.ReasonDenied},
		"nothing":                   {`{}`, upstream.ReasonDenied},
		"a list":                    {`[]`, upstream.ReasonDenied},
		"no JSON":                   {`hello`, upstream.ReasonWrong},
		"a member twice":            {`{"code":1,"code":0,"data":{"user":{"id":"x"}}}`, upstream.ReasonWrong},
		"nobody":                    {`{"code":"0","data":{"user":{}}}`, upstream.ReasonWrong},
		"somebody who is an object": {`{"code":"0","data":{"user":{"id":{"a":1}}}}`, upstream.ReasonWrong},
		"true":                      {`{"code":"0","data":{"user":{"id":true}}}`, upstream.ReasonWrong},
		"a login in the future":     {`{"code":0,"data":{"at":4102444800,"user":{"id":"n-1","level":3}}}`, upstream.ReasonWrong},
		"a number that isn't one":   {`{"code":0,"data":{"user":{"id":"n-1","level":3,"name":"x","number":"1"}}}`, upstream.ReasonWrong},
		"somebody":                  {`{"code":0,"data":{"user":{"id":17,"level":9}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, p := newPlatform(t, func(*upstream.Provider) {})
				w.Zhang(t)
				p.answer = tt.answer
				got, err := w.Finish(t.Context(), brought(t, w.begin(t, ticketStart()), "", "T-1"), "zh-CN")
				identitytest.IsReason(t, "it", err, string(tt.reason))
				if tt.reason == "" && (got.Unlinked == nil || got.Unlinked.Subject != "17" || got.Unlinked.Level.Proofing != 1) {
					t.Errorf("%+v", got.Unlinked)
				}
			})
		})
	}
}

// A platform that can't promise a new login isn't asked for one, nor offered.
func TestTicketFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, can := range []bool{true, false} {
			w, p := newPlatform(t, func(p *upstream.Provider) {
				if !can {
					p.Ticket.FreshParams = nil
				}
			})
			w.Zhang(t)
			s := ticketStart()
			s.Anew = true
			time.Sleep(2 * time.Minute) // since the login that it tells of
			if all := w.Offered("en", true); (len(all) == 1) != can || len(w.Offered("en", false)) != 1 {
				t.Errorf("offered: %v", all)
			}
			to, err := w.Begin(t.Context(), s)
			if !can {
				identitytest.IsReason(t, "beginning", err, string(upstream.ReasonOld))
				continue
			}
			identitytest.IsReason(t, "beginning", err, "")
			if q := stateOf(t, to).to.Query(); q.Get("renew") != "true" {
				t.Errorf("it asks %v", q)
			}
			_, err = w.Finish(t.Context(), brought(t, stateOf(t, to), "", "T-1"), "zh-CN")
			identitytest.IsReason(t, "an old login", err, string(upstream.ReasonOld))
			b := w.begin(t, s)
			p.answer = goodAnswer(3)
			_, err = w.Finish(t.Context(), brought(t, b, "", "T-2"), "zh-CN")
			identitytest.IsReason(t, "a new one", err, "")
		}
	})
}

// The signatures that platforms ask for; OpenSSL 3 computed the sums (dgst -sm3, -sha256, -hmac).
func TestSignatures(t *testing.T) {
	for _, tt := range []struct {
		kind, form, join string
		named            bool
		want             string
	}{
		{"sm3", "hex", "&", true, "bbe5b4dc6ea219bf8357877a4123eff9b22ef971e748538a0a750bf8a013f85f"},
		{"sm3", "HEX", "", false, "FE7CE7C1CC465DA6B522B8C0D037B67CB24601EECA9DFDC12E7B2BC77D6D5200"},
		{"hmac-sha256", "base64", "&", true, "fcedfRrjTt1nQiHtgc4sXxMyhjY/pmWYMeowLW/ZX9s="},
		{"hmac-sm3", "hex", "&", true, "85c552b120824d3f3412cf46db77db7a10734b65002c121f812806a5ab815dc1"},
	} {
		w, p := newPlatform(t, func(p *upstream.Provider) {
			g := &p.Ticket.Signature
			g.Kind, g.Form, g.Join, g.Named, g.Order = tt.kind, tt.form, tt.join, tt.named, []string{"appid", "ticket"}
		})
		_, err := w.Finish(t.Context(), brought(t, w.begin(t, ticketStart()), "", "T-1"), "zh-CN")
		identitytest.IsReason(t, "the platform knows another signature", err, string(upstream.ReasonDenied))
		for _, f := range p.asked[0].Form {
			if f.Name == "sign" && f.Value != tt.want {
				t.Errorf("%s: %s, want %s", tt.kind, f.Value, tt.want)
			}
		}
	}
}

// What may be wrong with the file, and who is told where.
func TestReadProviders(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{`"id": "jiangbei"`, `"id": "Jiang"`, `provider "Jiang": id:`},
		{`"max_level": 2`, `"max_level": 4`, `provider "jiangbei": max_level:`},
		{`"max_level": 2`, `"max_level": 2, "kind": "openid"`, `/providers/0/kind: unknown_member; there are id, title, max_level, levels,`},
		{`"client_id": "yizheng"`, `"client_id": "yizheng", "pkce": true`, `there are issuer, client_id,`},
		{`"proofing": 1, "strength": 1`, `"proofing": 1, "strength": 1, "acr": 1`, `there are proofing, strength`},
		{`"proofing": 2, "strength": 2}}`, `"proofing": 3, "strength": 2}}`, `levels.values.level3`},
		{`"proofing": 1, "strength": 1`, `"proofing": 1`, `levels.values.level1: strength is missing`},
		{`"issuer": "https://login`, `"issuer": "http://login`, `openid.issuer`},
		{`"client_id": "yizheng"`, `"client_id": ""`, `openid.client_id`},
		{`"client_secret_file": "secret"`, `"client_secret_file": "other"`, `openid.client_secret_file: there is no such file`},
		{`"client_secret_file": "secret"`, `"client_secret_file": "secret", "algorithms": ["HS256"]`, `openid.algorithms`},
		{`"client_secret_file": "secret"`, `"client_secret_file": "secret", "algorithms": ["none"]`, `openid.algorithms`},
		{`"client_secret_file": "secret"`, `"client_secret_file": "secret", "scopes": ["profile"]`, `openid.scopes`},
		{`"client_secret_file": "secret"`, `"client_secret_file": "secret", "client_auth": "none"`, `openid.client_auth`},
		{`{"ID": "111"}`, `{"ID": "001"}`, `code_types.ID`},
		{`"zh-CN": "江北省统一身份认证"`, `"fr": "x"`, `title`},
		{`"openid": {`, `"ticket": {}, "openid": {`, `openid, ticket`},
		{`{"providers": [`, `{"providers": [], "providers": [`, `provider`},
		{`"create": false`, `"create": false, "ca_file": "secret"`, `ca_file: it has no certificate`},
	} {
		text := strings.Replace(config, tt.from, tt.to, 1)
		if text == config {
			t.Fatalf("%s isn't there", tt.from)
		}
		if _, err := upstream.ReadProviders([]byte(text), files()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.to, err)
		}
	}
	for _, tt := range []struct{ from, to, want string }{
		{`"return_param": "goto"`, `"return_param": ""`, `ticket.return_param`},
		{`"ticket_param": "ticket"`, `"ticket_param": "state"`, `ticket.ticket_param`},
		{`"kind": "hmac-sm3"`, `"kind": "md5"`, `ticket.signature.kind`},
		{`"order": ["appid", "ticket", "time"]`, `"order": ["appid", "time"]`, `ticket.signature.order: the ticket`},
		{`"order": ["appid", "ticket", "time"]`, `"order": ["ticket", "user"]`, `no field "user"`},
		{`"exchange_url": "https://`, `"exchange_url": "ftp://`, `ticket.exchange_url`},
		{`"time_form": "unix_ms"`, `"time_form": "iso"`, `ticket.time_form`},
		{`"success_is": "0",`, ``, `ticket.success`},
		{`"login_params": {`, `"login_params": {"goto": "x", `, `ticket.login_params`},
		{`"params": {"appid": "yz"}`, `"params": {"appid": "yz", "ticket": "x"}`, `ticket.params`},
		{`"subject": "data.user.id", `, ``, `ticket.answer`},
		{`"max_level": 3`, `"max_level": 2`, `levels.values.3`},
	} {
		text := strings.Replace(ticketConfig, tt.from, tt.to, 1)
		if _, err := upstream.ReadProviders([]byte(text), files()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.to, err)
		}
	}
	two := strings.Replace(config, `]}`, `, `+strings.TrimSuffix(strings.TrimPrefix(config, `{"providers": [`), `]}`)+`]}`, 1)
	if _, err := upstream.ReadProviders([]byte(two), files()); err == nil {
		t.Error("one provider twice is read")
	}
}

// FuzzTicket: whatever a platform answers, it is refused with a reason, or leads to the person.
func FuzzTicket(f *testing.F) {
	f.Add([]byte(goodAnswer(3)))
	f.Add([]byte(`{"code":0,"data":{"user":{"id":"\ud800"}}}`))
	f.Add([]byte(`{"code":0,"data":{"at":1e400,"user":{"id":1e400,"level":3}}}`))
	w, p := newPlatform(f, func(*upstream.Provider) {})
	zhang := w.Zhang(f)
	f.Fuzz(func(t *testing.T, answer []byte) {
		p.answer = string(answer)
		got, err := w.Finish(t.Context(), brought(t, w.begin(t, ticketStart()), "", identity.NewID()), "zh-CN")
		if e, ok := errors.AsType[*identity.Error](err); err != nil && (!ok || !strings.HasPrefix(string(e.Reason), "upstream_")) {
			t.Errorf("%v", err)
		}
		if err == nil && got.Account.ID != zhang.ID && got.Unlinked == nil {
			t.Error("it leads to somebody else")
		}
	})
}

// FuzzProviders: no file makes the reader fail otherwise than with an error.
func FuzzProviders(f *testing.F) {
	f.Add([]byte(config))
	f.Add([]byte(ticketConfig))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := upstream.ReadProviders(text, files())
		if err == nil && len(all) == 0 {
			t.Error("no providers are no error")
		}
	})
}

// The guides' example is one that is read.
func TestGuides(t *testing.T) {
	for _, name := range []string{"../../../docs/operating.md", "../../../docs/zh/operating.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, example, ok := strings.Cut(string(text), "```json\n{\"providers\": [")
		example, _, end := strings.Cut(example, "```")
		read := func(string) ([]byte, error) { return []byte(secret), nil }
		all, err := upstream.ReadProviders([]byte(`{"providers": [`+example), upstream.Files{Secret: read, Public: read})
		if !ok || !end || err != nil || len(all) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package upstream_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/signing/jose"
)

// Somebody comes from the provider, and is asked for there as OpenID Connect and PKCE demand it.
func TestLogIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		zhang := w.Zhang(t)
		b := w.begin(t, start())
		q := b.to.Query()
		for name, want := range map[string]string{
			"tenant": "1", "response_type": "code", "client_id": clientID, "redirect_uri": "https://id.example/login/upstream/jiangbei", "scope": "openid profile",
			"code_challenge_method": "S256", "ui_locales": "zh-CN", "prompt": "", "max_age": "",
		} {
			if q.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, q.Get(name), want)
			}
		}
		request, err := w.Request(t.Context(), b.back(""))
		if err != nil || request != "request" {
			t.Errorf("it belongs to %q, %v", request, err)
		}
		got, err := w.Finish(t.Context(), b.back("code"), "zh-CN")
		identitytest.IsReason(t, "finishing", err, "")
		if got.Account.ID != zhang.ID || got.Proof.Factor != factor.Upstream || got.Proof.Strength != 2 || got.Proof.At != time.Now().Unix() {
			t.Errorf("it led to %s with %v", got.Account.ID, got.Proof)
		}
		i := slices.IndexFunc(w.op.asked, func(q upstream.Question) bool { return strings.HasSuffix(q.URL, "/token") })
		asked := w.op.asked[i]
		form := map[string]string{}
		for _, f := range asked.Form {
			form[f.Name] = f.Value
		}
		sum := sha256.Sum256([]byte(form["code_verifier"]))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") || form["redirect_uri"] != q.Get("redirect_uri") || form["code"] != "code" ||
			asked.User != clientID || asked.Password != "a-secret%2Fof%2Bmany%3Dcharacters" {
			t.Errorf("it asks %+v", asked)
		}
		if told := w.SMS.Last(t); told.Kind != "authenticator_added" || !strings.Contains(told.Text, "江北省统一身份认证") {
			t.Errorf("the owner was told %+v", told)
		}
		before := w.SMS.Count()
		again, err := w.login(t)
		if err != nil || again.Account.ID != zhang.ID || w.SMS.Count() != before || w.op.count("/keys") != 1 {
			t.Errorf("the second time: %v, %d messages, keys were read %d times", err, w.SMS.Count()-before, w.op.count("/keys"))
		}
	})
}

// What a provider may claim, and what the answer is.
func TestLies(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, v any) func(o *op, now int64) { return func(o *op, _ int64) { o.claims[name] = v } }
	for name, tt := range map[string]struct {
		lie    func(o *op, now int64)
		reason identity.Reason
	}{
		"another issuer":                 {claim("iss", "https://evil.example"), upstream.ReasonWrong},
		"no issuer":                      {claim("iss", nil), upstream.ReasonWrong},
		"another audience":               {claim("aud", "other"), upstream.ReasonWrong},
		"several audiences":              {claim("aud", []string{clientID, "other"}), upstream.ReasonWrong},
		"several audiences, for us":      {func(o *op, _ int64) { o.claims["aud"], o.claims["azp"] = []string{clientID, "other"}, clientID }, ""},
		"made for another":               {claim("azp", "other"), upstream.ReasonWrong},
		"another nonce":                  {claim("nonce", "x"), upstream.ReasonWrong},
		"no nonce":                       {claim("nonce", nil), upstream.ReasonWrong},
		"no subject":                     {claim("sub", nil), upstream.ReasonWrong},
		"an endless subject":             {claim("sub", strings.Repeat("x", 256)), upstream.ReasonWrong},
		"expired":                        {func(o *op, now int64) { o.claims["exp"] = now - 61 }, upstream.ReasonWrong},
		"just expired":                   {func(o *op, now int64) { o.claims["exp"] = now - 59 }, ""},
		"never expires":                  {claim("exp", nil), upstream.ReasonWrong},
		"expires in words":               {claim("exp", "tomorrow"), upstream.ReasonWrong},
		"made in the future":             {func(o *op, now int64) { o.claims["iat"] = now + 61 }, upstream.ReasonWrong},
		"made long ago":                  {func(o *op, now int64) { o.claims["iat"] = now - 601 }, upstream.ReasonWrong},
		"made at no time":                {claim("iat", nil), upstream.ReasonWrong},
		"not good yet":                   {func(o *op, now int64) { o.claims["nbf"] = now + 61 }, upstream.ReasonWrong},
		"a login in the future":          {func(o *op, now int64) { o.claims["auth_time"] = now + 61 }, upstream.ReasonWrong},
		"another access token":           {claim("at_hash", "x"), upstream.ReasonWrong},
		"the algorithm none":             {func(o *op, _ int64) { o.header["alg"] = "none"; o.sign = func(string) []byte { return nil } }, upstream.ReasonWrong},
		"HS256 with the public key":      {func(o *op, _ int64) { o.header["alg"] = "HS256"; o.sign = hs256(der) }, upstream.ReasonWrong},
		"HS256 with the client's secret": {func(o *op, _ int64) { o.header["alg"] = "HS256"; o.sign = hs256([]byte(secret)) }, upstream.ReasonWrong},
		"RS256 in the header, ES256 key": {func(o *op, _ int64) { o.header["alg"] = "RS256" }, upstream.ReasonWrong},
		"another key of that name":       {func(o *op, _ int64) { o.sign = func(text string) []byte { return sign(other, text) } }, upstream.ReasonWrong},
		"a key in the header": {func(o *op, _ int64) {
			o.header["jwk"], o.sign = keyOf(other.Public(), "k1"), func(text string) []byte { return sign(other, text) }
		}, upstream.ReasonWrong},
		"an unknown key":                 {func(o *op, _ int64) { o.header["kid"] = "k9" }, upstream.ReasonWrong},
		"two keys of one name":           {func(o *op, _ int64) { o.keys = []jose.Key{keyOf(o.key.Public(), "k1"), keyOf(other.Public(), "k1")} }, upstream.ReasonWrong},
		"a key for encryption":           {func(o *op, _ int64) { k := keyOf(o.key.Public(), "k1"); k.Use = "enc"; o.keys = []jose.Key{k} }, upstream.ReasonWrong},
		"no keys":                        {func(o *op, _ int64) { o.keys = []jose.Key{} }, upstream.ReasonWrong},
		"endless keys":                   {func(o *op, _ int64) { o.keys = make([]jose.Key, 101) }, upstream.ReasonWrong},
		"a critical extension":           {func(o *op, _ int64) { o.header["crit"] = []string{"b64"} }, upstream.ReasonWrong},
		"a logout token":                 {func(o *op, _ int64) { o.header["typ"] = "logout+jwt" }, upstream.ReasonWrong},
		"an access token":                {func(o *op, _ int64) { o.header["typ"] = "at+jwt" }, upstream.ReasonWrong},
		"a level that isn't mapped":      {claim("acr", "level9"), upstream.ReasonLow},
		"no level":                       {claim("acr", nil), upstream.ReasonLow},
		"a level as a list":              {claim("acr", []string{"level2"}), upstream.ReasonLow},
		"a number that can't be one":     {claim("id_number", "990101199001010036"), upstream.ReasonWrong},
		"an organization's code":         {func(o *op, _ int64) { o.claims["id_type"], o.claims["id_number"] = "001", "11990000000000000D" }, upstream.ReasonWrong},
		"a number without a name":        {claim("name", nil), upstream.ReasonWrong},
		"it refuses the code":            {func(o *op, _ int64) { o.status = 400 }, upstream.ReasonWrong},
		"it is down":                     {func(o *op, _ int64) { o.status = 503 }, upstream.ReasonAway},
		"it doesn't answer":              {func(o *op, _ int64) { o.fails = func(q upstream.Question) error { return errors.New("no route") } }, upstream.ReasonAway},
		"another issuer in its document": {func(o *op, _ int64) { o.meta["issuer"] = "https://evil.example" }, upstream.ReasonWrong},
		"keys of another scheme":         {func(o *op, _ int64) { o.meta["jwks_uri"] = "http://login.jiangbei.example/keys" }, upstream.ReasonWrong},
		"keys in a file":                 {func(o *op, _ int64) { o.meta["jwks_uri"] = "file:///etc/passwd" }, upstream.ReasonWrong},
		"a document that is a list":      {func(o *op, _ int64) { o.body = only("/.well-known/openid-configuration", "[]") }, upstream.ReasonWrong},
		"a document with a member twice": {func(o *op, _ int64) {
			o.body = only("/.well-known/openid-configuration", `{"issuer":"a","issuer":"b"}`)
		}, upstream.ReasonWrong},
		"tokens that are no JSON": {func(o *op, _ int64) { o.body = only("/token", "hello") }, upstream.ReasonWrong},
		"no ID token":             {func(o *op, _ int64) { o.body = only("/token", `{"access_token":"x","token_type":"Bearer"}`) }, upstream.ReasonWrong},
		"a token of another type": {func(o *op, _ int64) {
			o.body = only("/token", `{"id_token":"a.b.c","access_token":"x","token_type":"mac"}`)
		}, upstream.ReasonWrong},
		"an ID token of four parts": {func(o *op, _ int64) { o.body = only("/token", `{"id_token":"a.b.c.d"}`) }, upstream.ReasonWrong},
		"an ID token of null": {func(o *op, _ int64) {
			o.body = only("/token", `{"id_token":"`+segment(map[string]string{"alg": "ES256"})+`.bnVsbA.x"}`)
		}, upstream.ReasonWrong},
		"all is well, and it says so oddly": {func(o *op, _ int64) { o.header["typ"], o.header["x5t"] = "jwt", "x"; o.claims["id_type"] = "ID" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.Zhang(t)
				if now := time.Now().Unix(); true {
					tt.lie(w.op, now)
				}
				to, err := w.Begin(t.Context(), start())
				if err == nil {
					b := stateOf(t, to)
					w.op.nonce = b.to.Query().Get("nonce")
					var got upstream.Arrival
					got, err = w.Finish(t.Context(), b.back("code"), "zh-CN")
					if tt.reason != "" && got.Account.ID != "" {
						t.Error("an account came back beside the refusal")
					}
				}
				identitytest.IsReason(t, "it", err, string(tt.reason))
			})
		})
	}
}

func only(path, body string) func(string) []byte {
	return func(p string) []byte {
		if p == path {
			return []byte(body)
		}
		return nil
	}
}

// All algorithms that are believed work, and those alone that the operator named.
func TestAlgorithms(t *testing.T) {
	rs := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		sig, _ := rsa.SignPKCS1v15(rand.Reader, rsaKey(), crypto.SHA256, sum[:])
		return sig
	}
	ps := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		sig, _ := rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		return sig
	}
	for _, tt := range []struct {
		alg, jwk string
		sign     func(string) []byte
		accepted []jose.Algorithm
		reason   identity.Reason
	}{
		{"RS256", "", rs, nil, ""},
		{"PS256", "", ps, nil, ""},
		{"PS256", "PS256", ps, nil, ""},
		{"RS256", "PS256", rs, nil, upstream.ReasonWrong}, // the key is for another algorithm
		{"PS256", "", rs, nil, upstream.ReasonWrong},
		{"RS256", "", rs, []jose.Algorithm{jose.ES256, jose.PS256}, upstream.ReasonWrong},
	} {
		w := newWorld(t, func(p *upstream.Provider) {
			if tt.accepted != nil {
				p.OpenID.Algorithms = tt.accepted
			}
		})
		w.Zhang(t)
		k := keyOf(rsaKey().Public(), "k1")
		k.Algorithm = tt.jwk
		w.op.keys, w.op.header["alg"], w.op.sign = []jose.Key{k}, tt.alg, tt.sign
		_, err := w.login(t)
		identitytest.IsReason(t, fmt.Sprint(tt.alg, " with a key of ", tt.jwk), err, string(tt.reason))
	}
}

// A state, a code and a browser: each is good once, and for one login.
func TestReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.Zhang(t)
		finish := func(what string, r upstream.Return, reason identity.Reason) {
			t.Helper()
			_, err := w.Finish(t.Context(), r, "zh-CN")
			identitytest.IsReason(t, what, err, string(reason))
		}
		b := w.begin(t, start())
		for what, change := range map[string]func(r *upstream.Return){
			"another browser":  func(r *upstream.Return) { r.Browser = "other" },
			"no browser":       func(r *upstream.Return) { r.Browser = "" },
			"another provider": func(r *upstream.Return) { r.Provider = "other" },
			"no state":         func(r *upstream.Return) { delete(r.Answer, "state") },
			"another state":    func(r *upstream.Return) { r.Answer["state"] = strings.Repeat("x", 43) },
		} {
			r := b.back("stolen")
			change(&r)
			finish(what, r, upstream.ReasonStale)
			if _, err := w.Request(t.Context(), r); err == nil {
				t.Errorf("%s: it belongs to a request", what)
			}
		}
		finish("the right one", b.back("code"), "")
		finish("the same again", b.back("code"), upstream.ReasonStale)
		finish("the state again, with another code", b.back("code2"), upstream.ReasonStale)
		finish("the code again, with another state", w.begin(t, start()).back("code"), upstream.ReasonStale)

		late := w.begin(t, start())
		time.Sleep(upstream.Life)
		finish("ten minutes later", late.back("code3"), upstream.ReasonStale)
		finish("without a code", w.begin(t, start()).back(""), upstream.ReasonWrong)
		finish("with an endless code", w.begin(t, start()).back(strings.Repeat("x", 5000)), upstream.ReasonWrong)
		w.spent.err = errors.New("the database is away")
		finish("while nothing can be spent", w.begin(t, start()).back("code4"), "unavailable")
	})
}

// Of many browsers that come back with one state at once, one is let in.
func TestRace(t *testing.T) {
	w := newWorld(t, nil)
	w.Zhang(t)
	b := w.begin(t, start())
	var wait sync.WaitGroup
	var mu sync.Mutex
	in := 0
	for i := range 16 {
		wait.Go(func() {
			_, err := w.Finish(t.Context(), b.back("code"+strconv.Itoa(i)), "zh-CN")
			if err != nil {
				identitytest.IsReason(t, "the others", err, string(upstream.ReasonStale))
				return
			}
			mu.Lock()
			in++
			mu.Unlock()
		})
	}
	wait.Wait()
	if in != 1 {
		t.Errorf("%d were let in", in)
	}
}

// Issuers can't be mixed up (RFC 9207): whoever leads a browser to another's address finds no login there, and
// who says that the answer is another's isn't believed.
func TestIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			says   bool
			iss    string
			reason identity.Reason
		}{
			{false, "", ""}, {false, issuer, ""}, {false, "https://evil.example", upstream.ReasonWrong},
			{true, "", upstream.ReasonWrong}, {true, issuer, ""}, {true, issuer + "/", upstream.ReasonWrong},
		} {
			w := newWorld(t, nil)
			w.Zhang(t)
			w.op.meta["authorization_response_iss_parameter_supported"] = tt.says
			r := w.begin(t, start()).back("code")
			if tt.iss != "" {
				r.Answer["iss"] = tt.iss
			}
			_, err := w.Finish(t.Context(), r, "zh-CN")
			identitytest.IsReason(t, fmt.Sprint(tt.says, " ", tt.iss), err, string(tt.reason))
			if exchanged := w.op.count("/token") > 0; exchanged != (tt.reason == "") {
				t.Errorf("%v %q: the code was sent: %v", tt.says, tt.iss, exchanged)
			}
		}
		w := newWorld(t, nil)
		r := w.begin(t, start()).back("code")
		r.Answer["error"] = "access_denied"
		_, err := w.Finish(t.Context(), r, "zh-CN")
		identitytest.IsReason(t, "an error", err, string(upstream.ReasonDenied))
	})
}

// An attack (RFC 9700 section 4.4): a browser is led to one provider, and comes back at another's address with the
// state and code of the first.
func TestMixUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, err := upstream.ReadProviders([]byte(config), files())
		if err != nil {
			t.Fatal(err)
		}
		second := all[0]
		of := *second.OpenID
		second.ID, second.OpenID = "evil", &of
		of.Issuer = "https://evil.example"
		o, asked := newOP(t), 0
		w := worldOf(t, o, append(all, second), func(p *upstream.Provider) (upstream.Outside, error) {
			if p.ID == "evil" {
				return counting{&asked}, nil
			}
			return o, nil
		})
		w.Zhang(t)
		r := w.begin(t, start()).back("code")
		r.Provider = "evil"
		_, err = w.Finish(t.Context(), r, "zh-CN")
		identitytest.IsReason(t, "at another's address", err, string(upstream.ReasonStale))
		if asked != 0 {
			t.Error("the code of one provider went to another")
		}
	})
}

// prompt=login and max_age go to the provider, and what it says of when they logged in must fit.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.Zhang(t)
		hour := int64(3600)
		for _, tt := range []struct {
			anew   bool
			maxAge *int64
			age    int64 // seconds; -1: not said
			reason identity.Reason
		}{
			{false, nil, 86400, ""}, {false, nil, -1, ""},
			{true, nil, 0, ""}, {true, nil, 59, ""}, {true, nil, 62, upstream.ReasonOld}, {true, nil, -1, upstream.ReasonOld},
			{false, &hour, 3600, ""}, {false, &hour, 3662, upstream.ReasonOld}, {false, &hour, -1, upstream.ReasonOld},
			{false, new(int64), 62, upstream.ReasonOld},
		} {
			s := start()
			s.Anew, s.MaxAge = tt.anew, tt.maxAge
			b := w.begin(t, s)
			if q := b.to.Query(); (q.Get("prompt") == "login") != tt.anew || (tt.maxAge != nil) != q.Has("max_age") || tt.maxAge != nil && q.Get("max_age") != strconv.FormatInt(*tt.maxAge, 10) {
				t.Errorf("it asks %v", q)
			}
			w.op.claims["auth_time"] = time.Now().Unix() - tt.age
			if tt.age < 0 {
				w.op.claims["auth_time"] = nil
			}
			time.Sleep(3 * time.Minute) // which people take; it doesn't count
			_, err := w.Finish(t.Context(), b.back(identity.NewID()), "zh-CN")
			identitytest.IsReason(t, fmt.Sprint(tt.anew, tt.maxAge, tt.age), err, string(tt.reason))
		}
	})
}

// The level that counts is never above what the operator mapped.
func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(p *upstream.Provider) {
			p.Levels.Values["level3"] = upstream.Level{Proofing: 3, Strength: 3} // no file says that
			p.MaxLevel, p.Create = 2, true
		})
		w.op.claims["acr"] = "level3"
		got, err := w.login(t)
		if err != nil || got.Proof.Strength != 2 || got.Account.Proofing.Level != 2 {
			t.Errorf("strength %d, level %d, %v", got.Proof.Strength, got.Account.Proofing.Level, err)
		}
		w.op.claims["acr"] = "level1" // linked by now
		if got, err = w.login(t); err != nil || got.Proof.Strength != 1 {
			t.Errorf("strength %d of a lower level, %v", got.Proof.Strength, err)
		}
	})
}

// FuzzAnswers: whatever a provider answers, it is refused with one of the reasons, or leads to the person.
func FuzzAnswers(f *testing.F) {
	f.Add("/token", []byte(`{"id_token":"a.b.c","access_token":"x","token_type":"Bearer"}`))
	f.Add("/keys", []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AA"},1]}`))
	f.Add("/.well-known/openid-configuration", []byte(`{"issuer":"`+issuer+`","jwks_uri":"`+issuer+`/keys"}`))
	header, _ := json.Marshal(map[string]string{"alg": "ES256", "kid": "k1"})
	f.Add("/token", []byte(`{"id_token":"`+base64.RawURLEncoding.EncodeToString(header)+`.e30.AA"}`))
	w := newWorld(f, nil)
	zhang := w.Zhang(f)
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		w.op.body = only(path, string(body))
		all, _ := upstream.ReadProviders([]byte(config), files())
		w.Service = w.service(t, all, func(*upstream.Provider) (upstream.Outside, error) { return w.op, nil })
		to, err := w.Begin(t.Context(), start())
		var got upstream.Arrival
		if err == nil {
			b := stateOf(t, to)
			w.op.nonce = b.to.Query().Get("nonce")
			got, err = w.Finish(t.Context(), b.back(identity.NewID()), "zh-CN")
		}
		if e, ok := errors.AsType[*identity.Error](err); err != nil && (!ok || !strings.HasPrefix(string(e.Reason), "upstream_")) {
			t.Errorf("%v", err)
		}
		if err == nil && got.Account.ID != zhang.ID && got.Unlinked == nil {
			t.Error("it leads to somebody else")
		}
	})
}

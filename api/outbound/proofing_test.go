package outbound

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

var sampleClaim = identity.Claim{Name: "张小䶮", Code: party.Code{Type: party.Citizen, Value: "990101199001010035"}, Phone: "+8613800138000"}

func TestProofing(t *testing.T) {
	t.Parallel()
	status, answer := http.StatusOK, ""
	_, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var got map[string]string
		if err != nil || json.Unmarshal(body, &got) != nil || len(got) != 4 || got["name"] != "张小䶮" || got["code_type"] != string(party.Citizen) ||
			got["code"] != "990101199001010035" || got["phone"] != "+8613800138000" {
			t.Errorf("asked %s, %v", body, err)
		}
		if r.Method != "POST" || r.Header.Get("Authorization") != "Bearer s3cret.of-the-gateway" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request is %s %v", r.Method, r.Header)
		}
		if status != http.StatusOK {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})
	p, err := NewProofing(ProofingConfig{HookConfig: c, Source: "样例运营商", Most: 2})
	mustOf(t)(err)
	for _, test := range []struct {
		status int
		answer string
		level  int // 0: refused
		phone  bool
		wrong  string
	}{
		{200, `{"matched":true,"level":2,"method":"telecom","phone_matched":true}`, 2, true, ""},
		{200, `{"matched":true,"level":3,"method":"face","phone_matched":true,"trace":"x"}`, 2, true, ""},
		{200, `{"matched":true,"level":1,"method":"register_match"}`, 1, false, ""},
		{200, `{"matched":false}`, 0, false, "Name and number are not one person's."},
		{200, `{"matched":false,"level":3,"method":"face","phone_matched":true}`, 0, false, "Name and number are not one person's."},
		{200, `{"matched":true}`, 0, false, "no level"},
		{200, `{"matched":true,"level":4,"method":"face"}`, 0, false, "no level"},
		{200, `{"matched":true,"level":-1,"method":"face"}`, 0, false, "no level"},
		{200, `{"matched":true,"level":2}`, 0, false, "no method"},
		{200, `{"matched":true,"level":2,"method":"张小䶮"}`, 0, false, "no method"},
		{200, `{"matched":true,"matched":false,"level":2,"method":"face"}`, 0, false, "is not JSON"},
		{200, `{"matched":"true","level":2,"method":"face"}`, 0, false, "is not JSON"},
		{200, `{"matched":true,"level":1.5,"method":"face"}`, 0, false, "no level"},
		{200, `{"matched":true,"level":2,"method":"face","phone_matched":"yes"}`, 0, false, "neither true nor false"},
		{200, `[true]`, 0, false, "is not JSON"},
		{200, `{}`, 0, false, "is not JSON"},
		{200, ``, 0, false, "is not JSON"},
		{200, `{"matched":true,"level":2,"method":"face","a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, 0, false, "is not JSON"},
		{200, `{"matched":true,"level":2,"method":"face","a":"` + strings.Repeat("a", maxProofingAnswer) + `"}`, 0, false, "more than 8192 bytes"},
		{201, `{"matched":true,"level":2,"method":"face"}`, 0, false, "status 201"},
		{302, `{"matched":true,"level":2,"method":"face"}`, 0, false, "status 302"},
		{500, `张小䶮 990101199001010035`, 0, false, "status 500"},
	} {
		status, answer = test.status, test.answer
		got, err := p.Proof(t.Context(), sampleClaim)
		name := test.answer[:min(len(test.answer), 80)]
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), "张") || strings.Contains(err.Error(), "9901") || got != (identity.Proofing{}) {
				t.Errorf("%d %s: %+v, %v", test.status, name, got, err)
			}
			continue
		}
		if err != nil || got.Level != test.level || got.Phone != test.phone || got.Source != "样例运营商" || time.Since(got.At) > time.Minute {
			t.Errorf("%d %s: %+v, %v", test.status, name, got, err)
		}
	}
	c.Private = false
	p, err = NewProofing(ProofingConfig{HookConfig: c, Source: "样例运营商", Most: 2})
	mustOf(t)(err)
	if _, err = p.Proof(t.Context(), sampleClaim); err == nil || !strings.Contains(err.Error(), ErrForbiddenAddress.Error()) {
		t.Errorf("this machine was asked: %v", err)
	}
	saysNothing(t, "a forbidden address", err, c)
	for name, change := range map[string]func(*ProofingConfig){
		"no name": func(c *ProofingConfig) { c.Source = "" }, "a long name": func(c *ProofingConfig) { c.Source = strings.Repeat("证", 61) },
		"level 0": func(c *ProofingConfig) { c.Most = 0 }, "level 4": func(c *ProofingConfig) { c.Most = 4 }, "http": func(c *ProofingConfig) { c.URL = "http://a.example/" },
	} {
		bad := ProofingConfig{HookConfig: c, Source: "样例运营商", Most: 2}
		change(&bad)
		if _, err := NewProofing(bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzProofing: whatever the system answers, what is taken of it is in range.
func FuzzProofing(f *testing.F) {
	f.Add([]byte(`{"matched":true,"level":2,"method":"telecom","phone_matched":true}`))
	f.Add([]byte(`{"matched":false}`))
	f.Add([]byte(`{"matched":true,"level":7}`))
	f.Add([]byte(`<html>`))
	p := &Proofing{c: ProofingConfig{Source: "样例运营商", Most: 2}}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := p.read(body)
		if err == nil && (got.Level < 1 || got.Level > 2 || !isWord(got.Method)) || err != nil && got != (identity.Proofing{}) {
			t.Errorf("%+v, %v", got, err)
		}
		_, refused := errors.AsType[*identity.Error](err)
		if _, wrong := errors.AsType[wrongAnswer](err); err != nil && wrong == refused {
			t.Errorf("%v (%T) is neither a no nor a wrong answer", err, err)
		}
	})
}

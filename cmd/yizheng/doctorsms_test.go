package main_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"yizheng.internal/storage/porttest"
)

// TestDoctorLooksAtTheGateway has doctor ask gateways of several kinds: none of them
// gets anything that it could send.
func TestDoctorLooksAtTheGateway(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(gatewaySecret), 0o600); err != nil {
		t.Fatal(err)
	}
	var status atomic.Int64
	g := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions || r.ContentLength > 0 {
			t.Errorf("the gateway got a %s of %d bytes", r.Method, r.ContentLength)
		}
		if r.Header.Get("Authorization") != "Bearer "+gatewaySecret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer g.Close()
	anchors := filepath.Join(dir, "gateway.pem")
	if err := os.WriteFile(anchors, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("another-secret-than-that"), 0o600); err != nil {
		t.Fatal(err)
	}
	away := "https://" + porttest.FreeAddress(t) + "/send"
	for _, c := range []struct {
		status int
		trust  string
		args   []string
		want   string
	}{
		{0, anchors, nil, `warn  sms .*no SMS gateway is set`},
		{204, anchors, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", secret, "--sms-private"}, `ok    sms .*answers \(status 204\)\. No message is sent`},
		{405, anchors, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", secret, "--sms-private"}, `ok    sms .*answers \(status 405\)\. No message is sent`},
		{404, anchors, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", secret, "--sms-private"}, `warn  sms .*status 404`},
		{503, anchors, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", secret, "--sms-private"}, `warn  sms .*status 503`},
		{302, anchors, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", secret, "--sms-private"}, `warn  sms .*status 302`},
		{204, anchors, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", other, "--sms-private"}, `fail  sms .*refuses the secret`},
		{204, anchors, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", secret}, `fail  sms .*private network`},
		{204, os.DevNull, []string{"--sms-url", g.URL + "/send", "--sms-secret-file", secret, "--sms-private"}, `fail  sms .*asking the SMS gateway`},
		{204, anchors, []string{"--sms-url", away, "--sms-secret-file", secret, "--sms-private"}, `fail  sms .*asking the SMS gateway`},
		{0, anchors, nil, `ok    proofing .*no proofing system is set`},
		{405, anchors, []string{"--proofing-url", g.URL + "/proof", "--proofing-secret-file", secret, "--proofing-private"}, `ok    proofing .*answers \(status 405\)\. It is asked about nobody`},
		{404, anchors, []string{"--proofing-url", g.URL + "/proof", "--proofing-secret-file", secret, "--proofing-private"}, `warn  proofing .*status 404`},
		{204, anchors, []string{"--proofing-url", g.URL + "/proof", "--proofing-secret-file", other, "--proofing-private"}, `fail  proofing .*refuses the secret`},
		{204, anchors, []string{"--proofing-url", g.URL + "/proof", "--proofing-secret-file", secret}, `fail  proofing .*private network`},
		{204, anchors, []string{"--proofing-url", away, "--proofing-secret-file", secret, "--proofing-private"}, `fail  proofing .*asking the proofing system`},
		{204, anchors, []string{"--sms-url", "http://x.example/", "--sms-secret-file", secret}, `fail  sms .*https://`},
	} {
		status.Store(int64(c.status))
		t.Setenv("SSL_CERT_FILE", c.trust)
		t.Setenv("SSL_CERT_DIR", dir+"/none")
		out, _, code := runProgram(t, "", append([]string{"doctor", "--data", dir}, c.args...)...)
		if !regexp.MustCompile(`(?m)^`+c.want).MatchString(out) || code != 1 { // there is no installation
			t.Errorf("%q: exit code %d\n%s", c.args, code, out)
		}
		if strings.Contains(out, gatewaySecret) || strings.Contains(out, "another-secret") {
			t.Errorf("doctor shows the secret:\n%s", out)
		}
	}
}

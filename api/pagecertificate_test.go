package api

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/certificate/certificatetest"
)

// withCA is a stage that trusts a CA, and a proxy that ends TLCP at this machine.
type withCA struct {
	*stage
	ca *certificatetest.CA
}

const (
	certificateHeader = "X-Client-Cert"
	proxySecret       = "a secret of the proxy alone, 1234"
)

func newCertified(t *testing.T, proxies ...string) *withCA {
	t.Helper()
	ca := certificatetest.NewCA(t, time.Now())
	files := map[string][]byte{"ca.pem": ca.PEM(), "ca.crl": ca.List(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))}
	all, err := certificate.ReadAuthorities([]byte(`{"authorities": [{"id": "yunling", "title": {"zh-CN": "云岭省电子认证（样例）"}, "anchors": "ca.pem", "hardware": true, "lists": ["ca.crl"]}]}`),
		func(name string) ([]byte, error) { return files[name], nil })
	mustOf(t)(err)
	channel, err := NewClientCertificates(certificateHeader, strings.ReplaceAll(proxySecret, " ", "-"))
	mustOf(t)(err)
	c := stageConfig{Authorities: all, Channel: channel}
	for _, p := range proxies {
		c.Proxies = append(c.Proxies, netip.MustParsePrefix(p))
	}
	return &withCA{newStage(t, c), ca}
}

// signs answers a page that asks for a signature.
func signs(k *certificatetest.Key, p *apitest.Page, pairs ...string) *apitest.Page {
	text := p.Form("submit").Values.Get("challenge")
	return p.Press("submit", append([]string{"certificate", k.PEM(), "signature", certificatetest.Base64(k.Sign(text))}, pairs...)...)
}

// addCertificate adds a certificate to alice's account.
func (s *withCA) addCertificate(t *testing.T, b *apitest.Browser, k *certificatetest.Key) *apitest.Page {
	t.Helper()
	p := b.Get(s.url + "/security/certificate")
	if p.URL.Path == loginPath {
		p = p.LogIn(s.alice)
	}
	shows(t, p, http.StatusOK, "/security/certificate")
	says(t, p, "云岭省电子认证（样例）", "Yizheng certificate challenge: add this certificate to an account at ")
	return signs(k, p, "name", "单位的 UKey")
}

// Alice adds the certificate of her USB key, logs in with it alone at a client that asks for two factors, confirms a
// login with it, sees what happened, and removes it: then it is refused, and what rested on it is over.
func TestCertificate(t *testing.T) {
	t.Parallel()
	s := newCertified(t)
	k := s.ca.Issue(certificatetest.Wish{At: time.Now(), Subject: "/C=CN/CN=样例张小䶮 11010519491231002X"})
	b, other := s.browser(t), s.browser(t)
	shows(t, other.Get(s.url+"/sessions").LogIn(s.alice), http.StatusOK, "/sessions")
	wrong := s.ca.Issue(certificatetest.Wish{At: time.Now(), Extensions: certificatetest.EncryptionExtensions})
	p := s.addCertificate(t, b, wrong)
	shows(t, p, http.StatusUnprocessableEntity, "/security/certificate")
	says(t, p, "不要使用加密证书", "单位的 UKey")
	p = signs(k, p, "name", "单位的 UKey")
	shows(t, p, http.StatusOK, "/security")
	says(t, p, "已添加", "单位的 UKey", "数字证书", "云岭省电子认证（样例）", "110*************2X")
	if strings.Contains(p.Body, "11010519491231002X") || strings.Contains(p.Body, "张小") {
		t.Error("the page shows whose certificate it is")
	}
	shows(t, other.Get(s.url+"/sessions"), http.StatusOK, "/sessions") // adding ends nothing

	fresh := s.browser(t)
	flow := s.clinic.licensed()
	p = flow.open(t, fresh).Follow("by-certificate")
	shows(t, p, http.StatusOK, "/login/certificate")
	says(t, p, "证书登录", "Yizheng certificate challenge: log in at "+strings.TrimPrefix(s.url, "http://"))
	p = p.Press("submit", "certificate", k.PEM(), "signature", certificatetest.Base64(k.Sign("another text")))
	shows(t, p, http.StatusForbidden, "/login/certificate")
	says(t, p, "该证书不能用于登录", "BEGIN CERTIFICATE") // what was pasted stays
	if p = signs(k, p); !p.Has("approve") {
		t.Fatalf("after logging in with a certificate: %s", p)
	}
	q := s.clinic.request("prompt", "login", "acr_values", "urn:yizheng:assurance:2")
	p = signs(k, q.open(t, s.browser(t)).Follow("by-certificate"))
	if id := q.redeemed(t, q.code(t, p)); fmt.Sprintf("%v %v", id["amr"], id["acr"]) != "[pop mfa] urn:yizheng:assurance:2" {
		t.Errorf("the ID token says %v %v", id["amr"], id["acr"])
	}

	// After the password it is one of the ways to confirm.
	confirm := s.browser(t)
	p = s.clinic.licensed().open(t, confirm).Form("submit").With("username", s.alice.Login, "password", s.alice.Password).Send()
	shows(t, p, http.StatusOK, "/login/code")
	if !p.Has("challenge") {
		p = p.Follow("use-certificate")
	}
	says(t, p, "数字证书验证", "confirm a login at ")
	p = signs(wrong, p)
	shows(t, p, http.StatusUnprocessableEntity, "/login/code")
	says(t, p, "不要使用加密证书")
	if p = signs(k, p); !p.Has("approve") {
		t.Fatalf("after confirming with a certificate: %s", p)
	}
	says(t, b.Get(s.url+"/security"), "数字证书验证未成功", "不是签名证书")

	change := b.Get(s.url + "/security/change")
	if change.URL.Path != "/security" {
		change = change.LogIn(s.alice)
	}
	id := strings.TrimPrefix(change.Body[strings.Index(change.Body, `id="certificate-`):], `id="certificate-`)
	id, _, _ = strings.Cut(id, `"`)
	p = change.Press("remove-" + id)
	shows(t, p, http.StatusOK, "/security")
	says(t, p, "已删除")
	if at := fresh.Get(s.url + "/sessions").URL.Path; at != loginPath {
		t.Errorf("the browser with the certificate sees %s", at)
	}
	p = signs(k, s.clinic.request().open(t, s.browser(t)).Follow("by-certificate"))
	shows(t, p, http.StatusForbidden, "/login/certificate")
	says(t, p, "该证书不能用于登录")
}

// Files count as what is pasted does, in whatever form.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	s := newCertified(t)
	k := s.ca.Issue(certificatetest.Wish{At: time.Now()})
	shows(t, s.addCertificate(t, s.browser(t), k), http.StatusOK, "/security")
	p := s.browser(t).Get(s.url + "/sessions").Follow("by-certificate")
	f := p.Form("submit")
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, name := range []string{"token", "challenge", "act"} {
		_ = w.WriteField(name, f.Values.Get(name))
	}
	for name, content := range map[string][]byte{"certificate_file": k.DER(), "signature_file": k.Sign(f.Values.Get("challenge"))} {
		part, err := w.CreateFormFile(name, "C:\\"+name)
		mustOf(t)(err)
		_, _ = part.Write(content)
	}
	_ = w.Close()
	r := f.Request()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL.String(), &body)
	mustOf(t)(err)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", s.url)
	shows(t, f.Browser().Do(r), http.StatusOK, "/sessions")
}

// A proxy that is believed says with which certificate the connection was opened; nobody else does.
func TestCertificateHeader(t *testing.T) {
	t.Parallel()
	s := newCertified(t, "127.0.0.0/8")
	k, stranger := s.ca.Issue(certificatetest.Wish{At: time.Now()}), certificatetest.NewCA(t, time.Now()).Issue(certificatetest.Wish{At: time.Now()})
	shows(t, s.addCertificate(t, s.browser(t), k), http.StatusOK, "/security")
	secret := strings.ReplaceAll(proxySecret, " ", "-")
	escaped := url.PathEscape(k.PEM())
	// try logs in by the connection's certificate, with such headers at the form.
	try := func(t *testing.T, s *withCA, headers ...string) *apitest.Page {
		t.Helper()
		f := s.browser(t).Get(s.url+"/sessions").Follow("by-certificate").Form("submit").With("act", "channel")
		r := f.Request()
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		return f.Browser().Do(r)
	}
	good := []string{certificateHeader, escaped, certificateHeader + "-Secret", secret}
	shows(t, try(t, s, good...), http.StatusOK, "/sessions")
	shows(t, try(t, s, certificateHeader, certificatetest.Base64(k.DER()), certificateHeader+"-Secret", secret), http.StatusOK, "/sessions")
	for name, headers := range map[string][]string{
		"none":                     nil,
		"without the secret":       {certificateHeader, escaped},
		"with another secret":      {certificateHeader, escaped, certificateHeader + "-Secret", secret + "x"},
		"with the secret twice":    append([]string{certificateHeader + "-Secret", secret}, good...),
		"the header twice":         append([]string{certificateHeader, escaped}, good...),
		"the client's own first":   append([]string{certificateHeader, url.PathEscape(stranger.PEM())}, good...),
		"rubbish":                  {certificateHeader, "%zz", certificateHeader + "-Secret", secret},
		"a certificate and a half": {certificateHeader, certificatetest.Base64(k.DER()) + "AAAA", certificateHeader + "-Secret", secret},
		"a stranger's":             {certificateHeader, url.PathEscape(stranger.PEM()), certificateHeader + "-Secret", secret},
	} {
		p := try(t, s, headers...)
		shows(t, p, http.StatusForbidden, "/login/certificate")
		if name == "a stranger's" {
			says(t, p, "本平台不使用该机构签发的证书")
		}
	}
	// The button is there only where the connection has one, and a form alone names none.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/sessions", nil)
	mustOf(t)(err)
	b := s.browser(t)
	p := b.Do(r).Follow("by-certificate")
	if p.Has("channel") {
		t.Error("there is a button for a certificate that isn't there")
	}
	r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL.String(), nil)
	mustOf(t)(err)
	for i := 0; i < len(good); i += 2 {
		r.Header.Set(good[i], good[i+1])
	}
	if p = b.Do(r); !p.Has("channel") {
		t.Error("there is no button for the connection's certificate")
	}
	shows(t, p.Press("channel", "certificate", k.PEM()), http.StatusForbidden, "/login/certificate")

	untrusted := newCertified(t, "192.0.2.0/24")
	kept := untrusted.ca.Issue(certificatetest.Wish{At: time.Now()})
	shows(t, untrusted.addCertificate(t, untrusted.browser(t), kept), http.StatusOK, "/security")
	shows(t, try(t, untrusted, certificateHeader, url.PathEscape(kept.PEM()), certificateHeader+"-Secret", secret), http.StatusForbidden, "/login/certificate")
}

// A TLS session that is resumed names the certificate without its key: where a login of just now is asked for, the
// text is signed, whether the connection is the first or the second factor, or logged in just before.
func TestCertificateChannelFresh(t *testing.T) {
	t.Parallel()
	s := newCertified(t, "127.0.0.0/8")
	k := s.ca.Issue(certificatetest.Wish{At: time.Now()})
	shows(t, s.addCertificate(t, s.browser(t), k), http.StatusOK, "/security")
	channel := func(p *apitest.Page) *apitest.Page {
		f := p.Form("submit").With("act", "channel")
		r := f.Request()
		r.Header.Set(certificateHeader, url.PathEscape(k.PEM()))
		r.Header.Set(certificateHeader+"-Secret", strings.ReplaceAll(proxySecret, " ", "-"))
		return f.Browser().Do(r)
	}
	before := s.browser(t)
	shows(t, channel(before.Get(s.url+"/sessions").Follow("by-certificate")), http.StatusOK, "/sessions")
	refuses := func(p *apitest.Page) {
		t.Helper()
		shows(t, p, http.StatusForbidden, "/login/certificate")
		says(t, p, "请用密钥对页面上的文本签名")
	}
	for _, asks := range [][]string{{"prompt", "login"}, {"max_age", "3600"}} {
		for _, b := range []*apitest.Browser{s.browser(t), before} {
			p := s.clinic.request(asks...).open(t, b)
			shows(t, p, http.StatusOK, "/login")
			refuses(channel(p.Follow("by-certificate")))
		}
		p := s.clinic.request(append(asks, "acr_values", "urn:yizheng:assurance:2")...).open(t, s.browser(t)).Form("submit").With("username", s.alice.Login, "password", s.alice.Password).Send()
		if !p.Has("challenge") {
			p = p.Follow("use-certificate")
		}
		p = channel(p)
		shows(t, p, http.StatusUnprocessableEntity, "/login/code")
		says(t, p, "请用密钥对页面上的文本签名")
	}
	p := before.Get(s.url + "/security/change") // of our own, which asks for a login of just now
	shows(t, p, http.StatusOK, "/login")
	refuses(channel(p.Follow("by-certificate")))
	shows(t, signs(k, p.Follow("by-certificate")), http.StatusOK, "/security")
}

// Without CAs there is nothing of certificates.
func TestNoCertificates(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	p := s.browser(t).Get(s.url + "/sessions")
	if p.Has("by-certificate") {
		t.Error("the login page has a link")
	}
	at := *p.URL
	at.Path = "/login/certificate"
	if p := s.browser(t).Get(at.String()); p.Status != http.StatusNotFound {
		t.Errorf("the page answers %d", p.Status)
	}
}

func TestNewClientCertificates(t *testing.T) {
	long := strings.Repeat("s", leastSecret)
	for _, tt := range []struct {
		header, secret string
		ok             bool
	}{{"X-Client-Cert", long, true}, {"", long, false}, {"X Client", long, false}, {"X_Client", long, false}, {"X-Client-Cert", long[1:], false}, {"X-Client-Cert", long + " x", false}} {
		if _, err := NewClientCertificates(tt.header, tt.secret); (err == nil) != tt.ok {
			t.Errorf("%q, %q: %v", tt.header, tt.secret, err)
		}
	}
}

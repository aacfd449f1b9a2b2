package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yizheng.internal/oidc/identity/certificate/certificatetest"
)

// Somebody logs in with a password, adds the certificate of their USB key, logs out, and logs in with it alone: they
// paste what OpenSSL signed, and then a bridge fills it in. On a phone and a PC.
func TestCertificate(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), certificatetest.NewCA(t, time.Now())
	for name, text := range map[string][]byte{
		"ca.pem": ca.PEM(), "ca.crl": ca.List(time.Now().Add(-time.Hour), time.Now().Add(time.Hour)),
		"cas.json": []byte(`{"authorities": [{"id": "sample", "title": {"zh-CN": "云岭省电子认证（样例）", "en": "Yunling CA (sample)"}, "anchors": "ca.pem", "hardware": true, "lists": ["ca.crl"]}]}`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := startDemo(t, "--certificates", filepath.Join(dir, "cas.json"))
	for i, s := range []size{phone, pc} {
		k := ca.Issue(certificatetest.Wish{At: time.Now(), Subject: "/C=CN/CN=" + d.People[i].Name})
		t.Run(s.name, func(t *testing.T) { certificateStory(newBrowser(t, s), d, d.People[i], k) })
	}
}

func certificateStory(b *browser, d *demo, who person, k *certificatetest.Key) {
	set := func(id, text string) {
		value, _ := json.Marshal(text)
		b.wait(fmt.Sprintf("document.getElementById(%q).value = %s, true", id, value))
	}
	b.open(d.Issuer + "/security/certificate")
	b.waitFor("#username")
	b.logIn(d, who)
	b.waitFor("#challenge")
	b.good("certificate-add", "添加数字证书", "云岭省电子认证（样例）", "不要使用加密证书")
	set("certificate", k.PEM())
	set("signature", certificatetest.Base64(k.Sign("something else")))
	b.click("#submit")
	b.waitFor("#problem")
	b.good("certificate-wrong", "签名不正确")
	set("signature", certificatetest.Base64(k.Sign(eval[string](b, `document.getElementById("challenge").value`))))
	b.click("#submit")
	b.waitFor("[role=status]")
	b.good("certificate-added", "账号与安全", "数字证书", "我的 USB Key", "已添加")

	b.open(d.Issuer + "/logout")
	b.follow("#submit")
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitFor("#by-certificate")
	b.good("login-by-certificate", "证书登录")
	b.click("#by-certificate")
	b.waitFor("#challenge")
	b.good("certificate-login", "证书登录", "待签名文本")
	// A bridge asks what to sign, and fills in the answer; its word for another text doesn't count.
	text := eval[string](b, `document.getElementById("challenge").value`)
	b.wait(`(window.asked = "", window.addEventListener("message", function (e) { if (e.data.type === "yizheng.certificate.challenge") { window.asked = e.data.challenge; } }), window.postMessage({ type: "yizheng.certificate.ask", version: 1 }, location.origin), true)`)
	b.wait(`window.asked === document.getElementById("challenge").value`)
	say := func(challenge string) {
		answer, _ := json.Marshal(map[string]any{"type": "yizheng.certificate.answer", "version": 1, "challenge": challenge, "certificate": k.PEM(), "signature": certificatetest.Hex(k.Sign(challenge))})
		b.wait(fmt.Sprintf("window.postMessage(%s, location.origin), true", answer))
	}
	say("another text")
	say(text)
	b.wait(`document.getElementById("signature").value !== ""`)
	b.click("#submit")
	b.waitFor("#approve")
	b.says("授权用证")
}

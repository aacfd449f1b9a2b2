package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// throughProxy has a browser reach one address by way of a proxy that may
// change what is asked.
func throughProxy(t *testing.T, address string, change func(*http.Request)) chromedp.ExecAllocatorOption {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = r.In.Host
		change(r.Out)
	}})
	t.Cleanup(proxy.Close)
	return chromedp.Flag("host-resolver-rules", "MAP "+u.Host+" "+strings.TrimPrefix(proxy.URL, "http://"))
}

// town is a set of HTTPS sites under names of their own, with a CA of their own:
// to browsers and programs that are told of it they are like any on the internet.
type town struct {
	address string // where all of them listen
	caFile  string
	pin     string            // of their certificate, for Chromium
	sites   map[string]string // what stands behind a name: an address
	connect *httptest.Server  // a proxy for programs, which can't be told names otherwise
}

// newTown makes the sites' names; what stands behind them may come later.
func newTown(t *testing.T, names ...string) *town {
	t.Helper()
	w := &town{sites: map[string]string{}}
	certificate, ca := issueFor(t, names)
	w.caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(w.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}), 0o600); err != nil {
		t.Fatal(err)
	}
	pin := sha256.Sum256(certificate.Leaf.RawSubjectPublicKeyInfo)
	w.pin = base64.StdEncoding.EncodeToString(pin[:])
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", w.sites[r.In.TLS.ServerName], r.In.Host
	}, ErrorLog: log.New(io.Discard, "", 0)})
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	w.address = server.Listener.Addr().String()
	w.connect = httptest.NewServer(http.HandlerFunc(w.tunnel))
	t.Cleanup(w.connect.Close)
	return w
}

// issueFor makes a CA and a certificate for names.
func issueFor(t *testing.T, names []string) (certificate tls.Certificate, ca []byte) {
	t.Helper()
	make := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		if signer == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sample CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca, caKey := make(root, nil, nil)
	leaf, key := make(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, caKey)
	parsed, err := x509.ParseCertificate(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key, Leaf: parsed}, ca
}

// tunnel answers CONNECT: whatever the name, it leads to the sites.
func (w *town) tunnel(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(rw, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	out, err := net.Dial("tcp", w.address)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, _, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	carry := func(to, from net.Conn) { _, _ = io.Copy(to, from); done <- struct{}{} }
	go carry(out, in)
	go carry(in, out)
	<-done
}

// environment has a Go program reach the sites and believe their certificate.
func (w *town) environment() []string {
	return []string{"HTTPS_PROXY=" + w.connect.URL, "SSL_CERT_FILE=" + w.caFile}
}

// flags have Chromium do so.
func (w *town) flags() []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("host-resolver-rules", "MAP *:443 "+w.address),
		chromedp.Flag("ignore-certificate-errors-spki-list", w.pin),
	}
}

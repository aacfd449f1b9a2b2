// Package certificatetest has CAs and people's keys, played by OpenSSL, which shares no code with ours. It is for
// tests alone.
package certificatetest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"yizheng.internal/signing/signingtest"
)

// CA is a CA, in a directory that is shared by all under one root.
type CA struct {
	t    *testing.T
	dir  string
	name string
	root *CA // nil: it is one
	made int
}

// NewCA makes a root that is valid for ten years around a time.
func NewCA(t *testing.T, at time.Time) *CA {
	t.Helper()
	ca := &CA{t: t, dir: signingtest.NewOpenSSL(t), name: "root"}
	ca.prepare()
	ca.newKey("root", "SM2")
	ca.request("root", "/C=CN/O=外部电子认证（样例）/CN=样例根 CA")
	ca.certify("root", caExtensions, at.AddDate(-5, 0, 0), at.AddDate(5, 0, 0), "-selfsign", "-keyfile", "root.key")
	return ca
}

const caExtensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"

// Under makes an intermediate CA of the root's.
func (ca *CA) Under(name string, at time.Time) *CA {
	ca.t.Helper()
	sub := &CA{t: ca.t, dir: ca.dir, name: name, root: ca}
	sub.prepare()
	sub.newKey(name, "SM2")
	sub.request(name, "/C=CN/O=外部电子认证（样例）/CN=样例 CA "+name)
	ca.certify(name, caExtensions, at.AddDate(-4, 0, 0), at.AddDate(4, 0, 0), "-cert", "root.pem", "-keyfile", "root.key")
	return sub
}

// prepare makes the files that openssl ca wants.
func (ca *CA) prepare() {
	write := func(name, text string) { signingtest.WriteFile(ca.t, ca.dir, ca.name+"-"+name, []byte(text)) }
	write("index.txt", "")
	write("index.txt.attr", "unique_subject = no\n")
	write("crlnumber", "01\n")
	write("ca.cnf", fmt.Sprintf(`[ca]
default_ca = it
[it]
database = %[1]s-index.txt
new_certs_dir = .
crlnumber = %[1]s-crlnumber
rand_serial = yes
default_md = sm3
policy = any
preserve = yes
email_in_dn = no
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
[any]
countryName = optional
organizationName = optional
commonName = optional
serialNumber = optional
`, ca.name))
}

func (ca *CA) newKey(name, algorithm string) {
	args := []string{"genpkey", "-algorithm", algorithm, "-out", name + ".key"}
	if algorithm == "EC" {
		args = append(args, "-pkeyopt", "ec_paramgen_curve:P-256")
	}
	signingtest.OpenSSL(ca.t, ca.dir, args...)
}

func (ca *CA) request(name, subject string) {
	args := []string{"req", "-new", "-utf8", "-key", name + ".key", "-subj", subject, "-out", name + ".csr"}
	if !strings.HasPrefix(name, "p256") {
		args = append(args, "-sm3", "-sigopt", signingtest.DistID)
	}
	signingtest.OpenSSL(ca.t, ca.dir, args...)
}

const when = "20060102150405Z"

func (ca *CA) certify(name, extensions string, from, until time.Time, signer ...string) {
	ca.t.Helper()
	signingtest.WriteFile(ca.t, ca.dir, name+".ext", []byte(extensions))
	args := append([]string{"ca", "-batch", "-utf8", "-notext", "-config", ca.name + "-ca.cnf", "-in", name + ".csr", "-out", name + ".pem", "-extfile", name + ".ext",
		"-startdate", from.UTC().Format(when), "-enddate", until.UTC().Format(when), "-sigopt", signingtest.DistID}, signer...)
	if !strings.HasPrefix(name, "p256") {
		args = append(args, "-vfyopt", signingtest.DistID)
	}
	signingtest.OpenSSL(ca.t, ca.dir, args...)
}

// PEM returns the CA's own certificate.
func (ca *CA) PEM() []byte { return signingtest.ReadFile(ca.t, ca.dir, ca.name+".pem") }

// List returns a new revocation list, in PEM.
func (ca *CA) List(from, until time.Time) []byte {
	return ca.ListWith("authorityKeyIdentifier = keyid\n", from, until)
}

// ListWith returns a new revocation list with such extensions, in PEM.
func (ca *CA) ListWith(extensions string, from, until time.Time) []byte {
	ca.t.Helper()
	cnf := signingtest.ReadFile(ca.t, ca.dir, ca.name+"-ca.cnf")
	signingtest.WriteFile(ca.t, ca.dir, ca.name+"-list.cnf", append(cnf, "[with]\n"+extensions...))
	signingtest.OpenSSL(ca.t, ca.dir, "ca", "-gencrl", "-config", ca.name+"-list.cnf", "-crlexts", "with", "-cert", ca.name+".pem", "-keyfile", ca.name+".key", "-sigopt", signingtest.DistID,
		"-crl_lastupdate", from.UTC().Format(when), "-crl_nextupdate", until.UTC().Format(when), "-out", ca.name+".crl")
	return signingtest.ReadFile(ca.t, ca.dir, ca.name+".crl")
}

// Revoke revokes a person's certificate; the next list has it.
func (ca *CA) Revoke(k *Key) {
	ca.t.Helper()
	signingtest.OpenSSL(ca.t, ca.dir, "ca", "-revoke", k.name+".pem", "-crl_reason", "keyCompromise", "-config", ca.name+"-ca.cnf", "-cert", ca.name+".pem", "-keyfile", ca.name+".key")
}

// Wish is what is unusual about a certificate. The zero Wish is a usual one, valid for a year around At.
type Wish struct {
	Subject    string    // default: of 样例张小䶮
	Extensions string    // default: those of a signing certificate
	At         time.Time // required
	From       time.Time
	Until      time.Time
	Algorithm  string // of the key; default SM2
	Of         *Key   // whose key it is; nil: a new one
}

// SigningExtensions are those of the signing certificate of a pair, and EncryptionExtensions of the other one.
const (
	SigningExtensions    = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\nextendedKeyUsage=clientAuth,emailProtection\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
	EncryptionExtensions = "basicConstraints=CA:FALSE\nkeyUsage=critical,keyEncipherment,dataEncipherment\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)

// Key is a person's key with its certificate.
type Key struct {
	ca   *CA
	name string
	key  string // whose key it is
}

// Issue issues a certificate.
func (ca *CA) Issue(w Wish) *Key {
	ca.t.Helper()
	ca.made++
	k := &Key{ca: ca, name: fmt.Sprintf("%s-person-%d", ca.name, ca.made)}
	if w.Algorithm == "EC" {
		k.name = "p256-" + k.name
	}
	if w.Algorithm == "" {
		w.Algorithm = "SM2"
	}
	if w.Subject == "" {
		w.Subject = "/C=CN/CN=样例张小䶮"
	}
	if w.Extensions == "" {
		w.Extensions = SigningExtensions
	}
	if w.From.IsZero() {
		w.From = w.At.AddDate(0, -6, 0)
	}
	if w.Until.IsZero() {
		w.Until = w.At.AddDate(0, 6, 0)
	}
	if k.key = k.name; w.Of != nil {
		k.key = w.Of.key
		signingtest.WriteFile(ca.t, ca.dir, k.name+".key", signingtest.ReadFile(ca.t, w.Of.ca.dir, k.key+".key"))
	} else {
		ca.newKey(k.name, w.Algorithm)
	}
	ca.request(k.name, w.Subject)
	ca.certify(k.name, w.Extensions, w.From, w.Until, "-cert", ca.name+".pem", "-keyfile", ca.name+".key")
	return k
}

// PEM returns the certificate.
func (k *Key) PEM() string { return string(signingtest.ReadFile(k.ca.t, k.ca.dir, k.name+".pem")) }

// DER returns the certificate.
func (k *Key) DER() []byte { return signingtest.ReadDER(k.ca.t, k.ca.dir, k.name+".pem") }

// Sign signs a text, and returns the signature's DER.
func (k *Key) Sign(text string) []byte {
	k.ca.t.Helper()
	return k.signWith(text, "-pkeyopt", signingtest.DistID)
}

// SignOtherwise signs a text with another user id.
func (k *Key) SignOtherwise(text string) []byte {
	k.ca.t.Helper()
	return k.signWith(text, "-pkeyopt", "distid:ALICE123@YAHOO.COM")
}

func (k *Key) signWith(text string, options ...string) []byte {
	k.ca.t.Helper()
	signingtest.WriteFile(k.ca.t, k.ca.dir, "signed.txt", []byte(text))
	args := append([]string{"pkeyutl", "-sign", "-inkey", k.name + ".key", "-rawin", "-digest", "sm3", "-in", "signed.txt", "-out", "signature"}, options...)
	signingtest.OpenSSL(k.ca.t, k.ca.dir, args...)
	return signingtest.ReadFile(k.ca.t, k.ca.dir, "signature")
}

// Base64 and Hex write a signature as key software does.
func Base64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// Hex is the other way.
func Hex(b []byte) string { return hex.EncodeToString(b) }

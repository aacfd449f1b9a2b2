package signing

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

// These tests exchange keys, signatures and certificates with software that
// shares no code with ours: OpenSSL (3.0 or later) and npm's sm-crypto. They
// fail where those are missing: a test that is skipped shows nothing.

// distID makes OpenSSL use the default user id, which it does not by itself.
const distID = "distid:" + sm2.UserID

// commandOpenSSL returns openssl in a directory with its own configuration: the
// machine's could add extensions.
func commandOpenSSL(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+filepath.Join(dir, "openssl.cnf"))
	return cmd
}

// openSSL runs openssl and returns what it wrote.
func openSSL(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := commandOpenSSL(t, dir, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// refuseOpenSSL runs openssl where it must say no.
func refuseOpenSSL(t *testing.T, dir string, args ...string) {
	t.Helper()
	out, err := commandOpenSSL(t, dir, args...).CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); !ran {
		t.Errorf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// newOpenSSL returns a directory to run openssl in.
func newOpenSSL(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "openssl.cnf", []byte("[req]\ndistinguished_name = name\nstring_mask = utf8only\nutf8 = yes\n[name]\n"))
	version := openSSL(t, dir, "version")
	var major int
	if _, err := fmt.Sscanf(version, "OpenSSL %d.", &major); err != nil || major < 3 {
		t.Fatalf("needs OpenSSL 3.0 or later, not %q", version)
	}
	return dir
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readDER returns the content of a file of one PEM block.
func readDER(t *testing.T, dir, name string) []byte {
	t.Helper()
	block, _ := pem.Decode(read(t, dir, name))
	if block == nil {
		t.Fatalf("%s is not PEM", name)
	}
	return block.Bytes
}

func TestInteropOpenSSLVerifies(t *testing.T) {
	dir, now := newOpenSSL(t), time.Now()
	rootKey, key := signingtest.NewSM2(t), signingtest.NewSM2(t)
	rootDER, err := NewRoot(rootKey, Subject{Name: "样例根"}, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ca := &CA{Certificate: mustParse(t, rootDER), Signer: rootKey}
	leafDER, err := ca.Certify(key.Public(), department, ProfileAuthority, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "root.pem", pemOf(rootDER))
	write(t, dir, "leaf.pem", pemOf(leafDER))
	// -check_ss_sig is left out: openssl gives the user id to the leaf only, and
	// would check the root's own signature without one.
	out := openSSL(t, dir, "verify", "-x509_strict", "-vfyopt", distID, "-CAfile", "root.pem", "leaf.pem")
	if !strings.Contains(out, "leaf.pem: OK") {
		t.Errorf("verify: %s", out)
	}
	tampered := bytes.Clone(leafDER)
	tampered[bytes.Index(tampered, []byte(department.USCC))] = '9'
	write(t, dir, "tampered.pem", pemOf(tampered))
	refuseOpenSSL(t, dir, "verify", "-vfyopt", distID, "-CAfile", "root.pem", "tampered.pem")
	text := openSSL(t, dir, "x509", "-in", "leaf.pem", "-noout", "-text", "-nameopt", "utf8")
	for _, want := range []string{"SM2-with-SM3", "Digital Signature, Non Repudiation", "URI:urn:yizheng:key:authority", department.Name, department.USCC, "CA:FALSE"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not show %q in\n%s", want, text)
		}
	}

	message := []byte("电子证照")
	pkix, err := smx509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}))
	write(t, dir, "message", message)
	write(t, dir, "signature", signingtest.MustSign(t, key, message))
	out = openSSL(t, dir, "dgst", "-sm3", "-verify", "public.pem", "-sigopt", distID, "-signature", "signature", "message")
	if !strings.Contains(out, "Verified OK") {
		t.Errorf("dgst: %s", out)
	}
	// And it does tell a wrong one.
	write(t, dir, "forged", signingtest.MustSign(t, key, []byte("another")))
	refuseOpenSSL(t, dir, "dgst", "-sm3", "-verify", "public.pem", "-sigopt", distID, "-signature", "forged", "message")

	list, err := ca.RevocationList([]Revocation{{mustParse(t, leafDER).SerialNumber, now, "keyCompromise"}}, 3, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "list.der", list)
	text = openSSL(t, dir, "crl", "-inform", "DER", "-in", "list.der", "-noout", "-text")
	if !strings.Contains(text, "Key Compromise") || !strings.Contains(text, "SM2-with-SM3") {
		t.Errorf("openssl shows the list as\n%s", text)
	}
}

func TestInteropOpenSSLSigns(t *testing.T) {
	dir, v := newOpenSSL(t), jose.NewVerifier(sm2.Config{})
	openSSL(t, dir, "genpkey", "-algorithm", "SM2", "-out", "root.key")
	openSSL(t, dir, "req", "-x509", "-new", "-utf8", "-key", "root.key", "-sm3", "-sigopt", distID, "-days", "30",
		"-subj", "/O=外部根（样例）", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
		"-addext", "subjectKeyIdentifier=hash", "-out", "root.pem")
	openSSL(t, dir, "genpkey", "-algorithm", "SM2", "-out", "leaf.key")
	openSSL(t, dir, "req", "-new", "-utf8", "-key", "leaf.key", "-sm3", "-sigopt", distID,
		"-subj", "/O="+department.Name+"/2.5.4.97="+department.USCC, "-out", "leaf.csr")
	write(t, dir, "leaf.ext", []byte("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\nauthorityKeyIdentifier=keyid\n"))
	openSSL(t, dir, "x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "77", "-days", "20",
		"-sm3", "-sigopt", distID, "-vfyopt", distID, "-extfile", "leaf.ext", "-out", "leaf.pem")

	anchors, err := ParseAnchors(read(t, dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	leafDER := readDER(t, dir, "leaf.pem")
	leaf, err := anchors.Verify(t.Context(), v, [][]byte{leafDER}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Subject != department || leaf.Profile != "" || leaf.SerialNumber.Int64() != 77 {
		t.Errorf("%+v, %q, %v", leaf.Subject, leaf.Profile, leaf.SerialNumber)
	}
	tampered := bytes.Clone(leafDER)
	tampered[bytes.Index(tampered, []byte(department.USCC))] = '9'
	if _, err := anchors.Verify(t.Context(), v, [][]byte{tampered}, time.Now()); reasonOf(err) != "chain_signature" {
		t.Errorf("tampered with: %v", err)
	}

	message := []byte("电子证照")
	write(t, dir, "message", message)
	openSSL(t, dir, "dgst", "-sm3", "-sign", "leaf.key", "-sigopt", distID, "-out", "signature", "message")
	signature := read(t, dir, "signature")
	if err := v.Verify(t.Context(), leaf.PublicKey, message, signature); err != nil {
		t.Error(err)
	}
	if err := v.Verify(t.Context(), leaf.PublicKey, []byte("another"), signature); !errors.Is(err, sm2.ErrSignature) {
		t.Errorf("another message: %v", err)
	}
	// OpenSSL without distid signs with another user id: that must not pass.
	openSSL(t, dir, "dgst", "-sm3", "-sign", "leaf.key", "-out", "no-id", "message")
	if err := v.Verify(t.Context(), leaf.PublicKey, message, read(t, dir, "no-id")); !errors.Is(err, sm2.ErrSignature) {
		t.Errorf("no user id: %v", err)
	}
	if _, overruled, undecided := v.SecondOpinions(); undecided != 0 {
		t.Errorf("overruled %d, undecided %d", overruled, undecided)
	}
}

func TestInteropSMCrypto(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sm-crypto")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "sm-crypto"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}

	const message = "电子证照 electronic license"
	key, v := signingtest.NewSM2(t), jose.NewVerifier(sm2.Config{})
	der := signingtest.MustSign(t, key, []byte(message))
	raw, err := sm2.DERToRaw(der)
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]string{
		"message": message, "publicKey": hex.EncodeToString(point65(t, key.Public())),
		"der": hex.EncodeToString(der), "raw": hex.EncodeToString(raw),
	})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "exchange.js")
	node.Dir, node.Stdin, node.Stderr = dir, bytes.NewReader(input), os.Stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var result struct {
		DER, Raw, Forged          bool
		PublicKey, OwnDER, OwnRaw string
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !result.DER || !result.Raw || result.Forged {
		t.Errorf("sm-crypto says %+v", result)
	}
	unhex := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pub, err := sm2.ParsePoint(unhex(result.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context(), pub, []byte(message), unhex(result.OwnDER)); err != nil {
		t.Errorf("its DER: %v", err)
	}
	if err := v.VerifyRaw(t.Context(), pub, []byte(message), unhex(result.OwnRaw)); err != nil {
		t.Errorf("its raw: %v", err)
	}
	if err := v.VerifyRaw(t.Context(), pub, []byte("another"), unhex(result.OwnRaw)); !errors.Is(err, sm2.ErrSignature) {
		t.Errorf("another message: %v", err)
	}
}

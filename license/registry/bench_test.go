//go:build unix

package registry_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	gmsm "github.com/emmansun/gmsm/sm2"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/registry"
	"yizheng.internal/license/status"
	"yizheng.internal/signing/sm2"
)

// benchType is a type of twelve fields, and a request for a license of it.
func benchType() (catalog.Type, registry.IssueRequest) {
	properties := map[string]any{}
	fields := map[string]string{}
	for i := range 12 {
		name := fmt.Sprintf("field_%02d", i)
		properties[name] = map[string]any{"type": "string", "maxLength": 100}
		fields[name] = "样例内容，长短与真实证照相仿"
	}
	d := definition()
	d.Schema, _ = json.Marshal(map[string]any{"type": "object", "additionalProperties": false, "properties": properties})
	q := request("样例0001")
	q.Fields, _ = json.Marshal(fields)
	return catalog.Type{Code: typeCode, Version: 1, State: entry.Published, Definition: d}, q
}

var benchAuthority = credential.PresentedBy{Code: authority, Name: "样例厅"}

func prepare(b *testing.B, w *world, t catalog.Type, q registry.IssueRequest) string {
	token, err := w.Registry.Prepare(b.Context(), t, benchAuthority, q)
	if err != nil {
		b.Fatal(err)
	}
	return token
}

// reserve sees to it that so many versions find their entries of a status list reserved.
func reserve(ctx context.Context, lists *status.Lists, n int) error {
	var held []status.Slot
	for range n {
		s, err := lists.Take(ctx)
		if err != nil {
			return err
		}
		held = append(held, s)
	}
	lists.Give(held...)
	return nil
}

// jwsLength is the length of the signing input within a credential.
func jwsLength(token string) int {
	dots := 0
	for i := range len(token) {
		if token[i] == '.' {
			if dots++; dots == 2 {
				return i
			}
		}
	}
	return 0
}

// processorTime is what the process has used, its garbage collector included. It
// hears less of what else runs on the machine than the clock does.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkRatios compares issuing and verifying with raw SM2, and with raw ES256,
// on messages of equal length, turn by turn in one run, since machines are noisy
// and processors differ. It reports the ratios to SM2 in percent of raw speed, and
// how many verifications, or signatures with one, of ES256 take as long. Garbage is collected as seldom as
// the service does it under load (cmd/yizheng/memory.go): with the small heap of a
// benchmark, collecting would cost what it never costs there.
func BenchmarkRatios(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	w := newWorld(b)
	t, q := benchType()
	token := prepare(b, w, t, q)
	key, err := gmsm.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	message := []byte(token[:jwsLength(token)])
	uid := []byte(sm2.UserID)
	signature, err := key.SignWithSM2(rand.Reader, uid, message)
	if err != nil {
		b.Fatal(err)
	}
	v := w.Verifier(cachedStatus)
	if out := v.Verify(b.Context(), token); out.Verdict != credential.Valid {
		b.Fatalf("%+v", out)
	}
	es256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(message)
	es256Signature, err := ecdsa.SignASN1(rand.Reader, es256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	const turn = 20
	var rawVerify, es256Verify, verify, rawIssue, es256Issue, issue time.Duration
	timed := func(total *time.Duration, f func()) {
		begin := processorTime(b)
		for range turn {
			f()
		}
		*total += processorTime(b) - begin
	}
	for b.Loop() {
		timed(&rawVerify, func() {
			if !gmsm.VerifyASN1WithSM2(&key.PublicKey, uid, message, signature) {
				b.Fatal("raw signature")
			}
		})
		timed(&es256Verify, func() {
			if sum := sha256.Sum256(message); !ecdsa.VerifyASN1(&es256.PublicKey, sum[:], es256Signature) {
				b.Fatal("raw ES256 signature")
			}
		})
		timed(&verify, func() {
			if out := v.Verify(b.Context(), token); out.Verdict != credential.Valid {
				b.Fatal(out)
			}
		})
		timed(&rawIssue, func() {
			sig, err := key.SignWithSM2(rand.Reader, uid, message)
			if err != nil || !gmsm.VerifyASN1WithSM2(&key.PublicKey, uid, message, sig) {
				b.Fatal("raw signature")
			}
		})
		timed(&es256Issue, func() {
			sum := sha256.Sum256(message)
			sig, err := ecdsa.SignASN1(rand.Reader, es256, sum[:])
			if sum := sha256.Sum256(message); err != nil || !ecdsa.VerifyASN1(&es256.PublicKey, sum[:], sig) {
				b.Fatal("raw ES256 signature")
			}
		})
		if err := reserve(b.Context(), w.Lists(), turn); err != nil { // the database's work
			b.Fatal(err)
		}
		timed(&issue, func() { prepare(b, w, t, q) })
	}
	n := float64(b.N * turn)
	b.ReportMetric(float64(len(token)), "credential-bytes")
	b.ReportMetric(float64(verify.Microseconds())/n, "µs/verify")
	b.ReportMetric(float64(issue.Microseconds())/n, "µs/issue")
	b.ReportMetric(100*float64(rawVerify)/float64(verify), "%verify-of-raw")
	b.ReportMetric(100*float64(rawIssue)/float64(issue), "%issue-of-raw")
	b.ReportMetric(float64(verify)/float64(es256Verify), "ES256/verify")
	b.ReportMetric(float64(issue)/float64(es256Issue), "ES256/issue")
}

func BenchmarkIssue(b *testing.B) {
	w := newWorld(b)
	t, q := benchType()
	for b.Loop() {
		prepare(b, w, t, q)
	}
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	t, q := benchType()
	token := prepare(b, w, t, q)
	v := w.Verifier(cachedStatus)
	for b.Loop() {
		v.Verify(b.Context(), token)
	}
}

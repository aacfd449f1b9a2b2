package catalog_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing/journal"
)

// largestSchema is as large as a schema may be, and as costly to compile and to keep:
// of patterns.
func largestSchema(t testing.TB, version int) json.RawMessage {
	t.Helper()
	properties := map[string]any{
		"category": map[string]any{"type": "string", "maxLength": 50},
		"grade":    map[string]any{"type": "integer", "minimum": 1, "maximum": 5},
	}
	for i := range 190 {
		pattern := fmt.Sprintf("^(?:V%d-%d-", version, i) + strings.Repeat(`[A-Z]{2}\d`, 23) + ")?$"
		properties[fmt.Sprintf("field_%03d", i)] = map[string]any{"type": "string", "title": "样例", "pattern": pattern}
	}
	text, err := json.Marshal(map[string]any{"type": "object", "additionalProperties": false, "required": []string{"category"}, "properties": properties})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Check(text); err != nil || len(text) < 60<<10 {
		t.Fatalf("%d bytes: %v", len(text), err)
	}
	return text
}

// manyVersions gives the world's type more versions, up to n in all, of which the
// newest is published. They are stored at once: each act would read those before it.
func (w *world) manyVersions(t testing.TB, n int, of func(t testing.TB, version int) json.RawMessage) {
	t.Helper()
	now := time.Now().UTC()
	stores := w.CatalogStores()
	first, err := w.Catalog().Types().Version(t.Context(), typeCode, 1)
	if err != nil {
		t.Fatal(err)
	}
	save := func(v catalog.Type) {
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		e := journal.Event{Log: journal.Registry, ID: fmt.Sprintf("many-%d-%d", v.Version, v.Revision), At: now}
		if err := stores.SaveEntries(t.Context(), entry.KindType, e, entry.Record{
			Code: string(typeCode), Version: v.Version, State: v.State, Revision: v.Revision, Owner: v.Owner, Body: body, Updated: now,
		}); err != nil {
			t.Fatal(err)
		}
	}
	first.State, first.RetiredAt = entry.Retired, now
	save(first)
	for i := 2; i <= n; i++ {
		v := first
		v.Version, v.Revision, v.PublishedAt, v.Schema = i, 0, now, of(t, i)
		if i == n {
			v.State, v.RetiredAt = entry.Published, time.Time{}
		}
		save(v)
	}
}

// heap is what is in use, after the garbage is gone.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkManyVersions measures the first issue and the first verification after a
// start, under a type with as many versions of the largest schema as there may be.
func BenchmarkManyVersions(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("versions=%d", n), func(b *testing.B) {
			w := newWorld(b)
			w.manyVersions(b, max(n, 2), largestSchema)
			before := heap()
			var issue, again, verify time.Duration
			for i := 0; b.Loop(); i++ {
				r := w.Open(b)
				begin := time.Now()
				out, err := r.Registry.Issue(b.Context(), issuer, request(fmt.Sprint("样例", i)), fmt.Sprint("key-", i))
				if err != nil {
					b.Fatal(err)
				}
				issue += time.Since(begin)
				begin = time.Now()
				if _, err := r.Registry.Issue(b.Context(), issuer, request(fmt.Sprint("样例又", i)), fmt.Sprint("again-", i)); err != nil {
					b.Fatal(err)
				}
				again += time.Since(begin)
				b.ReportMetric(float64(heap()-before)/(1<<20), "MiB-kept")
				runtime.KeepAlive(r)
				r = w.Open(b)
				begin = time.Now()
				v, err := r.Verifications.VerifyIdentifier(b.Context(), string(out.Identifier), out.VerificationCode)
				if err != nil || v.Verdict != credential.Valid {
					b.Fatal(v, err)
				}
				verify += time.Since(begin)
			}
			b.ReportMetric(float64(issue.Microseconds())/1000/float64(b.N), "ms/first-issue")
			b.ReportMetric(float64(again.Microseconds())/1000/float64(b.N), "ms/second-issue")
			b.ReportMetric(float64(verify.Microseconds())/1000/float64(b.N), "ms/first-verify")
		})
	}
}

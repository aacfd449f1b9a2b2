package api

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/signing/journal"
)

// TestUnavailable takes writing away in several ways: everything that would be
// recorded gets 503, nothing is half done, and all is well when it is back.
// Verifying, which records nothing, goes on.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	s := newService(t, serviceConfig{VFS: d.name})
	out := s.issue(t, "1")
	id := "/v1/licenses/" + out.ID
	before := countEvents(t, s, out.ID)
	for name, set := range map[string]func(bool){"full disk": d.full.Store, "read-only file": d.ro.Store} {
		t.Run(name, func(t *testing.T) {
			set(true)
			defer set(false)
			for _, b := range []struct {
				c             *clientOfTest
				request, body string
			}{
				{s.department, "POST /v1/licenses", jsonText(issueBody("2", nil))},
				{s.department, "POST " + id + "/suspend", jsonText(suspendBody())},
				{s.department, "POST " + id + "/end", jsonText(endBody())},
				{s.catalog, "PUT /v1/license-types/" + sampleType, jsonText(definition(nil))},
				{s.reader, "GET " + id, ""},
				{s.reader, "GET " + id + "/credential", ""},
				{s.reader, "POST /v1/licenses/search", `{}`},
				{s.reader, "POST /v1/licenses", "refused, but the event can't be stored"},
				{s.stranger, "GET " + id, ""},
			} {
				method, path, _ := strings.Cut(b.request, " ")
				a := s.call(t, b.c, method, path, b.body, idempotencyKey, "k2").want(t, 503, "storage_unavailable")
				if a.Header.Get("Retry-After") == "" || strings.Contains(a.body, out.VerificationCode) {
					t.Errorf("%s: %v %s", b.request, a.Header, a.body)
				}
			}
			s.verifyCredential(t, out.Credential).wantVerdict(t, "valid", "status pass in_force")
		})
	}
	// The request that could not be stored is stored when it is repeated.
	a := s.call(t, s.department, "POST", "/v1/licenses", issueBody("2", nil), idempotencyKey, "k2").want(t, 201, "")
	if a.Header.Get("Idempotency-Replayed") != "" {
		t.Error("what was answered with 503 had been stored")
	}
	if l := readLicense(t, s, id); l["state"] != "active" || l["revision"] != 1.0 {
		t.Errorf("the license is %v", l)
	}
	if after := countEvents(t, s, out.ID); after != before+1 { // that reading
		t.Errorf("%d events, before %d", after, before)
	}
	var found struct{ Licenses []object }
	mustOf(t)(jsonInto(s.call(t, s.reader, "POST", "/v1/licenses/search", object{}).want(t, 200, ""), &found))
	if len(found.Licenses) != 2 {
		t.Errorf("%d licenses, want 2", len(found.Licenses))
	}
}

func countEvents(t *testing.T, s *service, id string) int {
	t.Helper()
	es, err := s.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.License, License: id}, 0, 1000)
	mustOf(t)(err)
	return len(es)
}

// A closed database is unavailable for everything, and never a 500.
func TestClosedDatabase(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	out := s.issue(t, "1")
	mustOf(t)(s.db.Close())
	s.call(t, s.reader, "GET", "/v1/licenses/"+out.ID, nil).want(t, 503, "storage_unavailable")
	s.call(t, s.department, "POST", "/v1/licenses", issueBody("2", nil), idempotencyKey, "2").want(t, 503, "storage_unavailable")
	s.call(t, nil, "POST", "/v1/verify", object{"identifier": out.Identifier, "verification_code": out.VerificationCode}).want(t, 503, "storage_unavailable")
	// What is in hand can be verified but for its state.
	s.verifyCredential(t, out.Credential).wantVerdict(t, "indeterminate", "status unknown status_unavailable")
	a := s.call(t, nil, "GET", "/v1/trust/status-lists/1", nil)
	if a.StatusCode != 200 && a.StatusCode != 503 {
		t.Errorf("status list: %d", a.StatusCode)
	}
}

// A disk that fills up in the middle of many requests: each is answered with
// 201 and there, or with 503 and not.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	const issuers, each = 8, 6
	d := newDisk(t)
	s := newService(t, serviceConfig{VFS: d.name})
	var mu sync.Mutex
	stored := map[string]bool{}
	var wg sync.WaitGroup
	for i := range issuers {
		wg.Go(func() {
			for j := range each {
				if j == each/2 && i == 0 {
					d.full.Store(true)
				}
				number := fmt.Sprint(i, "-", j)
				a := s.call(t, s.department, "POST", "/v1/licenses", issueBody(number, nil), idempotencyKey, number)
				if a.StatusCode != 201 && (a.StatusCode != 503 || a.member("reason") != "storage_unavailable") {
					t.Errorf("got %d %s", a.StatusCode, a.body)
				}
				mu.Lock()
				stored[number] = a.StatusCode == 201
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	d.full.Store(false)
	refused := 0
	for number, there := range stored {
		a := s.call(t, s.department, "POST", "/v1/licenses", issueBody(number, nil), idempotencyKey, number).want(t, 201, "")
		if replayed, _ := strconv.ParseBool(a.Header.Get("Idempotency-Replayed")); replayed != there {
			t.Errorf("license %s was answered %v and is stored %v", number, there, replayed)
		}
		if !there {
			refused++
		}
	}
	if refused == 0 {
		t.Error("the disk was never full")
	}
}

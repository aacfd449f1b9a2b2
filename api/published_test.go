package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/signing"
)

// Documents that are served before anything else look as those that aren't.
func TestPublishedDocuments(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true, Quiet: true, Empty: true})
	for path, document := range s.documents {
		first := s.call(t, nil, "GET", path, nil).want(t, 200, "") // the ordinary way: it is made
		ready := s.call(t, nil, "GET", path, nil).want(t, 200, "")
		head := s.call(t, nil, "HEAD", path, nil).want(t, 200, "")
		for name, want := range map[string]string{
			"Content-Type": document.media, "Etag": `"`, "Cache-Control": "public, max-age=", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff",
		} {
			got := ready.Header.Get(name)
			if got != first.Header.Get(name) || got != head.Header.Get(name) || !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q, %q, %q", path, name, first.Header.Get(name), got, head.Header.Get(name))
			}
		}
		if ready.body != first.body || ready.body == "" || ready.ContentLength != int64(len(first.body)) || head.ContentLength != ready.ContentLength {
			t.Errorf("%s: %q, then %q", path, first.body, ready.body)
		}
		if ready.Header.Get("X-Request-Id") != "" || head.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s went the wrong way", path)
		}
		tag := ready.Header.Get("Etag")
		for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if a := s.call(t, nil, "GET", path, nil, "If-None-Match", match); a.StatusCode != http.StatusNotModified || a.body != "" || a.Header.Get("Etag") != tag {
				t.Errorf("%s with %s: %d %q", path, match, a.StatusCode, a.body)
			}
		}
		s.call(t, nil, "GET", path, nil, "If-None-Match", `"x"`).want(t, 200, "")
		s.call(t, nil, "GET", path+"?x=%zz;", nil).want(t, 200, "")
		s.call(t, nil, "POST", path, nil).want(t, 405, "method_not_allowed")
		s.call(t, nil, "GET", path+"/", nil).want(t, 404, "not_found")
	}
}

// A new key stands in the set soon, a revoked one is gone as soon.
func TestKeySetFollows(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Quiet: true, Empty: true})
	kids := func() string { return s.call(t, nil, "GET", jwksPath, nil).want(t, 200, "").body }
	before := kids()
	k, err := s.keys.Rotate(t.Context(), nil, signing.PurposeAccessToken, "", time.Now())
	mustOf(t)(err)
	end := time.Now().Add(keySetFresh + 2*time.Second)
	for !strings.Contains(kids(), string(k.ID)) {
		if time.Now().After(end) {
			t.Fatalf("the new key %s is not there: %s", k.ID, kids())
		}
		time.Sleep(100 * time.Millisecond)
	}
	if strings.Contains(before, string(k.ID)) {
		t.Error("it was there before")
	}
}

// Of many that find a document old one makes it anew.
func TestPublishedIsMadeOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	made := 0
	p := &published{media: "application/json", fresh: time.Hour, make: func(context.Context) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		made++
		return made, nil
	}}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if d, err := p.load(t.Context()); err != nil || string(d.body) != "1" {
				t.Errorf("got %v, %v", d, err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

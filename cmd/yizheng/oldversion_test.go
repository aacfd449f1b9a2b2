package main_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/rest"
	"yizheng.internal/license/credential"
)

// A directory that the program of commit d076828 made, the last one before records
// were authenticated (yizheng demo --data DIR, stopped; everything in it is made up):
// today's program upgrades it, reads what is in it, and refuses from then on what was
// written past it.
func TestUpgradeFromBeforeAuthenticators(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	unpack(t, "testdata/old/before-authenticators.tgz", dir)
	text, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	var old struct {
		Clients []struct {
			ID     string   `json:"client_id"`
			Secret string   `json:"client_secret"`
			Scopes []string `json:"scopes"`
		} `json:"clients"`
		Licenses []rest.Issued `json:"licenses"`
	}
	if err := json.Unmarshal(text, &old); err != nil || len(old.Licenses) < 10 {
		t.Fatalf("%v, %d licenses", err, len(old.Licenses))
	}

	s := startServer(t, serverOptions{Data: dir})
	if !strings.Contains(s.Log(), "every record has its authenticator") {
		t.Errorf("nothing was upgraded:\n%s", s.Log())
	}
	read, valid, invalid := 0, 0, 0
	for _, c := range old.Clients {
		if !strings.Contains(strings.Join(c.Scopes, " "), "license:read") {
			continue
		}
		client := &apiClient{BaseURL: s.BaseURL, ID: c.ID, Secret: c.Secret}
		for _, l := range old.Licenses {
			var out struct {
				State string `json:"state"`
			}
			err := client.Do(t.Context(), "GET", "/v1/licenses/"+string(l.ID), nil, &out)
			if e, ok := errors.AsType[*statusError](err); ok && e.Status == http.StatusNotFound { // another authority's
				continue
			}
			if err != nil || out.State == "" {
				t.Fatalf("reading a license: %q, %v", out.State, err)
			}
			read++
			v, err := client.Verify(t.Context(), l)
			switch {
			case err != nil:
				t.Fatal(err)
			case v.Verdict == credential.Valid:
				valid++
			default:
				invalid++
			}
		}
	}
	if read != len(old.Licenses) || valid < 5 || invalid < 1 {
		t.Errorf("of %d licenses %d are read, %d are valid and %d are not", len(old.Licenses), read, valid, invalid)
	}
	out := s.Command(t, "doctor", "--public-url", publicURL)
	if strings.Contains(out, "refused") || !strings.Contains(out, "as this service wrote them") {
		t.Errorf("doctor:\n%s", out)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	s = startServer(t, s.Options)
	if strings.Contains(s.Log(), "every record has its authenticator") {
		t.Error("it is upgraded a second time")
	}
	first := old.Clients[0]
	s.Command(t, "client", "disable", first.ID)
	if _, err := (&apiClient{BaseURL: s.BaseURL, ID: first.ID, Secret: first.Secret}).Token(t.Context()); err == nil {
		t.Error("a client that was disabled after the upgrade gets a token")
	}
}

// unpack unpacks an archive of files into a new directory.
func unpack(t *testing.T, name, dir string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(r)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o700)
		}
		if err == nil {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

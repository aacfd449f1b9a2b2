package outbound

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestFetchList(t *testing.T) {
	list := bytes.Repeat([]byte("l"), maxList)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list":
			_, _ = w.Write(list)
		case "/long":
			_, _ = w.Write(append(list, 'x'))
		case "/away":
			http.Redirect(w, r, "/list", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	if got, err := FetchList(t.Context(), s.URL+"/list", true); err != nil || !bytes.Equal(got, list) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, path := range []string{"/long", "/away", "/nowhere"} {
		if _, err := FetchList(t.Context(), s.URL+path, true); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
	if _, err := FetchList(t.Context(), s.URL+"/list", false); !errors.Is(err, ErrForbiddenAddress) {
		t.Errorf("a private address: %v", err)
	}
}

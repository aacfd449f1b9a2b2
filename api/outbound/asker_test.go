package outbound_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/outbound"
	"yizheng.internal/oidc/identity/upstream"
)

// peer is another provider that answers as a test has it answer.
func peer(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

func asks(private bool) *outbound.Asker {
	return outbound.NewAsker(outbound.AskerConfig{Private: private})
}

// What is asked arrives as it should, once.
func TestAsk(t *testing.T) {
	t.Parallel()
	var got []string
	url := peer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		got = append(got, strings.Join([]string{r.Method, r.Header.Get("Content-Type"), string(body), user, password, r.Header.Get("Authorization")}, "|"))
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(map[bool]int{true: 400, false: 200}[r.Method == "POST"])
		_, _ = io.WriteString(w, `{"a":1}`)
	})
	for _, tt := range []struct {
		q      upstream.Question
		want   string
		status int
	}{
		{upstream.Question{URL: url, Bearer: "x"}, "GET|||||Bearer x", 200},
		{upstream.Question{URL: url, Form: []upstream.Field{{Name: "a", Value: "1 &=ü"}, {Name: "b", Value: ""}}, User: "u", Password: "p%2F"}, "POST|application/x-www-form-urlencoded|a=1+%26%3D%C3%BC&b=|u|p%2F|", 400},
		{upstream.Question{URL: url, JSON: []byte(`{"x":1}`)}, `POST|application/json|{"x":1}|||`, 400},
	} {
		got = nil
		status, body, err := asks(true).Ask(t.Context(), tt.q)
		if err != nil || status != tt.status || string(body) != `{"a":1}` || len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%d %s, %v; it got %q, want %q", status, body, err, got, tt.want)
		}
	}
}

// Attacks: a provider that is slow, endless, sends elsewhere, or is somewhere where no request may go.
func TestAskRefuses(t *testing.T) {
	t.Parallel()
	inside := 0
	hidden := peer(t, func(w http.ResponseWriter, r *http.Request) { inside++ })
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	for name, answer := range map[string]http.HandlerFunc{
		"a redirect to loopback": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, hidden, http.StatusFound) },
		"a redirect that keeps the method": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, hidden, http.StatusTemporaryRedirect)
		},
		"an endless answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 100 {
				_, _ = io.WriteString(w, strings.Repeat(" ", 8<<10))
			}
		},
		"a page": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "{}")
		},
		"an answer that stops": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{}")
		},
		"no answer": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or else the server doesn't see who hangs up
			select {
			case <-ended:
			case <-r.Context().Done():
			}
		},
		"a drop at a time": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			for {
				select {
				case <-ended:
					return
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
					_, _ = io.WriteString(w, " ")
					w.(http.Flusher).Flush()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := peer(t, answer)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			status, body, err := asks(true).Ask(ctx, upstream.Question{URL: url, Form: []upstream.Field{{Name: "code", Value: "secret-code"}}})
			if err == nil {
				t.Errorf("%d, %d bytes", status, len(body))
			}
			if took := time.Since(began); took > upstream.Patience+2*time.Second {
				t.Errorf("it took %s", took)
			}
			if err != nil && (strings.Contains(err.Error(), "secret-code") || strings.Contains(err.Error(), url)) {
				t.Errorf("the error says too much: %v", err)
			}
		})
	}
	if _, _, err := asks(false).Ask(t.Context(), upstream.Question{URL: hidden}); !errors.Is(err, outbound.ErrForbiddenAddress) {
		t.Errorf("a private address: %v", err)
	}
	if inside != 0 {
		t.Errorf("%d requests came where none may go", inside)
	}
}

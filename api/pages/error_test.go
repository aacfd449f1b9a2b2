package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
)

// A page says how long to wait as the API does: what is known of that, or else what stands
// for it.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	texts, err := web.New()
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Issuer: "https://id.example", Address: nowhere, Web: texts})
	for _, tt := range []struct {
		name string
		p    problem.Problem
		want string
	}{
		{"lost records", problem.Problem{Status: http.StatusServiceUnavailable, Reason: "records_lost", RetryAfter: 60}, "60"},
		{"nothing is known", problem.Problem{Status: http.StatusServiceUnavailable, Reason: "storage_unavailable"}, "5"},
		{"too many", problem.Problem{Status: http.StatusTooManyRequests, Reason: "too_many", RetryAfter: 7}, "7"},
		{"too many, and nothing is known", problem.Problem{Status: http.StatusTooManyRequests, Reason: "too_many"}, "60"},
		{"nowhere", problem.Problem{Status: http.StatusNotFound, Reason: "not_found"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r = r.WithContext(problem.WithFacts(r.Context(), &problem.Facts{Page: true}))
			if !s.ShowError(w, r, tt.p, &tt.p) {
				t.Fatal("no page is shown")
			}
			if got := w.Header().Get("Retry-After"); w.Code != tt.p.Status || got != tt.want {
				t.Errorf("status %d, Retry-After %q; want %d, %q", w.Code, got, tt.p.Status, tt.want)
			}
		})
	}
}

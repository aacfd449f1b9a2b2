package pages

import (
	"net/http"
	"strconv"
	"strings"

	"yizheng.internal/api/problem"
)

// static serves a static file. It may be cached forever, because its name changes with its
// content.
func (s *Site) static(w http.ResponseWriter, r *http.Request) error {
	a, ok := s.c.Web.Asset(r.PathValue("file"))
	if !ok {
		return problem.Nowhere()
	}
	h, body := w.Header(), a.Body
	h.Set("Content-Type", a.Media)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = a.Packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) == "gzip" {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.0")
		}
	}
	return false
}

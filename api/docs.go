package api

import (
	"net/http"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
)

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	return document(w, "application/vnd.oai.openapi+json;version=3.1", s.description.JSON())
}

// pagePolicy lets a page have the service's style and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// documentation serves the page in the language of ui_locales, or else in that of the
// other pages.
func (s *Server) documentation(w http.ResponseWriter, r *http.Request) error {
	lang := s.site.Language(w, r)
	for tag := range strings.FieldsSeq(r.URL.Query().Get("ui_locales")) {
		if l, ok := web.ParseLanguage(tag); ok {
			lang = l
			break
		}
	}
	page, err := s.docs[lang]()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Content-Language", string(lang))
	w.Header().Set("Vary", "Accept-Language, Cookie")
	return document(w, "text/html; charset=utf-8", page)
}

func document(w http.ResponseWriter, media string, body []byte) error {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(body)
	return nil
}

// nowhere answers what no route is for: with 405 if the path has a route for
// another method.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, m := range []string{"GET", "HEAD", "PUT", "POST"} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := s.mux.Handler(other); pattern != "/" && pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return problem.Refuse(http.StatusMethodNotAllowed, "method_not_allowed", "This path takes "+strings.Join(allowed, ", ")+".")
	}
	return problem.Nowhere()
}

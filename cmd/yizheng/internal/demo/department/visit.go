package department

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// visit is what the system keeps of one browser: a login under way, and what
// came of it. A visit is never changed once it is kept, so it needs no lock.
type visit struct {
	since    time.Time
	ask      *ask      // under way; nil: none
	login    *login    // nil: nobody is logged in
	received *received // nil: no materials yet
}

// login is who is logged in here.
type login struct {
	Name    string
	Subject string // pairwise: of this department's own
	// CodeType and Code are what the state knows the person by.
	CodeType, Code string
	idToken        string // for logging out at the provider
}

// Visits end after an hour, and a full store forgets the oldest.
const (
	visitLife = time.Hour
	maxVisits = 10_000
)

func (v *visit) user() *login {
	if v == nil {
		return nil
	}
	return v.login
}

func (v *visit) outcome() *received {
	if v == nil {
		return nil
	}
	return v.received
}

// cookie returns the name of the system's cookie.
func (s *System) cookie() string {
	if strings.HasPrefix(s.c.URL, "https://") {
		return "__Host-" + s.c.Profile.Cookie
	}
	return s.c.Profile.Cookie
}

// visit returns the visit of a browser, or nil.
func (s *System) visit(r *http.Request) *visit {
	c, err := r.Cookie(s.cookie())
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.visits[c.Value]
	if v == nil || time.Since(v.since) > visitLife {
		return nil
	}
	return v
}

// keep keeps a visit under a new cookie in place of the browser's earlier one:
// nobody gets into a login by a cookie that was known before it.
func (s *System) keep(w http.ResponseWriter, r *http.Request, v visit) {
	key := rand.Text()
	v.since = time.Now()
	s.mu.Lock()
	if c, err := r.Cookie(s.cookie()); err == nil {
		delete(s.visits, c.Value)
	}
	for oldest := ""; len(s.visits) >= maxVisits; oldest = "" {
		for k, other := range s.visits {
			if oldest == "" || other.since.Before(s.visits[oldest].since) {
				oldest = k
			}
		}
		delete(s.visits, oldest)
	}
	s.visits[key] = &v
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: s.cookie(), Value: key, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.c.URL, "https://"), MaxAge: int(visitLife / time.Second),
	})
}

// forget ends a browser's visit.
func (s *System) forget(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(s.cookie()); err == nil {
		s.mu.Lock()
		delete(s.visits, c.Value)
		s.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.cookie(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.c.URL, "https://"), MaxAge: -1,
	})
}

package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"yizheng.internal/signing/strictjson"
)

// published is a document that everybody may read and that seldom changes: the
// provider's metadata, its key set. It is made once in a while and served as it
// is. Safe for concurrent use.
type published struct {
	media string
	fresh time.Duration // for which it is served before it is made again; 0: for good
	age   time.Duration // for which who reads it may keep it
	https bool          // browsers are to come by nothing else
	make  func(context.Context) (any, error)

	turn sync.Mutex // held by who makes it
	made atomic.Pointer[madeDocument]
}

type madeDocument struct {
	body   []byte
	header http.Header // all that never differs between two answers
	etag   string
	at     time.Time
}

// ready returns the document, or nil if it is time to make it.
func (p *published) ready() *madeDocument {
	if d := p.made.Load(); d != nil && (p.fresh == 0 || time.Since(d.at) < p.fresh) {
		return d
	}
	return nil
}

// load returns the document, made anew if it is time. Of many that find it old
// one makes it; the others are served the old one meanwhile.
func (p *published) load(ctx context.Context) (*madeDocument, error) {
	if d := p.ready(); d != nil {
		return d, nil
	}
	d := p.made.Load()
	if d == nil {
		p.turn.Lock()
	} else if !p.turn.TryLock() {
		return d, nil
	}
	defer p.turn.Unlock()
	if now := p.made.Load(); now != d {
		return now, nil // somebody made it while we waited
	}
	began := time.Now()
	v, err := p.make(ctx)
	if err != nil {
		return nil, err
	}
	body, err := strictjson.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	d = &madeDocument{body: body, etag: etag, at: began, header: http.Header{
		"Content-Type":                {p.media},
		"Content-Length":              {strconv.Itoa(len(body))},
		"Cache-Control":               {"public, max-age=" + strconv.Itoa(int(p.age/time.Second))},
		"Etag":                        {etag},
		"X-Content-Type-Options":      {"nosniff"},
		"Access-Control-Allow-Origin": {"*"}, // without credentials: it is for everybody
	}}
	if p.https {
		d.header["Strict-Transport-Security"] = []string{strictTransport}
	}
	p.made.Store(d)
	return d, nil
}

// serve answers a GET or HEAD.
func (p *published) serve(w http.ResponseWriter, r *http.Request) error {
	d, err := p.load(r.Context())
	if err != nil {
		return err
	}
	d.serve(w, r)
	return nil
}

func (d *madeDocument) serve(w http.ResponseWriter, r *http.Request) (status int) {
	h := w.Header()
	maps.Copy(h, d.header)
	if noneMatch(r.Header.Values("If-None-Match"), d.etag) {
		delete(h, "Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return http.StatusNotModified
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(d.body) // an error is the connection's
	}
	return http.StatusOK
}

// published serves documents that are ready before anything else looks at the
// request: relying parties ask for them all the time. Nothing in such a request
// matters but its path, so there is nothing to log; it is measured as every other.
func (s *Server) published(next http.Handler) http.Handler {
	if s.c.Log.Enabled(context.Background(), slog.LevelDebug) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && s.refusal() == nil && r.URL.RawQuery == "" && len(r.URL.Path) <= longestPublished {
			if p, ok := s.documents[r.URL.Path]; ok {
				if d := p.ready(); d != nil {
					begin := time.Now()
					status := d.serve(w, r)
					s.metrics.requests.WithLabelValues("GET "+r.URL.Path, class(status)).Observe(time.Since(begin).Seconds())
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// longestPublished is the length of the longest path of a published document.
const longestPublished = len(metadataPath)

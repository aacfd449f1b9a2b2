package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/strictjson"
)

// document is a document that everybody may read and that seldom changes: the
// provider's metadata or its key set. It is made from time to time, and all answers are
// copies of it. Safe for concurrent use.
type document struct {
	media string
	fresh time.Duration // how long it is served before it is made again; 0: forever
	age   time.Duration // how long readers may cache it
	make  func(context.Context) (any, error)
	// strictTransport is the header of that name; empty: none.
	strictTransport string

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
func (p *document) ready() *madeDocument {
	if d := p.made.Load(); d != nil && (p.fresh == 0 || time.Since(d.at) < p.fresh) {
		return d
	}
	return nil
}

// load returns the document, and makes it again if it is time. If several requests find it
// too old, one of them makes it, and the others get the old one.
func (p *document) load(ctx context.Context) (*madeDocument, error) {
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
	if p.strictTransport != "" {
		d.header["Strict-Transport-Security"] = []string{p.strictTransport}
	}
	p.made.Store(d)
	return d, nil
}

// serve answers a GET or HEAD.
func (p *document) serve(w http.ResponseWriter, r *http.Request) error {
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
	if NoneMatch(r.Header.Values("If-None-Match"), d.etag) {
		delete(h, "Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return http.StatusNotModified
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(d.body) // an error is the connection's
	}
	return http.StatusOK
}

// KeySetFresh is how long a key set is served before it is made again.
const KeySetFresh = 5 * time.Second

// documentsOf returns the provider's documents, by their paths.
func documentsOf(c Config) map[string]*document {
	all := map[string]*document{JWKSPath: {
		// A key is in the set for KeySetAge before it signs. So the set is cached that long at
		// most: for KeySetFresh here, and for the rest of the time by readers.
		media: "application/jwk-set+json", fresh: KeySetFresh, age: signing.KeySetAge - KeySetFresh,
		make: func(ctx context.Context) (any, error) { return c.Tokens.KeySet(ctx) },
	}}
	about := &document{media: "application/json", age: signing.KeySetAge, make: func(context.Context) (any, error) { return MetadataOf(c.Issuer, c.People), nil }}
	all[MetadataPath] = about
	if c.People {
		all[DiscoveryPath] = about
	}
	for _, d := range all {
		d.strictTransport = c.StrictTransport
	}
	return all
}

// Documents returns the paths of the provider's documents.
func (o *Endpoints) Documents() []string { return slices.Sorted(maps.Keys(o.documents)) }

// Document serves the document whose path the request names, for GET and HEAD.
func (o *Endpoints) Document(w http.ResponseWriter, r *http.Request) error {
	return o.documents[r.URL.Path].serve(w, r)
}

// Ready serves a document that is ready before anything else looks at the request,
// because relying parties ask for them all the time. Only the path of such a request
// matters, so nothing is logged. It is measured like every other request.
func (o *Endpoints) Ready(next http.Handler) http.Handler {
	if o.c.Log.Enabled(context.Background(), slog.LevelDebug) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.RawQuery == "" && len(r.URL.Path) <= longestPath && o.c.Refusal() == nil {
			if p, ok := o.documents[r.URL.Path]; ok {
				if d := p.ready(); d != nil {
					begin := time.Now()
					status := d.serve(w, r)
					o.c.Served(r.URL.Path, status, time.Since(begin))
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// longestPath is the length of the longest path of a document.
const longestPath = len(MetadataPath)

// NoneMatch reports whether the caller already has the version that the tag names
// (RFC 9110, section 13.1.2). Our tags contain no comma.
func NoneMatch(headers []string, tag string) bool {
	for t := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

// Package apitest has a browser without JavaScript, for tests that use the pages
// as a person does.
package apitest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Browser keeps cookies and follows redirects, and pages that refresh at once, as one person's browser.
type Browser struct {
	T testing.TB
	// Stop reports whether the browser stays where it is instead of going to a
	// URL: at a client's, whose answer the test takes itself. Nil: it goes everywhere.
	Stop func(*url.URL) bool
	// From is the address from which it connects; empty: any.
	From string
	// Refuse has it keep no cookies, as people set up theirs.
	Refuse bool

	jar    *cookiejar.Jar
	client *http.Client
	set    []*http.Cookie // all cookies that were ever set, with their attributes
}

// maxRedirects is how many redirects in a row are no circle.
const maxRedirects = 20

// NewBrowser returns a browser that nobody has used.
func NewBrowser(t testing.TB) *Browser {
	jar, _ := cookiejar.New(nil) // without options it can't fail
	b := &Browser{T: t, jar: jar}
	transport := &http.Transport{MaxIdleConnsPerHost: 8, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(b.From)}}
		return d.DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	b.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b
}

// Page is what a browser shows.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
	// To is where the browser was sent and didn't go, by Stop; nil: nowhere.
	To *url.URL

	b    *Browser
	root *html.Node
}

// Get opens a URL, relative to nothing.
func (b *Browser) Get(rawURL string) *Page {
	b.T.Helper()
	r, err := http.NewRequestWithContext(b.T.Context(), http.MethodGet, rawURL, nil)
	if err != nil {
		b.T.Fatal(err)
	}
	return b.Do(r)
}

// Post sends a form as a page of the same site does.
func (b *Browser) Post(rawURL string, form url.Values) *Page {
	b.T.Helper()
	return b.Do(b.form(rawURL, form))
}

// form returns a form's request, with the headers by which a browser says that
// a page of the same origin sent it.
func (b *Browser) form(rawURL string, form url.Values) *http.Request {
	b.T.Helper()
	r, err := http.NewRequestWithContext(b.T.Context(), http.MethodPost, rawURL, strings.NewReader(form.Encode()))
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// Do sends a request with the browser's cookies, and follows redirects.
func (b *Browser) Do(r *http.Request) *Page {
	b.T.Helper()
	p, err := b.Try(r)
	if err != nil {
		b.T.Fatal(err)
	}
	return p
}

// Try is Do for those who expect that no answer comes.
func (b *Browser) Try(r *http.Request) (*Page, error) {
	for range maxRedirects {
		p, err := b.once(r)
		if err != nil {
			return nil, err
		}
		location := p.Header.Get("Location")
		if to, ok := strings.CutPrefix(p.Header.Get("Refresh"), "0;url="); ok && p.Status == http.StatusOK {
			location = to
		} else if location == "" || p.Status < 300 || p.Status > 399 {
			return p, nil
		}
		to, err := p.URL.Parse(location)
		if err != nil {
			return nil, err
		}
		if b.Stop != nil && b.Stop(to) {
			p.To = to
			return p, nil
		}
		if r, err = http.NewRequestWithContext(r.Context(), http.MethodGet, to.String(), nil); err != nil {
			return nil, err
		}
	}
	b.T.Fatalf("more than %d redirects, the last to %s", maxRedirects, r.URL)
	return nil, nil
}

// once sends one request.
func (b *Browser) once(r *http.Request) (*Page, error) {
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	}
	answer, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if !b.Refuse {
		b.jar.SetCookies(r.URL, answer.Cookies())
	}
	b.set = append(b.set, answer.Cookies()...)
	p := &Page{URL: r.URL, Status: answer.StatusCode, Header: answer.Header, Body: string(body), b: b}
	p.root, err = html.Parse(strings.NewReader(p.Body))
	return p, err
}

// Cookies returns the cookies that are sent to a URL.
func (b *Browser) Cookies(rawURL string) []*http.Cookie {
	u, err := url.Parse(rawURL)
	if err != nil {
		b.T.Fatal(err)
	}
	return b.jar.Cookies(u)
}

// SetCookie plants a cookie, as somebody could who has power over a neighbor site.
func (b *Browser) SetCookie(rawURL string, c *http.Cookie) {
	u, err := url.Parse(rawURL)
	if err != nil {
		b.T.Fatal(err)
	}
	b.jar.SetCookies(u, []*http.Cookie{c})
}

// Set returns all cookies that this browser was ever told to keep, as they were set.
func (b *Browser) Set() []*http.Cookie { return b.set }

// Forget drops all cookies.
func (b *Browser) Forget() { b.jar, _ = cookiejar.New(nil) }

// Clone returns another browser with the same cookies, as a thief of them has.
func (b *Browser) Clone(rawURL string) *Browser {
	other := NewBrowser(b.T)
	other.Stop = b.Stop
	u, err := url.Parse(rawURL)
	if err != nil {
		b.T.Fatal(err)
	}
	other.jar.SetCookies(u, b.jar.Cookies(u))
	return other
}

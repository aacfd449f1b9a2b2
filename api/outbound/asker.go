package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"yizheng.internal/oidc/identity/upstream"
)

// AskerConfig says whom an Asker may ask.
type AskerConfig struct {
	Private bool           // it may be on loopback or in a private network
	Roots   *x509.CertPool // that its certificate leads to; default: the system's
}

// Asker asks another provider for JSON. It implements [upstream.Outside].
type Asker struct{ client *http.Client }

// NewAsker returns an Asker.
func NewAsker(c AskerConfig) *Asker {
	return &Asker{newClient(upstream.Patience, c.Private, c.Roots)}
}

// Ask implements [upstream.Outside]. A question is never sent twice.
func (a *Asker) Ask(ctx context.Context, q upstream.Question) (int, []byte, error) {
	r, err := request(ctx, q)
	if err != nil {
		return 0, nil, errors.New("making a request to another provider")
	}
	answer, err := do(a.client, r)
	if err != nil {
		return 0, nil, fmt.Errorf("asking another provider: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, upstream.MaxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, errors.New("reading another provider's answer: it ended early, or took too long")
	case len(body) > upstream.MaxAnswer:
		return 0, nil, fmt.Errorf("another provider's answer has more than %d bytes", upstream.MaxAnswer)
	case answer.StatusCode/100 == 3:
		return 0, nil, fmt.Errorf("another provider answered with a redirect, status %d: none is followed", answer.StatusCode)
	}
	media, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if answer.StatusCode == http.StatusOK && (err != nil || media != "application/json" && media != "application/jwk-set+json") {
		return 0, nil, errors.New("another provider's answer isn't called JSON")
	}
	return answer.StatusCode, body, nil
}

// request returns a question as it is sent.
func request(ctx context.Context, q upstream.Question) (*http.Request, error) {
	method, media, body := http.MethodGet, "", []byte(nil)
	switch {
	case q.Form != nil:
		form := url.Values{}
		for _, f := range q.Form {
			form.Set(f.Name, f.Value)
		}
		method, media, body = http.MethodPost, "application/x-www-form-urlencoded", []byte(form.Encode())
	case q.JSON != nil:
		method, media, body = http.MethodPost, "application/json", q.JSON
	}
	r, err := http.NewRequestWithContext(ctx, method, q.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.GetBody = nil // so that the transport never sends it a second time by itself
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "yizheng")
	switch {
	case q.User != "":
		r.SetBasicAuth(q.User, q.Password)
	case q.Bearer != "" && !strings.ContainsAny(q.Bearer, "\r\n"):
		r.Header.Set("Authorization", "Bearer "+q.Bearer)
	}
	return r, nil
}

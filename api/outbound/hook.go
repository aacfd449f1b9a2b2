package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"yizheng.internal/oidc"
)

// HookConfig says where a system of the operator's is asked, such as the SMS gateway.
type HookConfig struct {
	URL     string         // https
	Secret  oidc.Secret    // sent as a bearer token
	Private bool           // it may be on loopback or in a private network
	Roots   *x509.CertPool // that its certificate leads to; default: the system's
	Timeout time.Duration  // of a request; default: 8 seconds
}

// hook asks a system of the operator's by a POST with JSON.
type hook struct {
	c      HookConfig
	asking string // what errors begin with, such as "asking the SMS gateway"
	client *http.Client
}

// newHook checks c. asking begins the errors, which hold neither the URL nor the secret.
func newHook(asking string, c HookConfig) (*hook, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil, u.Scheme != "https", u.Host == "", u.User != nil, u.Fragment != "":
		return nil, errors.New("the URL must be absolute, begin with https://, and have neither user nor fragment") // it may hold a secret
	case c.Secret.Reveal() == "" || strings.ContainsFunc(c.Secret.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the secret must be visible ASCII characters, without spaces")
	case c.Timeout < 0:
		return nil, fmt.Errorf("the timeout is %v", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = 8 * time.Second
	}
	return &hook{c, asking, newClient(c.Timeout, c.Private, c.Roots)}, nil
}

// post sends a request, once: a message must not be sent twice. taken is false if the system surely didn't
// get it. The caller reads and closes the answer's body. No error holds anything of body.
func (h *hook) post(ctx context.Context, body any) (answer *http.Response, taken bool, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, false, fmt.Errorf("%s: it is not UTF-8", h.asking)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.c.URL, bytes.NewReader(text))
	if err != nil {
		return nil, false, fmt.Errorf("%s: no request can be made", h.asking)
	}
	var handed atomic.Bool
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { handed.Store(true) }}))
	r.GetBody = nil // so that the transport never sends it a second time by itself
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+h.c.Secret.Reveal())
	r.Header.Set("User-Agent", "yizheng")
	answer, err = do(h.client, r)
	if err != nil {
		return nil, handed.Load(), fmt.Errorf("%s: %w", h.asking, err)
	}
	return answer, true, nil
}

package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/notice"
)

// SMSConfig says where text messages are handed over to be sent.
type SMSConfig struct {
	URL     string         // https
	Secret  oidc.Secret    // sent as a bearer token
	Private bool           // the gateway may be on loopback or in a private network
	Roots   *x509.CertPool // that its certificate leads to; default: the system's
	Timeout time.Duration  // of handing one over; default: 8 seconds
}

// SMS hands messages over to a gateway. It implements [notice.Sender].
//
// The gateway gets a POST with a JSON object {phone, text, code, kind}, all strings:
// phone in the form of E.164, text complete in the person's language, code and kind (one of
// [notice.Kind]) for gateways that fill templates of their own; code is empty where the
// message has none. Any status 2xx says that it took the
// message; the answer's body doesn't matter. A message is never handed over twice.
type SMS struct {
	c      SMSConfig
	client *http.Client
}

// NewSMS checks c and returns an SMS.
func NewSMS(c SMSConfig) (*SMS, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil, u.Scheme != "https", u.Host == "", u.User != nil, u.Fragment != "":
		return nil, errors.New("the gateway's URL must be absolute, begin with https://, and have neither user nor fragment") // it may hold a secret
	case c.Secret.Reveal() == "" || strings.ContainsFunc(c.Secret.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the gateway's secret must be visible ASCII characters, without spaces")
	case c.Timeout < 0:
		return nil, fmt.Errorf("the gateway's timeout is %v", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = 8 * time.Second
	}
	return &SMS{c, newClient(c.Timeout, c.Private, c.Roots)}, nil
}

// maxSMSAnswer is how much of a gateway's answer is read, for the connection to
// be of use again; in bytes.
const maxSMSAnswer = 8 << 10

// Send implements [notice.Sender]; no connection, and any other status but 502
// and 504, is [notice.ErrNotTaken]. No error holds the phone, the text or the code.
func (s *SMS) Send(ctx context.Context, m notice.Message) error {
	body, err := json.Marshal(struct {
		Phone string `json:"phone"`
		Text  string `json:"text"`
		Code  string `json:"code"`
		Kind  string `json:"kind"`
	}{m.Phone, m.Text, m.Code, string(m.Kind)})
	if err != nil {
		return errors.New("a message to the SMS gateway is not UTF-8")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("making a request to the SMS gateway")
	}
	var handed atomic.Bool
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { handed.Store(true) }}))
	r.GetBody = nil // so that the transport never sends it a second time by itself
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.c.Secret.Reveal())
	r.Header.Set("User-Agent", "yizheng")
	answer, err := s.client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	if err != nil && !handed.Load() {
		err = errors.Join(err, notice.ErrNotTaken)
	}
	if err != nil {
		return fmt.Errorf("asking the SMS gateway: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxSMSAnswer) // what is lost is the connection
	switch status := answer.StatusCode; {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout: // of a proxy: the gateway may have it
		return fmt.Errorf("the SMS gateway answered with status %d", status)
	default:
		return fmt.Errorf("the SMS gateway answered with status %d: %w", status, notice.ErrNotTaken)
	}
}

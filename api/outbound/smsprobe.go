package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// SMSProbe is what could be seen of a gateway without sending a message.
type SMSProbe struct {
	Status  int       // of its answer
	Expires time.Time // of its certificate
}

// Probe asks the gateway what it takes (OPTIONS, RFC 9110 section 9.3.7), with the
// secret and without a message: no gateway can send anything for it. Many answer
// before they look at the secret.
func (s *SMS) Probe(ctx context.Context) (SMSProbe, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodOptions, s.c.URL, nil)
	if err != nil {
		return SMSProbe{}, errors.New("making a request to the SMS gateway")
	}
	r.Header.Set("Authorization", "Bearer "+s.c.Secret.Reveal())
	r.Header.Set("User-Agent", "yizheng")
	answer, err := s.client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	if err != nil {
		return SMSProbe{}, fmt.Errorf("asking the SMS gateway: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxSMSAnswer)
	p := SMSProbe{Status: answer.StatusCode}
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		p.Expires = answer.TLS.PeerCertificates[0].NotAfter
	}
	return p, nil
}

package outbound

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Probe is what could be seen of a system without asking it for anything.
type Probe struct {
	Status  int       // of its answer
	Expires time.Time // of its certificate
}

// Probe asks the gateway what it takes, without a message.
func (s *SMS) Probe(ctx context.Context) (Probe, error) { return s.hook.probe(ctx) }

// Probe asks the system what it takes, without asking about anybody.
func (p *Proofing) Probe(ctx context.Context) (Probe, error) { return p.hook.probe(ctx) }

// probe asks what the system takes (OPTIONS, RFC 9110 section 9.3.7), with the secret and nothing else: no
// system can do anything for it. Many answer before they look at the secret.
func (h *hook) probe(ctx context.Context) (Probe, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodOptions, h.c.URL, nil)
	if err != nil {
		return Probe{}, fmt.Errorf("%s: no request can be made", h.asking)
	}
	r.Header.Set("Authorization", "Bearer "+h.c.Secret.Reveal())
	r.Header.Set("User-Agent", "yizheng")
	answer, err := do(h.client, r)
	if err != nil {
		return Probe{}, fmt.Errorf("%s: %w", h.asking, err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxSMSAnswer)
	p := Probe{Status: answer.StatusCode}
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		p.Expires = answer.TLS.PeerCertificates[0].NotAfter
	}
	return p, nil
}

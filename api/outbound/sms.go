package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"yizheng.internal/oidc/identity/notice"
)

// SMS hands messages over to a gateway. It implements [notice.Sender].
//
// The gateway gets a POST with a JSON object {phone, text, code, kind}, all strings:
// phone in the form of E.164, text complete in the person's language, code and kind (one of
// [notice.Kind]) for gateways that fill templates of their own; code is empty where the
// message has none. Any status 2xx says that it took the
// message; the answer's body doesn't matter. A message is never handed over twice.
type SMS struct{ hook *hook }

// NewSMS checks c and returns an SMS.
func NewSMS(c HookConfig) (*SMS, error) {
	h, err := newHook("asking the SMS gateway", c)
	if err != nil {
		return nil, err
	}
	return &SMS{h}, nil
}

// maxSMSAnswer is how much of a gateway's answer is read, for the connection to
// be of use again; in bytes.
const maxSMSAnswer = 8 << 10

// Send implements [notice.Sender]; no connection, and any other status but 502
// and 504, is [notice.ErrNotTaken]. No error holds the phone, the text or the code.
func (s *SMS) Send(ctx context.Context, m notice.Message) error {
	answer, taken, err := s.hook.post(ctx, struct {
		Phone string `json:"phone"`
		Text  string `json:"text"`
		Code  string `json:"code"`
		Kind  string `json:"kind"`
	}{m.Phone, m.Text, m.Code, string(m.Kind)})
	if err != nil && !taken {
		return errors.Join(err, notice.ErrNotTaken)
	}
	if err != nil {
		return err
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

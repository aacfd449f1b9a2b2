package identity

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

const (
	codeLife    = 5 * time.Minute
	codeAgain   = time.Minute
	codeTimeout = 10 * time.Second // of sending one
)

// SentCode says where a one-time code went.
type SentCode struct {
	Phone  string        // masked, for the page
	Expiry time.Duration // from now
	Again  time.Duration // after which another one may be asked for
}

// codeRecord is a one-time code as it is kept, sealed, in Ephemeral.
type codeRecord struct {
	ID      string    `json:"id"`                // random; its tries are counted under it
	Serial  int32     `json:"serial"`            // of the key of …
	Sum     []byte    `json:"sum"`               // … the MAC of the code
	Account string    `json:"account,omitempty"` // of a challenge: who gets in; empty: nobody
	Counted []string  `json:"counted,omitempty"` // of a challenge: the counters that counted its try
	Checked time.Time `json:"checked,omitzero"`  // of a challenge: when the password that was right had been set
	Sent    time.Time `json:"sent"`
	Used    bool      `json:"used,omitempty"`
}

// codeKeyOf says for whom a code is: an account, or challengeSubject, and a
// secret of the login.
type codeKeyOf struct{ subject, binding string }

// key returns the key under which the code is kept. It tells nothing.
func (s *Service) codeKey(ctx context.Context, of codeKeyOf) (string, error) {
	mac, err := s.c.Vault.MAC(ctx, domainCodeKey, of.subject, of.binding)
	if err != nil {
		return "", err
	}
	return "identity.code." + hex.EncodeToString(mac.Sum[:]), nil
}

func codePlace(key string) signing.Place {
	return signing.Place{Table: "ephemeral", Row: key, Column: "code"}
}

// SendCode sends a one-time code of six digits to the account's phone, bound to
// a login: binding is a secret of that login, such as its session's id. Asked
// again before Again is over it sends nothing and answers the same. An earlier
// code ends with the new one. *Error: no_phone, too_many_codes (Retry is set),
// no_second_factor, code_not_sent, unavailable; login_refused for a disabled
// account.
func (s *Service) SendCode(ctx context.Context, account, binding, language, requestID string) (SentCode, error) {
	if s.c.Sender == nil {
		return SentCode{}, &Error{Reason: "no_second_factor", Detail: "No messages can be sent here, so there is no second factor."}
	}
	a, err := s.Account(ctx, account)
	switch {
	case err != nil:
		return SentCode{}, err
	case a.Disabled:
		return SentCode{}, refusedLogin()
	case a.Phone == "":
		return SentCode{}, &Error{Reason: "no_phone", Detail: "The account has no phone. It can be added at a counter."}
	}
	of := codeKeyOf{account, binding}
	now := time.Now()
	before, _, err := s.loadCode(ctx, of)
	if err != nil && !errors.Is(err, ErrGone) {
		return SentCode{}, err
	}
	sent := SentCode{maskPhone(a.Phone), codeLife, codeAgain}
	if age := now.Sub(before.Sent); err == nil && !before.Used && age < codeAgain {
		return SentCode{sent.Phone, codeLife - age, codeAgain - age}, nil
	}
	// Of requests side by side one sends.
	gap, err := s.count(ctx, ofCodeGap, now, account, binding, before.ID)
	if err != nil {
		return SentCode{}, err
	}
	if gap.over() {
		s.takeBack(ctx, now, gap)
		return sent, nil
	}
	if err := s.sendCode(ctx, a, of, language, requestID); err != nil {
		s.takeBack(ctx, now, gap)
		return SentCode{}, err
	}
	return sent, nil
}

// sendCode sends a code within the account's limits.
func (s *Service) sendCode(ctx context.Context, a Account, of codeKeyOf, language, requestID string) error {
	f := did(a.ID, journal.ActionCodeSend, a.ID, requestID, "")
	counted, err := s.countCode(ctx, a.ID, time.Now())
	if err != nil {
		f.Result = ReasonOf(err)
		s.c.Journal.Noted(ctx, f)
		return err
	}
	code, err := s.keepCode(ctx, of, codeRecord{}, PartReserved, a.ID)
	if err != nil {
		s.takeBack(ctx, time.Now(), counted...)
		return err
	}
	sending, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	if err = s.c.Sender.Send(sending, Message{Phone: a.Phone, Text: codeText(code, language, false), Code: code}); err != nil {
		err = &Error{Reason: "code_not_sent", Detail: "The message could not be sent. Try again in a moment.", Err: err, Retry: 10 * time.Second}
		s.forgetCode(ctx, of) // what may still arrive is good for nothing
	}
	f.Result = ReasonOf(err)
	s.c.Journal.Noted(ctx, f)
	return err
}

// countCode counts a code that is to be sent for an account. *Error too_many_codes.
func (s *Service) countCode(ctx context.Context, account string, now time.Time) ([]tally, error) {
	var counted []tally
	for _, l := range []limit{ofCodeHour, ofCodeDay} {
		t, err := s.count(ctx, l, now, account)
		if err != nil {
			return nil, err
		}
		counted = append(counted, t)
		if t.over() {
			s.takeBack(ctx, now, counted...)
			return nil, &Error{
				Reason: "too_many_codes", Detail: "Too many codes were sent to this phone. Wait a while and try again.", Retry: t.window,
			}
		}
	}
	return counted, nil
}

// keepCode makes a code and keeps it, in place of any before it, in a part of the
// store and on somebody's account there.
func (s *Service) keepCode(ctx context.Context, of codeKeyOf, r codeRecord, part Part, who string) (code string, err error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("making a code: %w", err)
	}
	code = fmt.Sprintf("%06d", n)
	key, err := s.codeKey(ctx, of)
	if err != nil {
		return "", err
	}
	now := time.Now()
	r.ID, r.Sent = NewID(), now
	mac, err := s.c.Vault.MAC(ctx, domainCode, key, r.ID, code)
	if err != nil {
		return "", err
	}
	r.Serial, r.Sum = mac.Serial, mac.Sum[:]
	sealed, err := s.c.Vault.SealJSON(ctx, codePlace(key), r)
	if err != nil {
		return "", err
	}
	owner, err := OwnerOf(ctx, s.c.Vault, who)
	if err != nil {
		return "", err
	}
	if err := s.c.Ephemeral.Put(ctx, key, sealed, Keeping{Part: part, Owner: owner, Until: now.Add(codeLife)}, now); err != nil {
		return "", unavailable(err)
	}
	return code, nil
}

// loadCode returns the code that is kept, and as it is kept; ErrGone.
func (s *Service) loadCode(ctx context.Context, of codeKeyOf) (r codeRecord, sealed []byte, err error) {
	key, err := s.codeKey(ctx, of)
	if err != nil {
		return codeRecord{}, nil, err
	}
	sealed, err = s.c.Ephemeral.Load(ctx, key, time.Now())
	if errors.Is(err, ErrGone) {
		return codeRecord{}, nil, ErrGone
	}
	if err != nil {
		return codeRecord{}, nil, unavailable(err)
	}
	return r, sealed, s.c.Vault.OpenJSON(ctx, codePlace(key), sealed, &r)
}

func (s *Service) forgetCode(ctx context.Context, of codeKeyOf) {
	key, err := s.codeKey(ctx, of)
	if err == nil {
		err = s.c.Ephemeral.Delete(ctx, key)
	}
	if err != nil {
		s.c.Log.WarnContext(ctx, "a code that wasn't sent could not be forgotten", "error", err)
	}
}

// CheckCode checks a code for the account and the binding. Five tries, five
// minutes, one use. *Error: code_wrong, code_expired (also used, and lost),
// too_many_tries (Retry is set: another code is needed), unavailable.
func (s *Service) CheckCode(ctx context.Context, account, binding, code, requestID string) error {
	_, err := s.spendCode(ctx, codeKeyOf{account, binding}, code)
	f := did(account, journal.ActionCodeCheck, account, requestID, ReasonOf(err))
	if err != nil {
		s.c.Journal.Noted(ctx, f)
		return err
	}
	return s.c.Journal.Record(ctx, f)
}

// spendCode checks a code and uses it up.
//
// A try counts before the code is compared, so that tries side by side are five
// as well. Of right ones side by side Swap lets one through. Were a store to lose
// that, the same code would pass twice for the same login, which gains nobody
// anything: Ephemeral needn't decide it.
func (s *Service) spendCode(ctx context.Context, of codeKeyOf, code string) (codeRecord, error) {
	now := time.Now()
	r, sealed, err := s.loadCode(ctx, of)
	if errors.Is(err, ErrGone) || err == nil && (r.Used || now.Sub(r.Sent) >= codeLife) {
		return codeRecord{}, expiredCode()
	}
	if err != nil {
		return codeRecord{}, err
	}
	tries, err := s.count(ctx, ofCodeTries, now, r.ID)
	if err != nil {
		return codeRecord{}, err
	}
	if tries.over() {
		return codeRecord{}, &Error{
			Reason: "too_many_tries", Detail: "The code was wrong too often. Ask for another one.", Retry: max(0, codeAgain-now.Sub(r.Sent)),
		}
	}
	key, err := s.codeKey(ctx, of)
	if err != nil {
		return codeRecord{}, err
	}
	mac := signing.Lookup{Serial: r.Serial}
	copy(mac.Sum[:], r.Sum)
	right, err := s.c.Vault.CheckMAC(ctx, mac, domainCode, key, r.ID, foldDigits(code))
	if err != nil {
		return codeRecord{}, err
	}
	if !right || of.subject == challengeSubject && r.Account == "" {
		return codeRecord{}, &Error{Reason: "code_wrong", Detail: "The code is wrong. Check the message and try again."}
	}
	r.Used = true
	used, err := s.c.Vault.SealJSON(ctx, codePlace(key), r)
	if err != nil {
		return codeRecord{}, err
	}
	switch err := s.c.Ephemeral.Swap(ctx, key, sealed, used, Keeping{}, now); {
	case errors.Is(err, ErrGone), errors.Is(err, ErrChanged):
		return codeRecord{}, expiredCode()
	case err != nil:
		return codeRecord{}, unavailable(err)
	}
	return r, nil
}

func expiredCode() error {
	return &Error{Reason: "code_expired", Detail: "The code is no longer good. Ask for another one."}
}

// foldDigits returns a code as it was sent: people type full-width digits, and spaces.
func foldDigits(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, party.FoldCode(code))
}

// codeText returns what the person reads. It says what the code is for, and
// never asks to tell it to anybody.
func codeText(code, language string, guarded bool) string {
	chinese := !strings.HasPrefix(strings.ToLower(language), "en")
	switch {
	case chinese && guarded:
		return "【一证】有人正在一台新设备上登录您的账号，密码正确。如果是您本人，请在登录页面输入验证码 " + code +
			"，5 分钟内有效。如果不是您，请不要把它告诉任何人（工作人员也不会向您索要），并请尽快修改密码。"
	case chinese:
		return "【一证】验证码 " + code + "，用于确认是您本人正在登录，5 分钟内有效。请不要告诉任何人，工作人员也不会向您索要。如果不是您在操作，请尽快修改密码。"
	case guarded:
		return "[Yizheng] Somebody is logging in to your account on a new device, with the right password. If it is you, enter " + code +
			" on the login page within 5 minutes. If not, tell it to nobody, our staff included, and change your password soon."
	}
	return "[Yizheng] " + code + " confirms that it is you who is logging in. It is good for 5 minutes. Tell it to nobody; our staff never ask for it. " +
		"If you aren't logging in, change your password soon."
}

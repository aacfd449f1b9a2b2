package flow

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/oidc/waiting"
)

// ScanCode has a code made that a phone reads, to log in by it (StepLogin).
type ScanCode struct{}

// Scanned logs in by a code that a phone has confirmed (StepLogin). If it hasn't yet, or the code
// is gone, the code's page comes again and says so; likewise if the page didn't say yet whose phone it is.
type Scanned struct {
	Code  string
	Named bool // the page whose form it is named the phone's owner
}

func (ScanCode) tries() bool { return true }
func (Scanned) tries() bool  { return true }

func (ScanCode) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if !a.scans(p) {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemStale})
	}
	shown, err := p.c.Scans.Ask(ctx, a.browser, a.Handle, a.wish(time.Now()))
	if e, ok := errors.AsType[*identity.Error](err); ok {
		if e.Reason == identity.ReasonTooManyTries {
			return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLimited, Wait: e.Retry})
		}
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLogin, Refused: e})
	} else if err != nil {
		return oidc.Step{}, err
	}
	return scanning(ctx, p, a, shown.Code)
}

func (w Scanned) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if !a.scans(p) {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemStale})
	}
	// If the request was answered meanwhile, as by "cancel" in another tab, nobody is logged in.
	if err := p.c.Waiting.Reload(ctx, a.Entry); err != nil {
		return oidc.Step{}, err
	}
	if a.IsAnswered() {
		return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
	}
	if !w.Named {
		return scanning(ctx, p, a, oidc.SecretOf(w.Code))
	}
	var oldest time.Time
	if age := a.maxAge(); age != nil && *age > 0 {
		oldest = time.Now().Add(-seconds(*age))
	}
	code := oidc.SecretOf(w.Code)
	l, cookie, err := p.c.Scans.Take(ctx, a.browser, a.Handle, code, oldest)
	if errors.Is(err, scan.ErrGone) {
		return scanning(ctx, p, a, code)
	}
	if err != nil {
		return oidc.Step{}, err
	}
	a.enters(l, cookie)
	a.Note(func(k *waiting.Kept) { k.Login, k.Account = l.ID, l.About.Account })
	step, err := p.next(ctx, a)
	if err == nil && step.Kind == oidc.StepSecondFactor {
		step.Sent, _ = SendCode{}.send(ctx, p, a)
	}
	return step, err
}

// scans reports whether a phone may log in for a request.
func (a *asking) scans(p *Service) bool { return p.c.Scans != nil && !a.Request.Direct }

// scanning leads to the page of a code.
func scanning(ctx context.Context, p *Service, a *asking, code oidc.Secret) (oidc.Step, error) {
	step, err := p.again(ctx, a, oidc.Problem{})
	step.Scan = code
	return step, err
}

// wish says what a phone's login must be, so that the computer's satisfies the request.
func (a *asking) wish(now time.Time) scan.Wish {
	return scan.Wish{
		Client: a.Client.ID, Licenses: a.Request.Detail != nil, Strength: min(max(a.need(), a.Request.Strength), scan.Most),
		Since: scan.Oldest(now, a.Request.Wants(request.PromptLogin), a.maxAge()),
	}
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

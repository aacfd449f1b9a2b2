package doctor

import (
	"context"
	"errors"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/upstream"
)

// upstreams looks at the other providers with which people log in, as far as that goes without a login.
func (e *examination) upstreams(ctx context.Context) {
	const about = "upstream"
	all, err := e.Providers()
	if err != nil {
		e.fail(about, "doctor.see_serve.todo", "%v", err)
		return
	}
	for _, p := range all {
		if p.OpenID == nil {
			e.ok(about, "doctor.upstream_ticket", p.ID)
			continue
		}
		o, err := install.AskUpstream(&p)
		if err == nil {
			err = upstream.Probe(ctx, p, o)
		}
		if refused, ok := errors.AsType[*identity.Error](err); ok {
			err = refused.Err
		}
		if err != nil {
			e.fail(about, "doctor.upstream.todo", "doctor.upstream_fails", p.ID, err)
			continue
		}
		e.ok(about, "doctor.upstream_ok", p.ID)
	}
}

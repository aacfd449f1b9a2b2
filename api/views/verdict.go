package views

import (
	"yizheng.internal/api/web"
	"yizheng.internal/license/credential"
)

// Verdict shows how a verification came out.
func (w *Words) Verdict(r *credential.Verification, byCode bool) *web.Verdict {
	out := &web.Verdict{Verdict: string(r.Verdict), At: r.CheckedAt}
	for _, c := range r.Checks {
		out.Checks = append(out.Checks, web.Check{Name: string(c.Name), Result: string(c.Result), Reason: c.Reason})
	}
	p := r.License
	if p == nil {
		return out
	}
	out.Masked, out.Origin, out.Grade = byCode, string(p.Origin), string(p.TrustGrade)
	c := web.Card{Band: "slate", Type: p.TypeName, Number: p.Number, Authority: p.Authority.Name, AuthorityCode: string(p.Authority.Code), From: p.ValidFrom.String()}
	if !p.ValidUntil.IsZero() {
		c.Until = p.ValidUntil.String()
	}
	t, err := w.typ(p.TypeCode, p.TypeVersion)
	if err == nil {
		c.Band = t.band
		if t.signed == p.TypeName {
			c.Type = t.name
		}
	}
	if w.lang != web.Chinese { // what is signed is Chinese
		c.Authority = w.signedAuthority(p.Authority.Code, p.Authority.Name)
	}
	for _, h := range p.Holders {
		c.Holders = append(c.Holders, web.CardHolder{Role: t.roles[h.Role], Name: h.Name, CodeType: w.codeType(h.CodeType), Code: h.Code})
	}
	for _, f := range t.fields {
		if value, ok := p.Fields[f.Name]; ok {
			c.Fields = append(c.Fields, web.Part{Name: f.Name, Title: t.says.Member(f.Name).TitleIn(string(w.lang), f.Name), Value: w.text(t.says.Member(f.Name), value)})
		}
	}
	out.Card = &c
	return out
}

package openapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/api/web"
)

// translate puts the page's texts into a language, as far as there are translations. The texts
// come from the OpenAPI document, which is in English. The page itself, the titles of
// operations and the meanings of reasons are translated; a test lists what isn't.
func (m *Manual) translate(p *web.Pages, l web.Language) {
	m.Lang, m.Other = l, web.Chinese
	if l == web.Chinese {
		m.Other = web.English
	}
	say := func(text *string) { *text = p.Manual(l, *text) }
	for i := range m.Text {
		say(&m.Text[i])
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		say(&g.Name)
		say(&g.Text)
		for j := range g.Operations {
			g.Operations[j].translate(p, l)
		}
	}
	for _, all := range [][]manualReason{m.Reasons, m.SignOn} {
		for i := range all {
			say(&all[i].Text)
		}
	}
	for i := range m.Schemas {
		for j := range m.Schemas[i].Members {
			say(&m.Schemas[i].Members[j].Text)
		}
	}
}

func (o *manualOperation) translate(p *web.Pages, l web.Language) {
	o.Summary, o.Text = p.Manual(l, o.Summary), p.Manual(l, o.Text)
	for i := range o.Others {
		o.Others[i].Text = translateAnswer(p, l, o.Others[i].Text)
	}
	said := make([]*huma.Param, len(o.Parameters)) // those of the document stay as they are
	for i, param := range o.Parameters {
		copied := *param
		copied.Description = p.Manual(l, param.Description)
		said[i] = &copied
	}
	o.Parameters = said
}

// translateAnswer translates what a status means: a sentence, behind which codes may stand.
func translateAnswer(p *web.Pages, l web.Language, text string) string {
	if sentence, codes, ok := strings.Cut(text, " `"); ok {
		return p.Manual(l, sentence) + " `" + codes
	}
	return p.Manual(l, text)
}

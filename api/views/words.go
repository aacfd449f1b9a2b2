package views

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/schema"

	"yizheng.internal/api/web"
	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Words puts licenses, and who deals with them, into what pages show, in the page's
// language as far as there are names in it. It looks up each type, client and item
// once, and serves one request.
type Words struct {
	c            *Config
	ctx          context.Context
	lang         web.Language
	types        map[typeVersion]typeWords
	participants map[string]string
	clients      map[string]string
	items        map[catalog.ItemCode]string
	cards        map[cardVersion]web.Card
	named        int // titles of parts that named returned
}

type cardVersion struct {
	id      audit.ID
	version int
}

type typeVersion struct {
	code    credential.TypeCode
	version int
}

// typeWords is what pages show of a type.
type typeWords struct {
	signed string // the name that is signed: the Chinese one
	name   string
	band   string
	fields []schema.Field // in the schema's order
	says   *schema.Wording
	roles  map[string]string
}

// Words returns what a page in that language needs.
func (s *Views) Words(ctx context.Context, lang web.Language) *Words {
	return &Words{
		c: &s.c, ctx: ctx, lang: lang, types: map[typeVersion]typeWords{}, participants: map[string]string{}, clients: map[string]string{},
		items: map[catalog.ItemCode]string{}, cards: map[cardVersion]web.Card{},
	}
}

// typ returns what pages show of a version of a type.
func (w *Words) typ(code credential.TypeCode, version int) (typeWords, error) {
	key := typeVersion{code, version}
	if t, ok := w.types[key]; ok {
		return t, nil
	}
	t, err := w.c.Types.Version(w.ctx, code, version)
	if err != nil {
		return typeWords{}, err
	}
	return w.wordsOf(&t)
}

// wordsOf keeps what pages show of a type. Names that the published version has in
// more languages count for older ones, where the Chinese name is the same: that alone
// is signed.
func (w *Words) wordsOf(t *catalog.Type) (typeWords, error) {
	compiled, err := schema.Compile(t.Schema)
	if err != nil {
		return typeWords{}, fmt.Errorf("type %s: %w", t.Code, err)
	}
	out := typeWords{signed: t.Name, band: bandOf(t), fields: compiled.Fields(), says: compiled.Wording(), roles: map[string]string{}}
	names, roles := t.NamesBeside(), map[string]party.Names{}
	for _, h := range t.Holders {
		roles[h.Role] = h.Names
	}
	if newer, says := w.newer(t); newer != nil {
		if newer.Name == t.Name {
			names = names.Beside(newer.NamesBeside())
		}
		for _, h := range newer.Holders {
			if slices.ContainsFunc(t.Holders, func(old catalog.HolderRole) bool { return old.Role == h.Role && old.Name == h.Name }) {
				roles[h.Role] = roles[h.Role].Beside(h.Names)
			}
		}
		out.says = out.says.Beside(says)
	}
	out.name = w.called(t.Name, names)
	for _, h := range t.Holders {
		out.roles[h.Role] = w.called(h.Name, roles[h.Role])
	}
	w.types[typeVersion{t.Code, t.Version}] = out
	return out, nil
}

// newer returns the published version of a type, if that is another one, and pages
// are in a language for which it matters; or nil.
func (w *Words) newer(t *catalog.Type) (*catalog.Type, *schema.Wording) {
	if w.lang == web.Chinese {
		return nil, nil
	}
	newer, err := w.c.Types.Version(w.ctx, t.Code, 0)
	if err != nil || newer.Version == t.Version || newer.State != entry.Published {
		return nil, nil
	}
	compiled, err := schema.Compile(newer.Schema)
	if err != nil {
		w.failed("type", err)
		return nil, nil
	}
	return &newer, compiled.Wording()
}

// called returns what something is called in the page's language.
func (w *Words) called(name string, names party.Names) string { return names.In(string(w.lang), name) }

// bands are the colors of licenses, by name.
var bands = []string{"jade", "sky", "seal", "amber", "plum", "slate", "rose"}

// bandOf returns the color of a type's licenses: that which the type's layout
// names by its member "color", or else one that follows from its code.
func bandOf(t *catalog.Type) string {
	var layout struct {
		Color string `json:"color"`
	}
	if json.Unmarshal(t.Layout, &layout) == nil && slices.Contains(bands, layout.Color) {
		return layout.Color
	}
	sum := 0
	for _, c := range []byte(t.Code) {
		sum = (sum*31 + int(c)) % 9973
	}
	return bands[sum%len(bands)]
}

// card shows a license with all its face fields. Of the holders whose codes are masked it hides the code's middle and
// the share: they are another person's.
func (w *Words) card(l *license.License, masked []string) (web.Card, error) {
	key := cardVersion{l.ID, l.Version.Version}
	if c, ok := w.cards[key]; ok {
		return c, nil
	}
	t, err := w.typ(l.TypeCode, l.TypeVersion)
	if err != nil {
		return web.Card{}, err
	}
	c := web.Card{
		ID: string(l.ID), Band: t.band, Type: t.name, Number: l.Number, AuthorityCode: string(l.Authority),
		From: l.ValidFrom.String(), State: string(l.State),
	}
	if !l.ValidUntil.IsZero() {
		c.Until = l.ValidUntil.String()
	}
	if l.Ending != nil {
		c.Ending = string(l.Ending.Kind)
	}
	for i, h := range l.Holders {
		shown := web.CardHolder{Role: t.roles[h.Role], Name: h.Name, CodeType: w.codeType(h.CodeType), Code: h.Code, Share: h.Share}
		if hasCode(masked, i) {
			shown.Code, shown.Share = party.Code{Type: h.CodeType, Value: h.Code}.Mask(), ""
		}
		c.Holders = append(c.Holders, shown)
	}
	c.Authority = w.authority(l)
	values := fieldValues(l.Fields)
	for _, f := range t.fields {
		if raw, ok := values[f.Name]; ok {
			says := t.says.Member(f.Name)
			part := web.Part{Name: f.Name, Value: w.valueText(says, raw)}
			part.Title, _ = cut(says.TitleIn(string(w.lang), f.Name), maxTitle)
			c.Fields = append(c.Fields, part)
			if v := string(raw); v == `"正本"` || v == `"副本"` {
				c.Copy = part.Value
			}
		}
	}
	w.cards[key] = c
	return c, nil
}

// authority returns the name of a license's authority, or its code if it is no
// participant any more.
func (w *Words) authority(l *license.License) string {
	return w.department(l.Authority, string(l.Authority))
}

// department returns the name of the participant with that code in the page's
// language, or what it is called otherwise.
func (w *Words) department(code party.USCC, otherwise string) string {
	key := "uscc:" + string(code)
	if name, ok := w.participants[key]; ok {
		return name
	}
	name := otherwise
	if p, err := w.c.Parties.FindParticipant(w.ctx, code); err == nil {
		name = w.called(p.Name, p.Names)
	}
	w.participants[key] = name
	return name
}

// signedAuthority returns the name of a credential's authority: in the page's
// language if the participant is still called as it was signed.
func (w *Words) signedAuthority(code party.USCC, signed string) string {
	if p, err := w.c.Parties.FindParticipant(w.ctx, code); err == nil && p.Name == signed {
		return w.called(p.Name, p.Names)
	}
	return signed
}

// codeType returns what a kind of code is called.
func (w *Words) codeType(t party.CodeType) string {
	return w.c.Texts.Text(w.lang, "code_type."+string(t))
}

// part shows one part of a license, whose card is c.
func (w *Words) part(l *license.License, c *web.Card, name string) web.Part {
	p := web.Part{Name: name, Title: w.partTitle(l.TypeCode, l.TypeVersion, name)}
	switch name {
	case catalog.PartIdentifier:
		p.Value = string(l.Identifier)
	case catalog.PartNumber:
		p.Value = l.Number
	case catalog.PartAreaCode:
		p.Value = l.AreaCode
	case catalog.PartHolders: // see holdersBut
	default:
		if i := slices.IndexFunc(c.Fields, func(f web.Part) bool { return f.Name == fieldName(name) }); i >= 0 {
			p.Value = c.Fields[i].Value
		}
	}
	return p
}

func fieldName(part string) string { return strings.TrimPrefix(part, "fields/") }

// partTitle returns what a part is called.
func (w *Words) partTitle(code credential.TypeCode, version int, name string) string {
	if title := w.c.Texts.Text(w.lang, "part."+name); title != "" {
		return title
	}
	t, err := w.typ(code, version)
	if err != nil {
		return fieldName(name)
	}
	title, _ := cut(t.says.Member(fieldName(name)).TitleIn(string(w.lang), fieldName(name)), maxTitle)
	return title
}

// naming is what a license is called in lists, and parts of it.
type naming struct {
	name   string
	titles []string
	more   int // parts that are not named, for the page has too many
}

// name returns what a license is called in lists, and those parts of it.
func (w *Words) name(id audit.ID, version int, parts []string) (n naming, err error) {
	typ, err := w.c.Licenses.TypeOf(w.ctx, id, version)
	if err != nil {
		return n, err
	}
	t, err := w.typ(typ.Code, typ.Version)
	if err != nil {
		return n, err
	}
	n.name = t.name
	named := min(len(parts), maxNamed-w.named)
	for _, part := range parts[:named] {
		n.titles = append(n.titles, w.partTitle(typ.Code, typ.Version, part))
	}
	w.named += named
	n.more = len(parts) - named
	return n, nil
}

func fieldValues(fields json.RawMessage) map[string]json.RawMessage {
	var values map[string]json.RawMessage
	if json.Unmarshal(fields, &values) != nil {
		return nil
	}
	return values
}

// valueText writes a face field's value, in the words of its schema.
func (w *Words) valueText(says *schema.Wording, raw json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // as it was written
	var v any
	if d.Decode(&v) != nil {
		return ""
	}
	return w.text(says, v)
}

// text writes a value of JSON. Lists and objects are texts in lines.
func (w *Words) text(says *schema.Wording, v any) string {
	switch v := v.(type) {
	case string:
		return says.ValueIn(string(w.lang), v)
	case bool:
		return w.c.Texts.Text(w.lang, "value."+strconv.FormatBool(v))
	case nil:
		return w.c.Texts.Text(w.lang, "value.null")
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, w.text(says.Element(), e))
		}
		return strings.Join(parts, "\n")
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			member := says.Member(key)
			parts = append(parts, member.TitleIn(string(w.lang), key)+" "+w.text(member, v[key]))
		}
		return strings.Join(parts, "\n")
	}
	return ""
}

// participant returns a participant's name.
func (w *Words) participant(id string) string {
	if name, ok := w.participants[id]; ok {
		return name
	}
	name := ""
	if p, err := w.c.Parties.Participant(w.ctx, id); err == nil {
		name = w.called(p.Name, p.Names)
	} else if !errors.Is(err, identity.ErrNotFound) {
		w.failed("participant", err)
	}
	w.participants[id] = name
	return name
}

// client returns a client's name.
func (w *Words) client(id string) string {
	if name, ok := w.clients[id]; ok {
		return name
	}
	c, err := w.c.Clients.Client(w.ctx, id)
	if err != nil {
		w.failed("client", err)
	}
	w.clients[id] = w.called(c.Name, c.Names)
	return w.clients[id]
}

// item returns a service item's name, as it is now, or its code.
func (w *Words) item(code catalog.ItemCode) string {
	if name, ok := w.items[code]; ok {
		return name
	}
	name := string(code)
	if i, err := w.c.Items.Version(w.ctx, code, 0); err == nil {
		name = w.called(i.Name, i.Names)
	}
	w.items[code] = name
	return name
}

// failed notes that a name could not be looked up: the page is shown without it.
func (w *Words) failed(what string, err error) {
	w.c.Failing.Warn(w.ctx, "a name for a page could not be read", err, "what", what)
}

package catalog

import (
	"context"
	"maps"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/schema"
)

// TypeMetadata is the SD-JWT VC type metadata of a version of a type (draft-ietf-oauth-sd-jwt-vc, section "SD-JWT
// VC Type Metadata"). Its address is the vct of the credentials. It helps to show credentials; no verifier here
// relies on it.
type TypeMetadata struct {
	VCT     string          `json:"vct"`
	Name    string          `json:"name"`
	Display []TypeDisplay   `json:"display"`
	Claims  []ClaimMetadata `json:"claims"`
}

// TypeDisplay names a type in one language.
type TypeDisplay struct {
	Locale string `json:"locale"`
	Name   string `json:"name"`
}

// ClaimMetadata says what is known of one claim.
type ClaimMetadata struct {
	Path      []any          `json:"path"`
	Display   []ClaimDisplay `json:"display"`
	Mandatory bool           `json:"mandatory,omitzero"`
	SD        Disclosability `json:"sd"`
}

// ClaimDisplay labels a claim in one language.
type ClaimDisplay struct {
	Locale string `json:"locale"`
	Label  string `json:"label"`
}

// Disclosability says whether a claim can be withheld.
type Disclosability string

const (
	AlwaysSelective Disclosability = "always"
	NeverSelective  Disclosability = "never"
)

const (
	localeChinese = "zh-CN"
	localeEnglish = "en"
)

// profileClaims are the claims of the credential profile that mean something to people. The claims of face fields
// come from the type.
var profileClaims = []struct {
	path        []any
	zh, en      string
	mandatory   bool
	selectively Disclosability
}{
	{[]any{"type_code"}, "证照类型代码", "License type code", true, NeverSelective},
	{[]any{"type_name"}, "证照类型名称", "License type", true, NeverSelective},
	{[]any{"type_version"}, "类型定义版本", "Version of the type's definition", true, NeverSelective},
	{[]any{"version"}, "证照版本", "Version of the license", true, NeverSelective},
	{[]any{"authority"}, "证照颁发机构", "Issuing authority", true, NeverSelective},
	{[]any{"authority", "code"}, "证照颁发机构代码", "Code of the issuing authority", true, NeverSelective},
	{[]any{"authority", "name"}, "证照颁发机构名称", "Name of the issuing authority", true, NeverSelective},
	{[]any{"origin"}, "证照来源", "Origin", true, NeverSelective},
	{[]any{"trust_grade"}, "信用等级", "Trust grade", true, NeverSelective},
	{[]any{"valid_from"}, "有效期起始日期", "Valid from", true, NeverSelective},
	{[]any{"valid_until"}, "有效期截止日期", "Valid until", false, NeverSelective},
	{[]any{"identifier"}, "电子证照标识", "License identifier", true, AlwaysSelective},
	{[]any{"previous_identifier"}, "关联证照标识", "Identifier of the version before", false, AlwaysSelective},
	{[]any{"number"}, "证照编号", "License number", true, AlwaysSelective},
	{[]any{"area_code"}, "管辖区划代码", "Area code", false, AlwaysSelective},
	{[]any{"holders"}, "持证主体", "Holders", true, NeverSelective},
	{[]any{"holders", nil}, "持证主体", "Holder", true, AlwaysSelective},
	{[]any{"holders", nil, "name"}, "持证主体名称", "Holder's name", true, AlwaysSelective},
	{[]any{"holders", nil, "code_type"}, "持证主体代码类型", "Type of the holder's code", true, AlwaysSelective},
	{[]any{"holders", nil, "code"}, "持证主体代码", "Holder's code", true, AlwaysSelective},
	{[]any{"holders", nil, "role"}, "持证主体角色", "Holder's role", true, AlwaysSelective},
	{[]any{"holders", nil, "share"}, "共有份额", "Share", false, AlwaysSelective},
	{[]any{"fields"}, "照面信息", "Face fields", true, NeverSelective},
}

// Metadata returns the metadata of a version of a type that was published. A draft is refused as unknown.
// Metadata answers everyone, because everyone who is shown a credential may ask.
func (c *Types) Metadata(ctx context.Context, code credential.TypeCode, version int) (TypeMetadata, error) {
	t, err := c.At(ctx, code, version)
	if err != nil {
		return TypeMetadata{}, err
	}
	if t == nil || t.PublishedAt.IsZero() {
		return TypeMetadata{}, errTypeUnknown()
	}
	typ, err := c.Issuable(t)
	if err != nil {
		return TypeMetadata{}, err
	}
	return typ.metadata(c.publicURL), nil
}

// maxNestedClaims is how many parts within fields the metadata describes at most.
const maxNestedClaims = 200

func (t *Issuable) metadata(publicURL string) TypeMetadata {
	names := t.NamesBeside()
	m := TypeMetadata{
		VCT: credential.VCT(publicURL, t.Code, t.Version), Name: t.Name,
		Display: []TypeDisplay{{localeChinese, t.Name}},
	}
	for _, tag := range names.Languages() {
		m.Display = append(m.Display, TypeDisplay{tag, names[tag]})
	}
	for _, c := range profileClaims {
		m.Claims = append(m.Claims, ClaimMetadata{c.path, claimLabels(names, c.zh, party.Names{localeEnglish: c.en}), c.mandatory, c.selectively})
	}
	nested := maxNestedClaims
	for _, f := range t.Compiled.Fields() {
		w := t.Compiled.Wording().Member(f.Name)
		m.Claims = append(m.Claims, ClaimMetadata{
			[]any{"fields", f.Name}, labelsOf(w, names, f.Name), f.Required, AlwaysSelective,
		})
		w.EachNested(nested, func(path []any, part *schema.Wording) {
			name, _ := path[len(path)-1].(string)
			m.Claims = append(m.Claims, ClaimMetadata{append([]any{"fields", f.Name}, path...), labelsOf(part, names, name), false, NeverSelective})
			nested--
		})
	}
	return m
}

// labelsOf returns the labels of a part of the face fields. If the part has no title, its name in the schema is
// the label; if it has no English title, its name is the English label.
func labelsOf(w *schema.Wording, languages party.Names, name string) []ClaimDisplay {
	if w == nil || w.Title == "" {
		return claimLabels(languages, name, nil)
	}
	titles := w.Titles
	if titles.In(localeEnglish, "") == "" && name != "" {
		titles = maps.Clone(titles)
		if titles == nil {
			titles = party.Names{}
		}
		titles[localeEnglish] = name
	}
	return claimLabels(languages, w.Title, titles)
}

// claimLabels returns a claim's labels in the languages of the type. The draft wants every claim to have a label
// in each of them, so the Chinese label stands in for a missing one.
func claimLabels(languages party.Names, chinese string, titles party.Names) []ClaimDisplay {
	all := []ClaimDisplay{{localeChinese, chinese}}
	for _, tag := range languages.Languages() {
		all = append(all, ClaimDisplay{tag, titles.In(tag, chinese)})
	}
	return all
}

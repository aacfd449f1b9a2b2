package schema

import (
	"maps"
	"slices"
	"unicode/utf8"

	"yizheng.internal/license/party"
)

// Keywords of ours, for words in languages other than Chinese. JSON Schema ignores them. x-titles has the title
// in other languages; x-enum-titles names the values of enum in them, by value.
const (
	keywordTitles     = "x-titles"      // {"en": "Address"}
	keywordEnumTitles = "x-enum-titles" // {"正本": {"en": "Original"}}
)

// maxTitle is how many characters a title may have.
const maxTitle = 100

// Wording is what a schema calls a part of the face fields. It is shared, and
// parts that refer to the same subschema have the same Wording: don't change it.
// A nil Wording knows no words.
type Wording struct {
	Title   string                 // usually Chinese; may be empty
	Titles  party.Names            // the title in other languages
	Values  map[string]party.Names // of an enum, by value
	Members map[string]*Wording    // of an object
	Items   *Wording               // of a list: of each element
}

// Wording returns what the schema calls its fields: they are its Members.
func (s *Schema) Wording() *Wording { return s.wording }

// Member returns the wording of an object's member, or nil.
func (w *Wording) Member(name string) *Wording {
	if w == nil {
		return nil
	}
	return w.Members[name]
}

// Element returns the wording of a list's elements, or nil.
func (w *Wording) Element() *Wording {
	if w == nil {
		return nil
	}
	return w.Items
}

// TitleIn returns the title in a language, or else in Chinese, or else the name.
func (w *Wording) TitleIn(tag, name string) string {
	if w == nil || w.Title == "" {
		return name
	}
	return w.Titles.In(tag, w.Title)
}

// ValueIn returns the name of a value in a language, or else the value itself.
func (w *Wording) ValueIn(tag, value string) string {
	if w == nil {
		return value
	}
	return w.Values[value].In(tag, value)
}

// Beside returns the wording with the names that a newer version of the schema adds in more languages, wherever
// the Chinese name is still the same. So names that are added later also serve what was issued before.
func (w *Wording) Beside(newer *Wording) *Wording { return besides{}.of(w, newer) }

// besides makes the wording of each pair once, because several places may refer to one subschema.
type besides map[[2]*Wording]*Wording

func (all besides) of(w, newer *Wording) *Wording {
	if w == nil || newer == nil || w == newer {
		return w
	}
	pair := [2]*Wording{w, newer}
	if done, ok := all[pair]; ok {
		return done
	}
	out := &Wording{Title: w.Title, Titles: w.Titles, Values: w.Values}
	all[pair] = out
	if w.Title == newer.Title {
		out.Titles = w.Titles.Beside(newer.Titles)
	}
	if len(newer.Values) > 0 {
		out.Values = maps.Clone(w.Values)
		if out.Values == nil {
			out.Values = map[string]party.Names{}
		}
		for value, names := range newer.Values {
			out.Values[value] = w.Values[value].Beside(names)
		}
	}
	for name, member := range w.Members {
		if out.Members == nil {
			out.Members = make(map[string]*Wording, len(w.Members))
		}
		out.Members[name] = all.of(member, newer.Members[name])
	}
	out.Items = all.of(w.Items, newer.Items)
	return out
}

// wordings makes the wording of each subschema once.
type wordings map[*node]*Wording

func (all wordings) of(n *node) *Wording {
	if n == nil || n.object == nil {
		return nil
	}
	if w, ok := all[n]; ok {
		return w
	}
	w := &Wording{}
	all[n] = w
	w.Title, _ = n.object["title"].(string)
	if w.Title != "" {
		w.Titles = namesOf(n.object[keywordTitles])
	}
	w.Values = valuesOf(n.object[keywordEnumTitles])
	for name, member := range n.named {
		if w.Members == nil {
			w.Members = make(map[string]*Wording, len(n.named))
		}
		w.Members[name] = all.of(member)
	}
	w.Items = all.of(n.items)
	w.inherit(all.of(n.target))
	return w
}

// inherit takes what is not said here from the subschema that $ref leads to.
func (w *Wording) inherit(from *Wording) {
	if from == nil {
		return
	}
	if w.Title == "" {
		w.Title, w.Titles = from.Title, from.Titles
	}
	if w.Values == nil {
		w.Values = from.Values
	}
	if w.Members == nil {
		w.Members = from.Members
	}
	if w.Items == nil {
		w.Items = from.Items
	}
}

// namesOf reads x-titles. A schema that was stored before x-titles meant anything may have any value there, so
// namesOf ignores what isn't a name.
func namesOf(v any) party.Names {
	members, _ := v.(map[string]any)
	var names party.Names
	for tag, v := range members {
		name, ok := v.(string)
		if ok && name != "" && party.CheckLanguage(tag) == "" {
			if names == nil {
				names = party.Names{}
			}
			names[tag] = name
		}
	}
	return names
}

func valuesOf(v any) map[string]party.Names {
	members, _ := v.(map[string]any)
	var values map[string]party.Names
	for value, v := range members {
		if names := namesOf(v); names != nil {
			if values == nil {
				values = map[string]party.Names{}
			}
			values[value] = names
		}
	}
	return values
}

// soundWords refuses titles in other languages that are malformed, or that belong to no title or value.
func (n *node) soundWords() error {
	if v, ok := n.object[keywordTitles]; ok {
		at := n.pointer + "/" + keywordTitles
		if title, _ := n.object["title"].(string); title == "" {
			return refuse("schema_titles", at) // there must be one to fall back to
		}
		if err := soundNames(at, v); err != nil {
			return err
		}
	}
	v, ok := n.object[keywordEnumTitles]
	if !ok {
		return nil
	}
	at := n.pointer + "/" + keywordEnumTitles
	members, ok := v.(map[string]any)
	if !ok {
		return refuse("schema_titles", at)
	}
	values, _ := n.object["enum"].([]any)
	for _, value := range slices.Sorted(maps.Keys(members)) {
		here := at + "/" + escapeToken(value)
		if !slices.Contains(values, any(value)) {
			return refuse("schema_enum_titles", here)
		}
		if err := soundNames(here, members[value]); err != nil {
			return err
		}
	}
	return nil
}

func soundNames(at string, v any) error {
	members, ok := v.(map[string]any)
	if !ok || len(members) == 0 || len(members) > party.MaxNames {
		return refuse("schema_titles", at)
	}
	for _, tag := range slices.Sorted(maps.Keys(members)) {
		here := at + "/" + escapeToken(tag)
		if party.CheckLanguage(tag) != "" {
			return refuse("schema_language", here)
		}
		name, ok := members[tag].(string)
		if !ok || utf8.RuneCountInString(name) > maxTitle || !party.Visible(name) {
			return refuse("schema_titles", here)
		}
		if _, err := party.ParseName(name); err != nil {
			return refuse("schema_titles", here)
		}
	}
	return nil
}

// EachNested calls f for every named part within a field, but at most so many times: parts that refer to one
// another can be very many. The path leads from the field to the part; a nil in it stands for each element of a
// list.
func (w *Wording) EachNested(most int, f func(path []any, w *Wording)) {
	type step struct {
		path []any
		w    *Wording
	}
	for queue := []step{{nil, w}}; len(queue) > 0 && most > 0; queue = queue[1:] {
		here := queue[0]
		if here.w == nil {
			continue
		}
		if len(here.path) > 0 && here.w.Title != "" {
			f(here.path, here.w)
			most--
		}
		for _, name := range keysOf(here.w.Members) {
			queue = append(queue, step{append(slices.Clone(here.path), name), here.w.Members[name]})
		}
		if here.w.Items != nil {
			queue = append(queue, step{append(slices.Clone(here.path), nil), here.w.Items})
		}
		if len(queue) > maxSchemas {
			queue = queue[:maxSchemas]
		}
	}
}

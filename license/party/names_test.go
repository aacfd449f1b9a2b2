package party

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

func TestCheckLanguage(t *testing.T) {
	for tag, want := range map[string]string{
		"en": "", "bo": "", "yue": "", "en-GB": "", "es-419": "", "zh-Hant": "", "zh-TW": "", "zh-Hant-HK": "", "mn-Mong": "", "mn-Mong-CN": "",
		"zh": "names_chinese", "zh-CN": "names_chinese", "zh-SG": "names_chinese", "zh-Hans": "names_chinese", "zh-Hans-HK": "names_chinese",
		"": "names_language", "EN": "names_language", "english": "names_language", "en_GB": "names_language", "en-gb": "names_language",
		"en-": "names_language", "-en": "names_language", "e": "names_language", "en-hant": "names_language", "en-GB-oed": "names_language",
		"en-x-y": "names_language", "i-ami": "names_language", "en GB": "names_language", "ｅｎ": "names_language", "en-4190": "names_language",
	} {
		if got := CheckLanguage(tag); got != want {
			t.Errorf("%q: %q, want %q", tag, got, want)
		}
	}
}

func TestParseNames(t *testing.T) {
	got, err := ParseNames(Names{"en": " Police ", "bo": "སྤྱི་བདེ"})
	if want := (Names{"en": "Police", "bo": "སྤྱི་བདེ"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := ParseNames(Names{}); got != nil || err != nil {
		t.Errorf("no names: %v %v", got, err)
	}
	many := Names{}
	for c := 'a'; c <= 'u'; c++ {
		many["a"+string(c)] = "x"
	}
	for name, c := range map[string]struct {
		names  Names
		reason string
	}{
		"too many":      {many, "names_count"},
		"no language":   {Names{"english": "Police"}, "names_language"},
		"Chinese twice": {Names{"zh-CN": "公安"}, "names_chinese"},
		"empty":         {Names{"en": " "}, "name_empty"},
		"invisible":     {Names{"en": "\u200c"}, "name_empty"},
		"control":       {Names{"en": "Po\x07lice"}, "name_character"},
		"bidirectional": {Names{"en": "Po\u202elice"}, "name_character"},
		"long":          {Names{"en": strings.Repeat("x", 201)}, "name_length"},
		"no UTF-8":      {Names{"en": "Po\xff"}, "name_encoding"},
	} {
		_, err := ParseNames(c.names)
		if e, ok := errors.AsType[*NamesError](err); !ok || e.Reason != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
}

func TestNamesIn(t *testing.T) {
	n := Names{"en": "Police", "pt-BR": "Polícia", "zh-Hant": "公安局（繁）", "de-AT": "Polizei"}
	for tag, want := range map[string]string{
		"en": "Police", "en-GB": "Police", "pt": "Polícia", "pt-BR": "Polícia", "de": "Polizei",
		"zh-CN": "公安局", "zh": "公安局", "zh-Hant": "公安局（繁）", "zh-Hant-HK": "公安局（繁）", "bo": "公安局", "": "公安局", "e": "公安局",
	} {
		if got := n.In(tag, "公安局"); got != want {
			t.Errorf("%q: %q, want %q", tag, got, want)
		}
	}
	if got := Names(nil).In("en", "公安局"); got != "公安局" {
		t.Errorf("without names: %q", got)
	}
}

package api

import (
	"strings"
	"testing"

	"yizheng.internal/api/web"
)

// A page says what things are called in its language, and marks what it has in
// Chinese alone. Names that the type is given later reach licenses of before, where
// the Chinese name is still the same.
func TestNamesOnPages(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	path := "/licenses/" + s.issued.ID
	p := b.Get(s.url + web.PreferencesPath + "?language=en&to=" + path)
	shows(t, p, 200, path)
	chinese := func(text string) string { return `<span lang="zh-CN">` + text + `</span>` }
	says(t, p, "<h1>Sample operator certificate</h1>", chinese("作业类别"), chinese("持证人"), chinese("样例厅"), chinese(sampleName), "Citizen ID number")

	s.call(t, s.catalog, "PUT", "/v1/license-types/"+sampleType, definition(object{
		"name_en": nil, "names": object{"en": "Certificate of an operator"},
		"schema": object{
			"type": "object", "additionalProperties": false, "required": []string{"category"},
			"properties": object{
				"category": object{"type": "string", "title": "作业类别", "maxLength": 50, "x-titles": object{"en": "Category of work"}},
				"grade":    object{"type": "integer", "title": "等级", "x-titles": object{"en": "Another grade"}, "minimum": 1, "maximum": 5},
			},
		},
		"holders": []object{{"role": "holder", "name": "持证人", "names": object{"en": "Bearer"}, "min": 1, "max": 2, "code_types": []string{"111"}}},
	})).want(t, 200, "")
	s.call(t, s.catalog, "POST", "/v1/license-types/"+sampleType+"/publish", nil).want(t, 200, "")
	p = b.Get(s.url + path)
	says(t, p, "<h1>Sample operator certificate</h1>", "Category of work", "Bearer", chinese("级别"))
	if strings.Contains(p.Body, "Another grade") || strings.Contains(p.Body, "作业类别") {
		t.Errorf("%s", p.Body)
	}
	says(t, b.Get(s.url+web.PreferencesPath+"?language=zh&to="+path), "样例特种作业操作证", "作业类别", "级别", "持证人", "公民身份号码")

	d := itemDefinition(nil)
	d["names"], d["purposes"] = object{"en": "Item in English"}, object{"en": "Purpose in English"}
	s.call(t, s.items, "PUT", "/v1/service-items/"+sampleItem, d).want(t, 200, "")
	s.call(t, s.items, "POST", "/v1/service-items/"+sampleItem+"/publish", nil).want(t, 200, "")
	b.Get(s.url + web.PreferencesPath + "?language=en&to=/")
	says(t, s.ask(b), "Item in English", "Purpose in English", "Category of work")
}

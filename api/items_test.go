package api

import (
	"slices"
	"strings"
	"testing"
)

// itemDefinition asks for one license of the sample type, changed by members.
func itemDefinition(change object) object {
	return merge(object{
		"name": "样例事项", "purpose": "办理样例事项", "area_code": "430000",
		"materials": []object{{
			"id": "operator-certificate", "name": "样例操作证", "relation": "applicant", "required": true,
			"alternatives": []object{{"type_code": sampleType, "role": "holder", "fields": []string{"number", "holders", "fields/category", "fields/grade"}}},
			"reasons":      object{"fields/grade": "核对级别"},
		}},
	}, change)
}

func (s *service) publishItem(t testing.TB, code string, d object) {
	t.Helper()
	s.call(t, s.items, "PUT", "/v1/service-items/"+code, d).want(t, 201, "")
	s.call(t, s.items, "POST", "/v1/service-items/"+code+"/publish", nil).want(t, 200, "")
}

// serviceItemOfTest is the answer of the catalog, written down here once more:
// its shape is a promise to clients.
type serviceItemOfTest struct {
	Code      string `json:"code"`
	Version   int    `json:"version"`
	State     string `json:"state"`
	Name      string `json:"name"`
	Purpose   string `json:"purpose"`
	AreaCode  string `json:"area_code"`
	Materials []struct {
		ID           string `json:"id"`
		Name         string `json:"name"`
		Relation     string `json:"relation"`
		Required     bool   `json:"required"`
		Alternatives []struct {
			TypeCode string   `json:"type_code"`
			Role     string   `json:"role"`
			Fields   []string `json:"fields"`
		} `json:"alternatives"`
		Reasons map[string]string `json:"reasons"`
	} `json:"materials"`
	Owner       string `json:"owner"`
	CreatedAt   string `json:"created_at"`
	PublishedAt string `json:"published_at"`
	RetiredAt   string `json:"retired_at"`
	Revision    int64  `json:"revision"`
}

func TestLifeOfAnItem(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	path := "/v1/service-items/" + sampleItem
	var i serviceItemOfTest
	s.call(t, s.items, "PUT", path, itemDefinition(nil)).want(t, 201, "").decode(t, &i)
	if i.Code != sampleItem || i.Version != 1 || i.State != "draft" || len(i.Materials) != 1 || i.Materials[0].Reasons["fields/grade"] == "" || i.PublishedAt != "" {
		t.Errorf("put: %+v", i)
	}
	s.call(t, s.items, "PUT", path, itemDefinition(object{"name": "样例事项二"})).want(t, 200, "").decode(t, &i)
	s.call(t, s.items, "POST", path+"/publish", nil).want(t, 200, "").decode(t, &i)
	if i.State != "published" || i.Name != "样例事项二" || i.PublishedAt == "" {
		t.Errorf("published: %+v", i)
	}
	s.call(t, s.items, "POST", path+"/publish", nil).want(t, 409, "item_not_draft")
	s.call(t, s.items, "PUT", path, itemDefinition(nil)).want(t, 200, "")
	// Any client reads; the published version, unless another one is named.
	s.call(t, s.reader, "GET", path, nil).want(t, 200, "").decode(t, &i)
	if i.Version != 1 || i.State != "published" {
		t.Errorf("read: %+v", i)
	}
	s.call(t, s.items, "GET", path+"?version=2", nil).want(t, 200, "") // a draft, which is its participant's
	s.call(t, s.reader, "GET", path+"?version=2", nil).want(t, 404, "item_unknown")
	s.call(t, s.items, "GET", path+"?version=3", nil).want(t, 404, "item_unknown")
	s.call(t, s.items, "POST", path+"/retire", nil).want(t, 200, "").decode(t, &i)
	if i.State != "retired" || i.RetiredAt == "" {
		t.Errorf("retired: %+v", i)
	}
	s.call(t, s.items, "POST", path+"/retire", nil).want(t, 409, "item_not_published")
}

func TestItemsByPage(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	want := []string{registryUSCC + "A-1", registryUSCC + "A-2", registryUSCC + "B-1", registryUSCC + "b_2", registryUSCC + "b_3"}
	for _, code := range want {
		s.publishItem(t, code, itemDefinition(nil))
	}
	for _, limit := range []string{"1", "2", "5", "100"} {
		var got []string
		for after := ""; ; {
			var page struct {
				Items []serviceItemOfTest `json:"items"`
				Next  string              `json:"next"`
			}
			s.call(t, s.reader, "GET", "/v1/service-items?limit="+limit+after, nil).want(t, 200, "").decode(t, &page)
			for _, i := range page.Items {
				got = append(got, i.Code)
			}
			if page.Next == "" {
				break
			}
			after = "&after=" + page.Next
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %s: %v", limit, got)
		}
	}
}

func (w *world) badItems() []badInput {
	put := func(name string, change object, reason, at string) badInput {
		return badInput{name: "item: " + name, client: w.items, request: "PUT /v1/service-items/NEW", body: itemDefinition(change), status: 422, reason: reason, at: at}
	}
	material := func(change object) object {
		return object{"materials": []object{merge(itemDefinition(nil)["materials"].([]object)[0], change)}}
	}
	many := make([]object, 1000)
	for i := range many {
		many[i] = object{"id": "a", "name": "x", "relation": "applicant", "required": true, "alternatives": []object{}}
	}
	path := "/v1/service-items/" + sampleItem
	return []badInput{
		put("no materials", object{"materials": []object{}}, "count", "/materials"),
		put("1,000 materials", object{"materials": many}, "item_invalid", ""),
		put("unknown type", material(object{"alternatives": []object{{"type_code": unknownType, "fields": []string{"number"}}}, "reasons": nil}), "type_not_published", "/materials/0/alternatives/0/type_code"),
		put("draft type", material(object{"alternatives": []object{{"type_code": draftType, "fields": []string{"number"}}}, "reasons": nil}), "type_not_published", "/materials/0/alternatives/0/type_code"),
		put("no reason", material(object{"reasons": nil}), "reason_missing", "/materials/0/alternatives/0/fields/3"),
		put("control character", object{"purpose": hiddenField + "\u0007"}, "characters", "/purpose"),
		put("area", object{"area_code": "43"}, "area_code", "/area_code"),
		{name: "item: bad code", client: w.items, request: "PUT /v1/service-items/a.b", body: itemDefinition(nil), status: 422, reason: "item_code"},
		{name: "item: long code", client: w.items, request: "PUT /v1/service-items/" + strings.Repeat("a", 65), body: itemDefinition(nil), status: 422, reason: "item_code"},
		{name: "item: unknown member", client: w.items, request: "PUT " + path, body: itemDefinition(object{"owner": "me"}), status: 400, reason: "json_unknown_member"},
		{name: "item: too large", client: w.items, request: "PUT " + path, body: `{"name":"` + strings.Repeat("x", largeBody) + `"}`, status: 413, reason: "body_too_large"},
		{name: "item: without the scope", client: w.catalog, request: "PUT " + path, body: itemDefinition(nil), status: 403, reason: "insufficient_scope"},
		{name: "item: published without the scope", client: w.department, request: "POST " + path + "/publish", status: 403, reason: "insufficient_scope"},
		{name: "item: nobody", request: "PUT " + path, body: itemDefinition(nil), status: 401, reason: "invalid_token"},
		{name: "item: unknown", client: w.reader, request: "GET /v1/service-items/NONE", status: 404, reason: "item_unknown"},
		{name: "item: no code", client: w.reader, request: "GET /v1/service-items/a%20b", status: 404, reason: "item_unknown"},
		{name: "item: publishing nothing", client: w.items, request: "POST /v1/service-items/NONE/publish", status: 404, reason: "item_unknown"},
		{name: "item: publishing with a body", client: w.items, request: "POST " + path + "/publish", body: `{"a":1}`, status: 400, reason: "body_unexpected"},
		{name: "item: listing after nonsense", client: w.reader, request: "GET /v1/service-items?after=a%20b", status: 400, reason: "query_parameter"},
		{name: "item: listing too many", client: w.reader, request: "GET /v1/service-items?limit=101", status: 400, reason: "query_parameter"},
		{name: "item: of another participant", client: w.rivalItems, request: "PUT " + path, body: itemDefinition(nil), status: 403, reason: "item_owner"},
		{name: "item: retired by another participant", client: w.rivalItems, request: "POST " + path + "/retire", status: 403, reason: "item_owner"},
	}
}

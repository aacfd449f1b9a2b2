package api

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhoReadsTheCatalog calls each endpoint of the catalog with every kind of token:
// published entries are read by all, drafts by their participant's own clients alone.
// Nobody else is told anything else than of an entry that there isn't.
func TestWhoReadsTheCatalog(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	const draftItem = sampleItem + "-DRAFT"
	draftType := sampleType[:18] + "777"
	s.call(t, s.catalog, "PUT", "/v1/license-types/"+draftType, definition(nil)).want(t, 201, "")
	s.call(t, s.items, "PUT", "/v1/service-items/"+draftItem, itemDefinition(nil)).want(t, 201, "")
	// A client of the drafts' own participant, where people log in.
	own := s.relyingParty(t, s.owner(t, registryUSCC), "http://127.0.0.1:9103/callback", nil)
	person := own.request().loggedIn(t, s.browser(t), s.alice).AccessToken

	read := func(token, path string) answer { return s.bearer(t, "GET", path, token, nil) }
	for _, c := range []struct {
		who    string
		token  string
		drafts bool
	}{
		{"its participant's client", s.token(t, s.catalog), true},
		{"another participant's client", s.token(t, s.stranger), false},
		{"a person's token of its participant's client", person, false},
	} {
		for kind, e := range map[string]struct{ list, published, draft, none, unknown string }{
			"type": {"/v1/license-types", sampleType, draftType, sampleType[:18] + "778", "type_unknown"},
			"item": {"/v1/service-items", sampleItem, draftItem, sampleItem + "-none", "item_unknown"},
		} {
			read(c.token, e.list+"/"+e.published).want(t, 200, "")
			read(c.token, e.list+"/"+e.published+"?version=1").want(t, 200, "")
			if list := read(c.token, e.list+"?limit=100").want(t, 200, "").body; strings.Contains(list, e.draft) != c.drafts || !strings.Contains(list, e.published) {
				t.Errorf("%s lists %ss: %s", c.who, kind, list)
			}
			for _, query := range []string{"", "?version=1", "?version=2"} {
				draft, none := read(c.token, e.list+"/"+e.draft+query), read(c.token, e.list+"/"+e.none+query)
				none.want(t, http.StatusNotFound, e.unknown)
				if c.drafts && query != "?version=2" {
					draft.want(t, 200, "")
				} else if draft.want(t, http.StatusNotFound, e.unknown); draft.member("detail") != none.member("detail") {
					t.Errorf("%s is told of a %s: %s; of none: %s", c.who, kind, draft.body, none.body)
				}
			}
		}
	}
	// What a person's token could write needs a scope that no login has.
	for _, path := range []string{"/v1/license-types/" + draftType, "/v1/service-items/" + draftItem} {
		s.bearer(t, "POST", path+"/publish", person, nil).want(t, http.StatusForbidden, "insufficient_scope")
		s.bearer(t, "POST", path+"/retire", person, nil).want(t, http.StatusForbidden, "insufficient_scope")
	}
	read("", "/v1/license-types/"+draftType).want(t, http.StatusUnauthorized, "invalid_token")
	if a := s.bearer(t, "GET", "/v1/trust/types/"+draftType+"/1", person, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("type metadata of a draft: %d %s", a.StatusCode, a.body)
	}
}

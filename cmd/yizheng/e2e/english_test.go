package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// ownWords are the texts that stay Chinese on a page in English, all of them as the
// samples have them: what a license says (its number, its fields, its holders' names
// and addresses, the number of the document that ended it) and what people are called.
// The switch to Chinese is the one text of a page itself.
func ownWords(t *testing.T) map[string]bool {
	t.Helper()
	words := map[string]bool{"中文": true}
	var read func(v any)
	read = func(v any) {
		switch v := v.(type) {
		case string:
			words[v] = true
		case []any:
			for _, e := range v {
				read(e)
			}
		case map[string]any:
			for _, e := range v {
				read(e)
			}
		}
	}
	for _, name := range []string{"licenses", "people"} {
		raw, err := os.ReadFile("../internal/demo/samples/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		read(v)
	}
	return words
}

// masked reports whether a line is a person's name of which the last character is
// shown, as pages for others have it.
func masked(line string) bool {
	rest := strings.TrimLeft(line, "*")
	return rest != line && len([]rune(rest)) == 1
}

// english fails the test if the page says something in Chinese that isn't marked
// as such, or anything but what must stay Chinese.
func (b *browser) english(name string, words map[string]bool, texts ...string) {
	b.t.Helper()
	b.good(name, texts...)
	b.spoken(name, words)
}

func (b *browser) spoken(name string, words map[string]bool) {
	b.t.Helper()
	if lang := eval[string](b, `document.documentElement.lang`); lang != "en" {
		b.t.Errorf("%s: the page says it is in %q", name, lang)
	}
	found := eval[struct{ Plain, Marked []string }](b, `(() => {
		const found = {Plain: [], Marked: []}, chinese = /\p{Script=Han}/u
		const note = (text, e) => {
			if (chinese.test(text || '')) (e.closest('[lang]').lang === 'en' ? found.Plain : found.Marked).push(text.trim())
		}
		note(document.title, document.documentElement)
		const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
		while (walk.nextNode()) {
			const e = walk.currentNode.parentElement
			if (!e.closest('script, style')) note(walk.currentNode.data, e)
		}
		document.querySelectorAll('*').forEach(e => ['aria-label', 'title', 'placeholder', 'alt'].forEach(a => note(e.getAttribute(a), e)))
		return found
	})()`)
	if len(found.Plain) > 0 {
		b.t.Errorf("%s: in Chinese, and not marked: %q", name, found.Plain)
	}
	for _, text := range found.Marked {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); !words[line] && !masked(line) {
				b.t.Errorf("%s: in Chinese still: %q", name, line)
			}
		}
	}
}

// In English all of it is English, but what licenses say and what people are called.
func TestEnglish(t *testing.T) {
	t.Parallel()
	d, words := startDemo(t), ownWords(t)
	(&reader{newBrowser(t, phone), d, words}).walk()
	if os.Getenv("YIZHENG_TEST_PICTURES") != "" { // the same words, for who looks at the pictures
		(&reader{newBrowser(t, pc), d, words}).walk()
	}
}

// reader reads the demo's pages in English.
type reader struct {
	*browser
	d     *demo
	words map[string]bool
}

func (r *reader) page(name string, texts ...string) {
	r.t.Helper()
	if r.size == phone {
		r.english(name, r.words, texts...)
		return
	}
	r.says(texts...) // what axe finds it finds on the phone
	r.shoot(name)
	r.spoken(name, r.words)
}

func (r *reader) walk() {
	r.open(r.d.Issuer)
	r.follow("#language")
	r.page("front", "Log in")
	r.login(r.d.People[0])
	r.consents()
	r.portal(r.d.People[0])
	r.leave()
	for _, p := range []string{"fangyang", "linjie"} { // a suspended license; one whose child has one
		r.open(r.d.Issuer + "/licenses")
		who := r.d.People[slices.IndexFunc(r.d.People, func(who person) bool { return who.Login == p })]
		r.logIn(r.d, who)
		r.waitFor("a.license")
		r.licenses(p)
		r.leave()
	}
	r.verify()
	r.errors()
}

// login comes from a department's service.
func (r *reader) login(who person) {
	r.open(r.d.Departments[0].URL)
	r.click("#apply")
	r.waitFor("#username")
	r.page("login", "Qinghe Public Security Bureau (sample)", "Residence permits (sample)", "Password")
	before := len(r.d.messages(r.t, who))
	r.fill("#username", who.Login)
	r.fill("#password", "wrong horse battery")
	r.follow("#submit")
	r.page("login-refused", "Password")
	r.fill("#username", who.Login)
	r.fill("#password", who.Password)
	r.click("#submit")
	r.waitFor("#code, #send")
	r.page("code", "code")
	r.confirm(r.d, who, before)
}

// consents are given to both departments.
func (r *reader) consents() {
	r.waitFor("#approve")
	r.page("consent", "Qinghe Public Security Bureau (sample)", "Annual residence permit endorsement (sample)", "To endorse your permit and check your home (sample)",
		"Residence permit", "Proof of lawful and stable residence", "To check the endorsed address", "Ownership: Sole")
	r.pick(section("residence-permit"), "Home address")
	r.pick(section("dwelling"), "9900002")
	r.page("consent-filled", "Licenses to share: 2")
	r.click("#approve")
	r.waitAt(r.d.Departments[0].URL + "/case")
	r.open(r.d.Departments[1].URL)
	r.click("#apply")
	r.waitFor("#for-self")
	r.page("acting", "Choose who you act for", "Legal representative", "According to the register")
	r.asSelf()
	r.page("consent-market", "Qinghe Market Supervision Bureau (sample)", "New food business permit (sample)", "Food handler’s health certificate", "Original", "Duplicate")
	r.pick(section("business-license"), "Original")
	r.pick(section("premises"), "9900003")
	r.click("#approve")
	r.waitAt(r.d.Departments[1].URL + "/case")
}

// portal are the pages of somebody who is logged in.
func (r *reader) portal(who person) {
	r.open(r.d.Issuer + "/licenses")
	r.waitFor("a.license")
	r.licenses("own")
	for path, text := range map[string]string{
		"/records": "New food business permit (sample)", "/grants": "Residence permits (sample)", "/services": "Connected services",
		"/sessions": "Chrome", "/security": "Ways to log in", "/security/events": "Account activity", "/security/app": "Add an authenticator app", "/security/recovery": "Recovery codes", "/password": "password", "/logout": "Log out",
	} {
		r.open(r.d.Issuer + path)
		r.waitFor("h1")
		r.page("page"+strings.ReplaceAll(path, "/", "-"), text)
	}
}

// licenses opens each license of a list.
func (r *reader) licenses(whose string) {
	r.page("licenses-"+whose, "My licenses", "(sample)")
	for _, link := range eval[[]string](r.browser, `Array.from(document.querySelectorAll('a.license'), a => a.href)`) {
		r.open(link)
		r.waitFor("#verification-code")
		r.shoot("license-" + whose + "-" + link[len(link)-4:])
		r.spoken(link, r.words)
		r.says("Citizen ID number")
	}
}

func (r *reader) leave() {
	r.open(r.d.Issuer + "/logout")
	r.follow("#submit")
	r.page("goodbye", "You are logged out")
}

// verify is what anybody may do, by what stands on the paper.
func (r *reader) verify() {
	r.open(r.d.Issuer + "/licenses/" + r.d.Licenses[0].ID)
	r.logIn(r.d, r.d.People[0])
	r.waitFor("#verification-code")
	identifier, code := r.text("#identifier"), r.text("#verification-code")
	try := func(name, identifier, code string, texts ...string) {
		r.open(r.d.Issuer + "/verify")
		r.fill("#identifier", identifier)
		r.fill("#code", code)
		r.follow("#submit")
		r.page(name, texts...)
	}
	r.open(r.d.Issuer + "/verify")
	r.page("verify", "Verify")
	try("verify-valid", identifier, code, "Residence permit (sample)", "Qinghe Public Security Bureau (sample)")
	try("verify-wrong", identifier, "AAAAAAAA")
	try("verify-mistyped", identifier[:len(identifier)-1]+"*", code)
}

// errors are pages of what went wrong, and where there is nothing.
func (r *reader) errors() {
	client := r.d.Clients[len(r.d.Clients)-1]
	wrong := url.Values{"client_id": {client.ID}, "response_type": {"code"}, "redirect_uri": {client.RedirectURIs[0] + "/"}, "scope": {"openid"}}
	for _, path := range []string{
		"/licenses/nothing", "/nowhere", "/oauth/authorize", "/oauth/authorize?" + wrong.Encode(), "/login?request=" + strings.Repeat("a", 43), "/setup",
		"/login?request=" + strings.Repeat("a", 43) + "&client=" + client.ID,
	} {
		r.open(r.d.Issuer + path)
		r.waitFor("h1")
		r.shoot("page" + strings.NewReplacer("/", "-", "?", "-").Replace(path[:min(len(path), 20)]))
		r.spoken(path, r.words)
	}
}

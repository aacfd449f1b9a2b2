package web

import (
	"bytes"
	"encoding/json"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// families are keys of which a template or the api package writes the first part
// alone: what follows is a code. TestFamilies of package api has the codes.
var families = regexp.MustCompile(`^(login|phone|code|code\.pwd|code\.totp|code\.recovery|code\.passkey|setup|entry|password|security|verify|consent|scanned|link|certificate|officer|acting|representations)\.problem\.|^notice\.|^login\.elsewhere\.|^error\.[a-z_]+\.(title|what|do)$|^outcome\.[a-z_]+\.(what|do)$|` +
	`^(scope|relation|standing|basis|result|grant|grant\.ended|origin|grade|replaces|verdict|check|checked|why|part|code_type|value|device|factor|level|proofing|trail\.what|trail\.reason|officer\.role|officer\.role_text|officer\.state|act|acting\.kind|acting\.over|acting\.none|acting\.how|representation\.ended|appointment\.kind)\.`)

var (
	literalKey = regexp.MustCompile(`\b(?:t|tb|tc|tw) "([a-z_.]+)"`)
	otherKey   = regexp.MustCompile(`\bor_else \(print [^)]*\) "([a-z_.]+)"`)
)

func pagesOf(t *testing.T) *Pages {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Both languages say the same things, with the same values in them.
func TestTexts(t *testing.T) {
	p := pagesOf(t)
	zh, en := p.texts[Chinese], p.texts[English]
	for key, text := range zh {
		other, ok := en[key]
		if !ok {
			t.Errorf("%s is not in English", key)
		}
		a, b := values(text), values(other)
		if !slices.Equal(a, b) {
			t.Errorf("%s: the values are %v in Chinese, %v in English", key, a, b)
		}
		for _, s := range []string{text, other} {
			if strings.TrimSpace(s) != s || s == "" || strings.ContainsAny(s, "<>\"") {
				t.Errorf("%s: %q", key, s)
			}
		}
	}
	for key := range en {
		if _, ok := zh[key]; !ok {
			t.Errorf("%s is not in Chinese", key)
		}
	}
	for _, l := range Languages() {
		raw, err := files.ReadFile("texts/" + string(l) + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(raw, []byte("\": \"")); n != len(p.texts[l]) {
			t.Errorf("%s has %d lines with a text and %d texts: a key stands twice", l, n, len(p.texts[l]))
		}
		if !json.Valid(raw) {
			t.Errorf("%s is no JSON", l)
		}
	}
}

// values returns the names of the values that a text shows.
func values(text string) (names []string) {
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(m[0], ":") {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}

// How texts are not written. English is that of government services: no contraction
// of "not", curly quotation marks, nothing that must be read twice. Chinese has its
// own punctuation marks and the words of official services.
var (
	unenglish = regexp.MustCompile(`(?i)n[’']t\b|['"，。；：（）]|\bany ?more\b|\bonce more\b|\bwill do\b|\bjust now\b|\banew\b|\bbegin\b|\bof yours\b|\bnot right\b|\bstands? (below|here)\b|  | [,.;:]`)
	unchinese = regexp.MustCompile(`\p{Han} *[,.;:?!()]|[,;:?!()] *\p{Han}|\p{Han} \p{Han}| [，。；：？！（）“”、]|[，。；：？！（）“”、] |[点按]“|点开|你|对方|用户名|申请单位|发证机关`)
)

// Texts keep to the manner of their language, say the same in sentences or in
// phrases, and name buttons, menus and headings as the pages write them.
func TestManner(t *testing.T) {
	p := pagesOf(t)
	quoted := regexp.MustCompile(`“([^”{]*)”`)
	for l, not := range map[Language]*regexp.Regexp{Chinese: unchinese, English: unenglish} {
		written := map[string]bool{}
		for _, text := range p.texts[l] {
			written[text] = true
		}
		for key, text := range p.texts[l] {
			if found := not.FindAllString(text, -1); found != nil {
				t.Errorf("%s in %s: %q in %q", key, l, found, text)
			}
			for _, m := range quoted.FindAllStringSubmatch(text, -1) {
				if !written[m[1]] {
					t.Errorf("%s in %s speaks of “%s”, which no page says", key, l, m[1])
				}
			}
		}
	}
	ends := func(s, marks string) bool { return strings.ContainsAny(s[len(s)-1:], marks) }
	for key, zh := range p.texts[Chinese] {
		en := p.texts[English][key]
		if sentence := strings.HasSuffix(zh, "。"); sentence != ends(en, ".") {
			t.Errorf("%s is a sentence in one language alone: %q, %q", key, zh, en)
		}
		if asks := strings.HasSuffix(zh, "？"); asks != ends(en, "?") {
			t.Errorf("%s is a question in one language alone: %q, %q", key, zh, en)
		}
	}
}

// Every text that a template names is there, and every text is named.
func TestTextsAreUsed(t *testing.T) {
	p := pagesOf(t)
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"period.seconds": true, "period.minutes": true, "period.hours": true}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, re := range []*regexp.Regexp{literalKey, otherKey} {
			for _, m := range re.FindAllSubmatch(b, -1) {
				key := string(m[1])
				if strings.HasSuffix(key, ".") {
					continue
				}
				used[key] = true
				if !p.Has(key) {
					t.Errorf("%s: there is no text %q", name, key)
				}
			}
		}
	}
	for key := range p.texts[Chinese] {
		if !used[key] && !families.MatchString(key) {
			t.Errorf("nothing uses %q", key)
		}
	}
}

func TestChooseLanguage(t *testing.T) {
	for header, want := range map[string]Language{
		"": Chinese, "en": English, "en-GB,en;q=0.9": English, "zh-TW": Chinese, "fr,en;q=0.5": English, "fr": Chinese,
		"zh;q=0.3,en;q=0.8": English, "en;q=0": Chinese, "en;q=NaN": Chinese, "en;q=2": Chinese, ";;;,,,": Chinese,
		strings.Repeat("fr,", 40) + "en": Chinese, "EN": English, "*": Chinese, "zh-Hans-CN, en;q=0.9": Chinese,
	} {
		if got := ChooseLanguage(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	at := time.Date(2025, 3, 2, 17, 5, 0, 0, time.UTC) // the next day in China
	for got, want := range map[string]string{
		Chinese.day("2025-03-03"): "2025年3月3日", English.day("2025-03-03"): "3 March 2025", Chinese.day("长期"): "长期",
		Chinese.moment(at): "2025年3月3日 01:05", English.moment(at): "3 March 2025 01:05", Chinese.moment(time.Time{}): "",
		English.value("1988-03-12"): "12 March 1988", English.value("2025-03-02T17:05:00Z"): "3 March 2025 01:05", English.value("汉族"): "汉族",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What is Chinese on a page in another language is marked, whatever it is.
func TestSaid(t *testing.T) {
	for got, want := range map[template.HTML]template.HTML{
		English.said("公安局<"): `<span lang="zh-CN">公安局&lt;</span>`, English.said("Police <"): "Police &lt;", Chinese.said("公安局<"): "公安局&lt;", English.said("𬱖"): `<span lang="zh-CN">𬱖</span>`,
		English.list([]string{"Name", "住址"}): `Name, <span lang="zh-CN">住址</span>`, Chinese.list([]string{"姓名", "住址"}): "姓名、住址",
		English.apart([]Part{{Title: "Use", Value: "住宅"}, {Title: "Since", Value: "2025-03-03"}}): `Use: <span lang="zh-CN">住宅</span>; Since: 3 March 2025`,
		Chinese.apart([]Part{{Title: "用途", Value: "住宅"}, {Title: "自", Value: "2025-03-03"}}):      "用途：住宅；自：2025年3月3日",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPeriods(t *testing.T) {
	p := pagesOf(t)
	for l, periods := range map[Language]map[int]string{
		Chinese: {1: "1 秒", 90: "90 秒", 91: "2 分钟", 3600: "60 分钟", 7201: "3 小时"},
		English: {1: "1 second", 90: "90 seconds", 91: "2 minutes", 7201: "3 hours"},
	} {
		for seconds, want := range periods {
			if got := p.texts[l].period(seconds); got != want {
				t.Errorf("%d: %q, want %q", seconds, got, want)
			}
		}
	}
}

// A word stands in the form that its number asks for.
func TestPlurals(t *testing.T) {
	en := pagesOf(t).texts[English]
	for numbers, want := range map[[2]int]string{
		{1, 12}: "Share <b>1</b> license (<b>12</b> details) with <b>x</b>", {2, 1}: "Share <b>2</b> licenses (<b>1</b> detail) with <b>x</b>",
	} {
		got, err := en.around(English, "<b>", "</b>")("consent.asks", "licenses", numbers[0], "parts", numbers[1], "who", "x")
		if err != nil || string(got) != want {
			t.Errorf("%v: %q %v, want %q", numbers, got, err, want)
		}
	}
	if _, err := en.text("period.hours"); err == nil {
		t.Error("a word is shown without its number")
	}
}

// A text is the service's own; what is put into it is not.
func TestValuesAreEscaped(t *testing.T) {
	zh := pagesOf(t).texts[Chinese]
	got, err := zh.around(English, "<strong>", "</strong>")("code.sent", "phone", `<script>"{n}样`)
	if err != nil || !strings.Contains(string(got), `<strong><span lang="zh-CN">&lt;script&gt;&#34;{n}样</span></strong>`) {
		t.Errorf("%s %v", got, err)
	}
	if _, err := zh.text("code.sent"); err == nil {
		t.Error("a text without its value is shown")
	}
	if _, err := zh.text("no.such.text"); err == nil {
		t.Error("a text that isn't there is shown")
	}
}

// Static files change their name with what they hold, and are small.
func TestAssets(t *testing.T) {
	p := pagesOf(t)
	onDisk, err := filepath.Glob("static/*")
	if err != nil || len(onDisk) != len(p.assets) {
		t.Fatalf("%d files on disk, %d assets, %v", len(onDisk), len(p.assets), err)
	}
	total := 0
	for _, file := range onDisk {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(p.URL(filepath.Base(file)), StaticPath)
		a, there := p.Asset(name)
		if !ok || !there || !bytes.Equal(a.Body, body) {
			t.Errorf("%s: not served at %q", file, name)
		}
		total += len(a.Packed)
	}
	if total > 20<<10 {
		t.Errorf("the static files have %d bytes over the wire", total)
	}
	if _, ok := p.Asset("style.css"); ok {
		t.Error("a file is served under a name that doesn't say what is in it")
	}
}

// modern are features of style and script that phones of 2020 lack.
var modern = regexp.MustCompile(`:has\(|:is\(|:where\(|@container|@layer|@property|aspect-ratio|accent-color|inset:|\?\.|\?\?|&&=|\|\|=|\?\?=|[^-]gap:|color-mix|\bdvh\b|subgrid|replaceAll\(|\.at\(|structuredClone`)

func TestNothingNewerThan2020(t *testing.T) {
	for _, file := range []string{"static/style.css", "static/app.js"} {
		b, err := files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := modern.FindAll(b, -1); found != nil {
			t.Errorf("%s uses %q", file, found)
		}
	}
}

// All templates are one set, in which a name that is defined twice would be the later file's.
func TestTemplatesAreNamedOnce(t *testing.T) {
	define := regexp.MustCompile(`\{\{-?\s*(?:define|block)\s+"([^"]+)"`)
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range define.FindAllSubmatch(b, -1) {
			if other, ok := in[string(m[1])]; ok {
				t.Errorf("%s defines %q, and %s does", name, m[1], other)
			}
			in[string(m[1])] = name
		}
	}
	if len(in) < 50 {
		t.Errorf("found only %d templates", len(in))
	}
}

// The page's frame works without a policy's exceptions: no inline style, no
// inline handler, nothing from elsewhere.
func TestNothingInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\sstyle=|<style|\son[a-z]+=|https?://[^"]*"|javascript:|target=`)
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := inline.FindAll(b, -1); found != nil {
			t.Errorf("%s has %q", name, found)
		}
	}
}

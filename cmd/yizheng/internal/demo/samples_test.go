package demo

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yizheng.internal/license/schema"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// The samples are plainly made up: area codes of no province, and 样例 wherever
// a name stands. That they pass the registry's checks, the demo's tests show.
func TestSamplesAreMadeUp(t *testing.T) {
	s, err := loadSamples()
	if err != nil {
		t.Fatal(err)
	}
	unassigned := func(what, area string) {
		if !strings.HasPrefix(area, "99") {
			t.Errorf("%s: area %s may belong to somebody", what, area)
		}
	}
	sample := func(what, text string) {
		if !strings.Contains(text, "样例") {
			t.Errorf("%s: %s doesn't say that it is a sample", what, text)
		}
	}
	departments := map[string]bool{}
	for _, p := range s.participants {
		departments[p.Name] = p.Class == identity.Government
		sample(p.Key, p.Name)
		sample(p.Key, p.Client)
		unassigned(p.Key, p.USCC[2:])
		unassigned(p.Key, p.AreaCode)
	}
	for _, name := range []string{"青禾市公安局（样例）", "青禾市市场监督管理局（样例）", "青禾市自然资源和规划局（样例）", "青禾市民政局（样例）", "青禾市卫生健康委员会（样例）"} {
		if !departments[name] {
			t.Errorf("there is no department %s", name)
		}
	}
	var names strings.Builder
	for _, l := range s.licenses {
		unassigned(l.Key, l.AreaCode)
		for _, h := range l.Holders {
			sample(l.Key, h.Name)
			names.WriteString(h.Name)
			area := h.Code
			switch {
			case h.CodeType == party.SocialCredit:
				area = h.Code[2:]
			case h.CodeType == party.HongKongMacaoPermit && strings.HasPrefix(h.Code, "H0000"), strings.HasPrefix(h.Code, "810000"):
				continue // of residents of Hong Kong: no area of their number is unassigned
			}
			unassigned(l.Key, area)
		}
	}
	for _, rare := range []string{"䶮", "㛃", "𣲗", "𬱖"} {
		if !strings.Contains(names.String(), rare) {
			t.Errorf("nobody is called %s", rare)
		}
	}
}

// There is a license of each type, and one for each thing that may become of it.
func TestSamplesAreComplete(t *testing.T) {
	s, err := loadSamples()
	if err != nil {
		t.Fatal(err)
	}
	used, suspended, ended, replaced := map[credential.TypeCode]bool{}, 0, 0, 0
	for _, l := range s.licenses {
		used[l.TypeCode] = true
		if l.Suspend != nil {
			suspended++
		}
		if l.End != nil {
			ended++
		}
		if l.Replace != nil {
			replaced++
		}
	}
	if suspended == 0 || ended == 0 || replaced == 0 {
		t.Errorf("%d suspended, %d ended, %d replaced", suspended, ended, replaced)
	}
	var named strings.Builder
	for _, ty := range s.types {
		named.WriteString(ty.Definition.Name + " ")
		if !used[ty.Code] {
			t.Errorf("no license of type %s", ty.Definition.Name)
		}
		compiled, err := schema.Compile(ty.Definition.Schema)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range compiled.Fields() {
			if !strings.ContainsFunc(f.Title, func(r rune) bool { return r >= 0x4e00 && r <= 0x9fff }) {
				t.Errorf("%s: field %s has no Chinese title", ty.Definition.Name, f.Name)
			}
		}
	}
	for _, name := range []string{"居住证", "营业执照", "食品经营许可证", "机动车驾驶证", "不动产权证书", "结婚证", "出生医学证明"} {
		if !strings.Contains(named.String(), name) {
			t.Errorf("there is no type %s", name)
		}
	}
}

// Chinese in the samples has the punctuation marks of Chinese, as the licenses do
// that they stand for; English has curly apostrophes.
func TestSamplesPunctuation(t *testing.T) {
	wrong := regexp.MustCompile(`\p{Han}[,.;:?!()]|[,;:?!()]\p{Han}|\p{Latin}'`)
	var files []string
	for _, pattern := range []string{"samples/*.json", "samples/types/*.json"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := wrong.FindAll(b, -1); found != nil {
			t.Errorf("%s has %q", file, found)
		}
	}
}
